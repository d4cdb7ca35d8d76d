"""Is every lecture's master fit for a full room: slides, alternative text, kept outputs, settings?"""

from __future__ import annotations

import ast
import re
import symtable
from dataclasses import dataclass

import pytest

from grading.masters import Cell, Master
from tests.helpers import TOPICS
from tests.lecture.telling import lecture_of

SLIDES = {"slide", "subslide", "fragment", "notes", "skip"}


@dataclass(frozen=True)
class Least:
    """What a lecture has at least: sections, figures, cells whose output is kept, predictions, demos."""

    sections: int = 15
    figures: int = 25
    kept: int = 10
    predictions: int = 2
    demos: int = 1


LEAST = {
    "01_convolution": Least(kept=21, predictions=4),
    "04_resnet": Least(sections=18, kept=15, predictions=3, demos=2),
}


@pytest.fixture(scope="module", params=TOPICS)
def lecture(request: pytest.FixtureRequest) -> Master:
    return lecture_of(request.param)


@pytest.fixture
def least(lecture: Master) -> Least:
    return LEAST.get(lecture.path.parent.name, Least())


def calls(cell: Cell, name: str) -> list[ast.Call]:
    """Calls like `viz.show(...)` in a cell."""
    return [
        node
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == name
    ]


def code(lecture: Master) -> list[Cell]:
    return [cell for cell in lecture.cells if cell.kind == "code"]


def markdown(lecture: Master) -> list[Cell]:
    return [cell for cell in lecture.cells if cell.kind == "markdown"]


def test_every_cell_has_its_place_in_the_slides(lecture: Master) -> None:
    assert [cell.source[:60] for cell in lecture.cells if cell.keys.get("slide") not in SLIDES] == []


def test_a_slide_opens_the_lecture_and_each_numbered_section(lecture: Master, least: Least) -> None:
    heads = [cell for cell in markdown(lecture) if cell.source.startswith("# ")]
    assert lecture.cells[0] is heads[0]
    assert len(heads) >= least.sections
    assert {cell.keys["slide"] for cell in heads} == {"slide"}


def test_the_sections_are_numbered_one_after_the_other(lecture: Master) -> None:
    titles = [re.match(r"# (\d+)\. ", cell.source) for cell in markdown(lecture)]
    numbers = [int(title[1]) for title in titles if title]
    assert numbers == list(range(1, len(numbers) + 1))


def test_every_figure_has_an_alternative_text_of_its_own(lecture: Master, least: Least) -> None:
    shown = [
        call
        for cell in code(lecture)
        for name in ("viz.show", "lecture.explore")
        for call in calls(cell, name)
    ]
    alternatives = [keyword.value for call in shown for keyword in call.keywords if keyword.arg == "alt"]
    texts = [ast.unparse(value) for value in alternatives]
    written_here = [ast.unparse(v) for v in alternatives if isinstance(v, ast.Constant | ast.JoinedStr)]
    assert len(shown) >= least.figures
    assert len(texts) == len(shown)
    assert len(set(texts)) == len(texts)
    assert min(map(len, written_here)) > 60


def test_no_figure_is_drawn_and_left_without_being_shown(lecture: Master) -> None:
    drawing = (
        "plt.subplots",
        "viz.bars",
        "viz.curves",
        "viz.scatter",
        "viz.heatmap",
        "viz.show_images",
        "viz.show_kernels",
        "viz.pool_route",
    )
    lost = [
        cell.source[:60]
        for cell in code(lecture)
        if cell.role != "setup"  # a setup cell may define what later cells draw with
        and any(calls(cell, name) for name in drawing)
        and not (calls(cell, "viz.show") or calls(cell, "lecture.explore"))
    ]
    assert lost == []


def test_kept_outputs_hold_text_only(lecture: Master, least: Least) -> None:
    kept = [cell for cell in code(lecture) if cell.keys.get("keep")]
    assert len(kept) >= least.kept
    assert [cell.source[:60] for cell in kept if "viz.show" in cell.source or "latency" in cell.source] == []


def test_the_room_is_asked_before_it_is_told(lecture: Master, least: Least) -> None:
    assert sum(len(calls(cell, "lecture.predict")) for cell in code(lecture)) >= least.predictions
    assert sum(len(calls(cell, "lecture.explore")) for cell in code(lecture)) >= least.demos


def test_there_are_two_exam_questions_and_something_to_read(lecture: Master) -> None:
    titles = [cell.source.split("\n")[0].lower() for cell in markdown(lecture)]
    assert sum("exam questions" in title for title in titles) == 1
    assert sum("what to read next" in title for title in titles) == 1


def test_there_are_settings_for_every_budget_and_at_least_three_seeds(lecture: Master) -> None:
    (parameters,) = lecture.with_role("parameters")
    assert parameters.source.strip() == 'budget = "ci"'
    choices = [call for cell in lecture.with_role("setup") for call in calls(cell, "lecture.by_budget")]
    assert choices
    for choice in choices:
        settings = {keyword.arg: keyword.value for keyword in choice.keywords}
        assert list(settings) == ["ci", "laptop", "gpu"]
        seeds = [
            ast.literal_eval(keyword.value)
            for setting in settings.values()
            for node in ast.walk(setting)
            if isinstance(node, ast.Call)
            for keyword in node.keywords
            if keyword.arg == "seeds"
        ]
        assert len(seeds) == 3
        assert min(seeds) >= 3


def bound_at_top(cell: Cell) -> set[str]:
    """Names that a cell gives a value when it runs, those inside of its functions left out."""
    table = symtable.symtable(cell.source, "cell", "exec")
    return {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned()}


def read_by_its_functions(cell: Cell) -> set[str]:
    """Names of the notebook that the cell's functions look up each time they are called."""
    found, tables = set(), symtable.symtable(cell.source, "cell", "exec").get_children()
    while tables:
        table = tables.pop()
        tables += table.get_children()
        found |= {symbol.get_name() for symbol in table.get_symbols() if symbol.is_global()}
    return found


def test_a_demo_can_be_used_when_the_lecture_is_over(lecture: Master) -> None:
    """A slider calls its function again, long after later cells have used names of their own."""
    cells = code(lecture)
    demos = [number for number, cell in enumerate(cells) if calls(cell, "lecture.explore")]
    for number in demos:
        needed, before = read_by_its_functions(cells[number]), None
        while needed != before:  # and what the functions of earlier cells that it calls need
            before = set(needed)
            for cell in cells[:number]:
                if bound_at_top(cell) & needed:
                    needed |= read_by_its_functions(cell)
        later = {name for cell in cells[number + 1 :] for name in bound_at_top(cell)}
        assert needed & later == set(), cells[number].source[:80]
