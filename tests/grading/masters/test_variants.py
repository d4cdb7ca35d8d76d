"""Reading `misconceptions.py`: whole answers, and edits of other answers."""

import os

import pytest

from grading.course.masters import read_master
from grading.course.variants import of_kind, read_variants
from grading.errors import MasterError

ASSIGNMENT = '''\
# %% answer="add"
def add(a, b, times=1):
    """Their sum, so many times."""
    ### BEGIN SOLUTION
    total = a + b
    for _ in range(times - 1):
        total += a
        total += b
    return total
    ### END SOLUTION
'''

ALTERNATIVE = """\

# %% alternative="add" name="builtin"
# The built-in sum.
def add(a, b, times=1):
    return times * sum([a, b])
"""


@pytest.fixture
def variants(tmp_path):
    """The variants that a text describes, by name, and one alternative; the assignment has one answer."""

    def read(text):
        (tmp_path / "assignment.py").write_text(ASSIGNMENT)
        (tmp_path / "misconceptions.py").write_text(text + ALTERNATIVE)
        return {one.name: one for one in read_variants(read_master(tmp_path / "assignment.py"))}

    return read


@pytest.fixture
def edited(variants):
    """What a wrong answer with these edits looks like, whole."""

    def source(edits, keys=""):
        return variants(f'# %% misconception="add" name="wrong"{keys}\n# Wrong.\n{edits}\n')["wrong"].source

    return source


def lines_of(source):
    """The body of the function without its docstring."""
    return [line.removeprefix("    ") for line in source.splitlines()[1:] if '"""' not in line]


def test_variants_say_their_leading_comment_only(variants):
    text = '''
"""Wrong and right answers."""

# %% misconception="add" name="subtracts"
# You subtract.
# Look at the sign.
def add(a, b, times=1):
    # the wrong way round
    return a - b
'''
    found = variants(text)
    wrong, right = found["subtracts"], found["builtin"]
    assert wrong.says == "You subtract. Look at the sign."
    assert wrong.source.startswith("def add")
    assert "the wrong way round" in wrong.source
    assert (right.kind, right.edits) == ("alternative", ())
    assert list(of_kind([wrong, right], "misconception")) == ["add"]


def test_a_topic_without_such_a_file_has_no_variants(tmp_path):
    (tmp_path / "assignment.py").write_text(ASSIGNMENT)
    assert read_variants(read_master(tmp_path / "assignment.py")) == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('# %% misconception="add"\n# Wrong.\nx = 1\n', "no name"),
        ('# %% misconception="add" name="n"\nx = 1\n', "no sentence"),
        ("# %% setup=true\nx = 1\n", "no variant"),
        (ALTERNATIVE, "two variants of add are named 'builtin'"),
        (
            '# %% misconception="ad" name="n"\n# Wrong.\nx = 1\n',
            "is of 'ad', not an answer; the answers are add",
        ),
        ('# %% misconception="add" name="n"\n# Wrong.\n\ndef add(:\n', "line 4: this is no Python"),
    ],
)
def test_broken_variants_are_refused(variants, text, says):
    with pytest.raises(MasterError, match=says):
        variants(text)


class TestEdits:
    def test_the_rest_of_the_reference_answer_stays_as_it_is_without_markers(self, edited):
        source = edited('replace("total = a + b", "total = a - b")')
        reference = [line for line in ASSIGNMENT.splitlines()[1:] if "###" not in line]
        assert source == "\n".join(reference).replace("total = a + b", "total = a - b")

    def test_they_are_made_one_after_the_other(self, edited):
        source = edited('replace("a + b", "a - b")\nreplace("a - b", "b - a")')
        assert "total = b - a" in source

    def test_of_an_alternative(self, edited):
        source = edited('replace("[a, b]", "[a]")', ' of="builtin"')
        assert source == "def add(a, b, times=1):\n    return times * sum([a])"

    def test_of_an_alternative_that_is_an_edit_itself(self, variants):
        text = """
# %% misconception="add" name="wrong" of="loop"
# Wrong.
replace("times - 1", "times")

# %% alternative="add" name="loop" of="sum"
# Adds.
replace("total = a", "total = 0 + a")

# %% alternative="add" name="sum"
# Adds.
replace("total += b", "total = total + b")
"""
        lines = lines_of(variants(text)["wrong"].source)
        assert lines[:2] == ["total = 0 + a + b", "for _ in range(times):"]
        assert "    total = total + b" in lines

    def test_as_often_as_they_say(self, edited):
        assert edited('replace("total +=", "total -=", times=2)').count("total -=") == 2

    def test_a_cut_takes_a_line_with_it_that_it_leaves_empty_and_no_other(self, edited):
        assert "total = a\n" in edited('cut(" + b")')
        assert lines_of(edited('cut("total += a")'))[1:] == [
            "for _ in range(times - 1):",
            "    total += b",
            "return total",
        ]

    def test_a_block_of_lines_fits_at_any_depth_and_keeps_its_own(self, edited):
        edits = '''
replace(
    """
    total += a
    total += b
    """,
    """
    if a:
        total += a

    total += b
    """,
)'''
        assert lines_of(edited(edits))[1:] == [
            "for _ in range(times - 1):",
            "    if a:",
            "        total += a",
            "",
            "    total += b",
            "return total",
        ]

    def test_a_block_is_not_found_where_its_lines_stand_otherwise_to_one_another(self, edited):
        with pytest.raises(MasterError, match="nowhere in the reference answer of add"):
            edited('replace("total += a\\n    total += b", "pass")')

    def test_a_line_of_the_answer_can_become_several(self, edited):
        assert lines_of(edited('replace("+= a", "+= a\\ntotal += 1")'))[2:4] == [
            "    total += a",
            "    total += 1",
        ]

    def test_a_cut_of_several_lines_leaves_none_of_them(self, edited):
        assert lines_of(edited('cut("for _ in range(times - 1):\\n    total += a\\n    total += b")')) == [
            "total = a + b",
            "return total",
        ]

    def test_a_text_in_parts_is_one_text(self, edited):
        assert "total = a - b" in edited('replace("total = " "a + b", "total = a - b")')

    def test_the_variant_knows_where_it_comes_from(self, variants):
        text = '\n# %% misconception="add" name="w" of="builtin"\n# Wrong.\n# Very.\n\ncut("times * ")\n'
        wrong = variants(text)["w"]
        assert (wrong.of, [(edit.old, edit.new, edit.line) for edit in wrong.edits]) == (
            "builtin",
            [("times * ", "", 6)],
        )


