"""Leaks are found wherever students look, however they are written, and ordinary code is no leak."""

import json
from pathlib import Path

import nbformat
import pytest

from grading.course.leaks import LIBRARY, find_leaks, hidden_of, texts_of, weight
from grading.course.topics import read_topic
from grading.errors import LeakError


@pytest.fixture
def hidden(unbuilt):
    topic = read_topic(unbuilt.config, "01_areas")
    return hidden_of(topic.assignment, topic.variants)


def leaks_in(hidden, content, name="page.md", strict=True):
    return [leak.origin for leak in find_leaks(hidden, texts_of(Path(name), content, strict=strict))]


def notebook(*cells):
    return nbformat.writes(nbformat.v4.new_notebook(cells=list(cells)))


SOLUTION = ["the solution of trapezium (assignment.py)"]
TESTS = ["the hidden tests of test-trapezium (assignment.py)"]


class TestFound:
    """In what students get, one telling statement is enough, and so are some that only tell together."""

    @pytest.mark.parametrize(
        "written",
        [
            'raise ValueError(f"negative length in {top}, {bottom}, {height}")',
            'raise   ValueError( f"negative length in {top}, {bottom}, {height}" )   # see above',
            'raise ValueError(\n    f"negative length in {top}, {bottom}, {height}"\n)',
            'if x: raise ValueError(f"negative length in {top}, {bottom}, {height}"); y = 1',
            'Write `raise ValueError(f"negative length in {top}, {bottom}, {height}")` first.',
        ],
        ids=["as it is", "spaced", "on three lines", "between other statements", "in prose"],
    )
    def test_a_line_of_a_solution_however_it_is_spaced(self, hidden, written):
        assert leaks_in(hidden, written) == SOLUTION

    def test_light_lines_together(self, unbuilt):
        lines = ["area = mean_width * height", "total = area + 0 * top", "return total"]
        new = "\n    ".join(lines)
        unbuilt.edit("solutions/01_areas/assignment.py", "return mean_width * height", new)
        topic = read_topic(unbuilt.config, "01_areas")
        hidden = hidden_of(topic.assignment, topic.variants)
        first = "mean_width = (top + bottom) / 2"
        assert all(leaks_in(hidden, line) == [] for line in (first, *lines))
        together = f"{first}\n# then\n{lines[0]}\n\n  {lines[1]}  # so far\n"
        assert leaks_in(hidden, together, "kit.py") == SOLUTION
        assert leaks_in(hidden, f"{first}\nprint(0)\n{lines[0]}\n{lines[1]}", "kit.py") == []

    def test_a_line_of_a_hidden_test(self, hidden):
        assert leaks_in(hidden, "Try `assert math.isclose(trapezium(0, 3, 2.5), 3 * 2.5 / 2 + 0)`.") == TESTS

    def test_the_code_of_a_misconception(self, hidden):
        found = leaks_in(hidden, "sides = [top, bottom, math.hypot(top-bottom, height)]")
        assert found == ["the misconception 'forgets-half' of trapezium"]

    def test_the_code_of_an_alternative(self, hidden):
        found = leaks_in(hidden, "area = 0\nreturn top * height / 2 + bottom * height / 2")
        assert found == ["the alternative 'two-triangles' of trapezium"]

    def test_what_an_edit_brings_in_by_itself_and_in_its_statement(self, unbuilt):
        new = "sum([top, bottom, math.hypot(top - bottom, height), math.fabs(top - bottom)]) / 2"
        cell = (
            f'# %% misconception="trapezium" name="edited"\n# No.\nreplace("(top + bottom) / 2", "{new}")\n\n'
        )
        unbuilt.edit("solutions/01_areas/misconceptions.py", "# %% alternative", f"{cell}# %% alternative")
        topic = read_topic(unbuilt.config, "01_areas")
        hidden = hidden_of(topic.assignment, topic.variants)
        origin = ["the misconception 'edited' of trapezium"]
        assert leaks_in(hidden, f"mean_width = {new}", "kit.py") == origin
        assert leaks_in(hidden, f"x = 1 + {new}") == origin
        assert leaks_in(hidden, f"x = 1 + {new[:20]}") == []

    def test_a_model_answer_of_a_question_graded_by_hand(self, hidden):
        text = "Cut the shape into thin strips of equal\nheight and add up what each of them covers."
        assert leaks_in(hidden, text) == ["the solution of essay (assignment.py)"]

    def test_it_is_named_with_file_line_and_origin(self, hidden):
        content = "# Notes\n\nreturn top * height / 2 + bottom * height / 2\n"
        (leak,) = find_leaks(hidden, texts_of(Path("kit/notes.md"), content, strict=True))
        assert str(leak) == (
            "kit/notes.md, line 3: 'return top * height / 2 + bottom * height / 2' "
            "is from the alternative 'two-triangles' of trapezium"
        )


