"""Is the lecture's master fit for a full room: slides, alternative text, kept outputs, settings?"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from grading.masters import Cell, Master, read_master

MASTER = Path(__file__).parents[2] / "solutions" / "01_convolution" / "lecture.py"
SLIDES = {"slide", "subslide", "fragment", "notes", "skip"}


@pytest.fixture(scope="module")
def lecture() -> Master:
    return read_master(MASTER)


def calls(cell: Cell, name: str) -> list[ast.Call]:
    """Calls like `viz.show(...)` in a cell."""
    return [
        node
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == name
    ]


def code(lecture: Master) -> list[Cell]:
    return [cell for cell in lecture.cells if cell.kind == "code"]


def test_every_cell_has_its_place_in_the_slides(lecture: Master) -> None:
    assert [cell.source[:60] for cell in lecture.cells if cell.keys.get("slide") not in SLIDES] == []


def test_a_slide_opens_the_lecture_and_each_numbered_section(lecture: Master) -> None:
    heads = [cell for cell in lecture.cells if cell.kind == "markdown" and cell.source.startswith("# ")]
    assert len(heads) > 15
    assert {cell.keys["slide"] for cell in heads} == {"slide"}


def test_every_figure_has_an_alternative_text_of_its_own(lecture: Master) -> None:
    shown = [
        call
        for cell in code(lecture)
        for name in ("viz.show", "lecture.explore")
        for call in calls(cell, name)
    ]
    texts = [
        ast.unparse(keyword.value) for call in shown for keyword in call.keywords if keyword.arg == "alt"
    ]
    assert len(texts) == len(shown) > 25
    assert len(set(texts)) == len(texts)
    assert min(map(len, texts)) > 60


def test_no_figure_is_drawn_and_left_without_being_shown(lecture: Master) -> None:
    drawing = (
        "plt.subplots",
        "viz.bars",
        "viz.curves",
        "viz.show_images",
        "viz.show_kernels",
        "viz.pool_route",
    )
    lost = [
        cell.source[:60]
        for cell in code(lecture)
        if any(calls(cell, name) for name in drawing)
        and not (calls(cell, "viz.show") or calls(cell, "lecture.explore"))
    ]
    assert lost == []


def test_kept_outputs_hold_text_only(lecture: Master) -> None:
    kept = [cell for cell in code(lecture) if cell.keys.get("keep")]
    assert len(kept) > 20
    assert [cell.source[:60] for cell in kept if "viz.show" in cell.source or "latency" in cell.source] == []


def test_the_room_is_asked_before_it_is_told(lecture: Master) -> None:
    assert sum(len(calls(cell, "lecture.predict")) for cell in code(lecture)) >= 4
    assert sum(len(calls(cell, "lecture.explore")) for cell in code(lecture)) >= 1


def test_there_are_settings_for_every_budget_and_at_least_three_seeds(lecture: Master) -> None:
    (parameters,) = lecture.with_role("parameters")
    assert parameters.source.strip() == 'budget = "ci"'
    seeds = {
        ast.literal_eval(key): ast.literal_eval(next(k.value for k in value.keywords if k.arg == "seeds"))
        for cell in lecture.with_role("setup")
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Assign)
        and ast.unparse(node.targets[0]) == "SETTINGS"
        and isinstance(node.value, ast.Dict)
        for key, value in zip(node.value.keys, node.value.values, strict=True)
        if key is not None and isinstance(value, ast.Call)
    }
    assert set(seeds) == {"ci", "laptop", "gpu"}
    assert min(seeds.values()) >= 3