@pytest.mark.parametrize(
    ("edits", "says"),
    [
        (
            'replace("total = b + a", "x")',
            "line 3: 'total = b \\+ a' is nowhere in the reference answer of add; "
            "what comes nearest is its line 3, 'total = a \\+ b'",
        ),
        ('replace("a + b", "x")\ncut("total += ")', "line 4: 'total \\+= ' stands 2 times .*lines 5, 6"),
        ('cut("total += ", times=3)', "2 times .*not 3 times; .*say times=2"),
        ('cut("a + b", times=2)', "stands once in the reference answer of add \\(line 3\\), not 2 times"),
        ('replace("a + b", "a +")', "line 3: the reference answer of add does not compile .*'total = a \\+'"),
        ('replace("a + b", "await a")\nreplace("def add", "return")', "line 4: .* does not compile"),
        ('swap("a", "b")', "line 3: \"swap\\('a', 'b'\\)\" is no edit"),
        ('replace("a + b", "a - b")\n\n"a"', "line 5: \"'a'\" is no edit"),
        ('replace("a + b", "a - b")\nx = 1', "line 4: 'x = 1' is no edit"),
        ('def add(a, b): pass\ncut("a")', "line 3: 'def add\\(a, b\\):' is no edit"),
        ('replace("a + b", "a" + "b")', "new of replace is 'a' \\+ 'b', which is not read"),
        ('replace(f"a + b", "a")', "old of replace is f'a \\+ b'"),
        ('replace("a + b", "a", times=2.0)', "times of replace is 2.0, .*literal number"),
        ('replace("a + b", "a", times=True)', "times of replace is True"),
        ('replace("a + b", "a", times=0)', "times=0 is no number of times"),
        ('replace("a + b")', "has other arguments; write replace\\(old, new, times=1\\)"),
        ('replace("a + b", "a", 1, 2)', "has other arguments"),
        ('replace("a + b", "a", old="b")', "has other arguments"),
        ('replace("a + b", "a", **{})', "has other arguments"),
        ('cut("a", "b", 1)', "write cut\\(old, times=1\\)"),
        ('replace("", "a")', "nothing to look for"),
        ('replace("a + b", "")', "write cut\\(old\\)"),
        ('replace("a + b", "a + b")', "changes nothing"),
    ],
)
def test_an_edit_that_does_not_fit_is_refused_with_file_and_line(edited, edits, says):
    with pytest.raises(MasterError, match=says) as caught:
        edited(edits)
    assert "misconceptions.py, line " in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "edits", "says"),
    [
        (' of="bulit-in"', 'cut("a")', "of='bulit-in' is no alternative of add; they are builtin"),
        (' of="builtin"', "def add(a, b): pass", "'wrong' is a whole answer"),
    ],
)
def test_only_an_alternative_can_be_edited(edited, keys, edits, says):
    with pytest.raises(MasterError, match=says):
        edited(edits, keys)


def test_two_alternatives_of_each_other_are_refused(variants):
    cell = '# %% alternative="add" name="{0}" of="{1}"\n# Adds.\ncut("a")\n'
    with pytest.raises(MasterError, match=r"of='(one|other)' leads in a circle"):
        variants(cell.format("one", "other") + cell.format("other", "one"))


@pytest.mark.parametrize(
    "edits",
    [
        "os.system('touch {path}')",
        "replace('a + b', str(os.system('touch {path}')))",
        "replace('a + b', 'a', times=os.system('touch {path}'))",
        "replace('a + b', 'a', *[os.system('touch {path}')])",
        "replace('a + b', f'{{os.system(\"touch {path}\")}}')",
        "(lambda: os.system('touch {path}'))()",
    ],
)
def test_nothing_in_a_cell_of_edits_is_run(edited, tmp_path, edits):
    path = tmp_path / "was-run"
    assert eval(f"os.system('touch {path}')", {"os": os}) == 0
    path.unlink()  # it would have worked
    with pytest.raises(MasterError):
        edited(edits.format(path=path))
    assert not path.exists()