class TestEverywhereInANotebook:
    SECRET = "return top * height / 2 + bottom * height / 2"

    def places(self, hidden, *cells):
        return [
            leak.place
            for leak in find_leaks(hidden, texts_of(Path("a.ipynb"), notebook(*cells), strict=True))
        ]

    def test_in_code(self, hidden):
        assert self.places(hidden, nbformat.v4.new_code_cell(self.SECRET)) == ["cell 1"]

    def test_in_prose(self, hidden):
        assert self.places(hidden, nbformat.v4.new_markdown_cell(f"As `{self.SECRET}` says")) == ["cell 1"]

    def test_in_printed_output(self, hidden):
        output = nbformat.v4.new_output("stream", text=f"x\n{self.SECRET}\n")
        assert self.places(hidden, nbformat.v4.new_code_cell("f()", outputs=[output])) == ["cell 1, outputs"]

    def test_in_displayed_html(self, hidden):
        page = "<pre>" + self.SECRET.replace("+", "&#43;") + "</pre>"
        output = nbformat.v4.new_output("display_data", data={"text/html": page})
        assert self.places(hidden, nbformat.v4.new_code_cell("f()", outputs=[output])) == ["cell 1, outputs"]

    def test_in_metadata(self, hidden):
        cell = nbformat.v4.new_code_cell("f()", metadata={"note": self.SECRET})
        assert self.places(hidden, cell) == ["cell 1, metadata"]

    def test_in_the_notebooks_own_metadata(self, hidden):
        content = json.loads(notebook())
        content["metadata"]["note"] = self.SECRET
        (leak,) = find_leaks(hidden, texts_of(Path("a.ipynb"), json.dumps(content), strict=True))
        assert leak.place == "metadata"


class TestNotALeak:
    @pytest.mark.parametrize(
        "line",
        [
            "import math",
            "else:",
            "assert math.isclose(trapezium(4, 4, 2.5), 10)",
            "return mean_width * height",
            "except ValueError:",
            "try:\n    pass",
        ],
    )
    def test_a_line_that_says_little(self, hidden, line):
        assert leaks_in(hidden, line) == []

    def test_what_the_stub_shows(self, unbuilt):
        old = "def trapezium(top, bottom, height):"
        new = "def trapezium(top: float, bottom: float = 0.0, height: float = 1.0) -> float:"
        for name in ("assignment.py", "misconceptions.py"):
            unbuilt.edit(f"solutions/01_areas/{name}", old, new)
        topic = read_topic(unbuilt.config, "01_areas")
        hidden = hidden_of(topic.assignment, topic.variants)
        assert leaks_in(hidden, new) == []
        assert leaks_in(hidden_of(topic.assignment, topic.variants[:1]), f"{new}\n    pass") == []

    def test_part_of_another_word(self, hidden):
        assert leaks_in(hidden, "return topmost * height / 2 + bottom * height / 2") == []

    def test_a_single_line_in_a_library(self, hidden):
        line = 'raise ValueError(f"negative length in {top}, {bottom}, {height}")'
        assert leaks_in(hidden, line, "kit.py", strict=False) == []


class TestInALibrary:
    def test_a_run_of_lines_is_a_leak(self, hidden):
        run = (
            "if min(top, bottom, height) < 0:\n"
            '    raise ValueError(f"negative length in {top}, {bottom}, {height}")\n'
            "\n"
            "# the mean width, as the book says\n"
            "mean_width = (top + bottom) / 2  # halved\n"
        )
        assert leaks_in(hidden, run, "kit.py", strict=False) == SOLUTION

    def test_so_is_one_line_that_says_it_all(self, unbuilt):
        formula = "return (top * height + bottom * height) / 2 + 0 * (top - bottom) * (height - height)"
        unbuilt.edit("solutions/01_areas/assignment.py", "return mean_width * height", formula)
        topic = read_topic(unbuilt.config, "01_areas")
        hidden = hidden_of(topic.assignment, topic.variants)
        assert weight(tuple(formula.replace("(", " ").replace(")", " ").split())) >= LIBRARY
        assert leaks_in(hidden, f"def f():\n    {formula}", "kit.py", strict=False) == SOLUTION


class TestBuildRefuses:
    def test_a_misconception_in_the_package_students_import(self, small):
        code = (small.root / "solutions/01_areas/misconceptions.py").read_text()
        code = code.partition("# %% alternative")[0].replace("[top, bottom, ", "[\n        top,bottom,")
        (small.root / "kit/paper.py").write_text(code)
        for check in (False, True):
            with pytest.raises(LeakError, match=r"kit/paper.py, line \d+: .* misconception 'forgets-half'"):
                small.build(check=check)

    def test_a_hidden_test_in_the_assignments_prose(self, small):
        new = "Hint: `assert math.isclose(trapezium(0, 3, 2.5), 3*2.5/2 + 0)`, and so on."
        small.edit("solutions/01_areas/assignment.py", "How much paper covers a shape?", new)
        with pytest.raises(
            LeakError, match=r"01_areas.ipynb, cell 1, line 2: .*hidden tests of test-trapezium"
        ):
            small.build()

    def test_code_in_the_fingerprints(self, small):
        small.edit("hook.py", 'variant["says"]', 'variant["source"]')
        with pytest.raises(LeakError, match=r"01_areas.json, .*misconception"):
            small.build()

    def test_a_leak_edited_into_a_committed_notebook(self, small):
        small.edit(small.release, "How much paper", "return top * height / 2 + bottom * height / 2")
        with pytest.raises(LeakError):
            small.build(check=True)
        assert small.build().written == (small.release,)  # a build replaces it

    def test_nothing_where_nothing_leaks(self, small):
        (small.root / "kit/paper.py").write_text("def area(top, height):\n    return top * height\n")
        (small.root / "kit/data.bin").write_bytes(b"\xff\x00\xfe")
        assert small.build(check=True).drift == ()
