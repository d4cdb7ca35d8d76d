"""The card: what a student reads, in text and in HTML, whatever their code returns."""

import json
import re
from html.parser import HTMLParser

import pytest
import torch

from coursekit.check import Case, Exercise
from coursekit.check.card import MIME, bundle, card_text, make_card
from coursekit.check.card_html import card_html
from coursekit.check.diagnose import Diagnosis, diagnose
from coursekit.check.run import run
from tests.check.made_up import MOVING_SUM, SCALE, count, moving_sum


def card_of(function, exercise=MOVING_SUM, fingerprints=()):
    functions = function if isinstance(function, list) else [function]
    outcomes = run(exercise, functions)
    return make_card(exercise, outcomes, diagnose(outcomes, fingerprints))


def doubles_last(x, width=2):
    result = moving_sum(x, width)
    result[-1] *= 2
    return result


class Outline(HTMLParser):
    """Checks that tags are balanced and collects them with their attributes."""

    VOID = frozenset({"br", "hr", "img"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data

    def all(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]


def test_the_text_card_shows_cases_call_values_and_difference():
    assert (
        card_text(card_of(doubles_last))
        == """\
moving_sum: 1 of 4 cases passed

  FAIL  two by default   wrong value: 1 of 3 values differ.
  FAIL  three at once    wrong value: 1 of 3 values differ.
  FAIL  width by name    wrong value: 1 of 3 values differ.
  ok    window too wide

Case 'two by default': moving_sum(x)
  x: float32 (4,)
     1  2  4  8
  expected: float32 (3,)
      3   6  12*
  got: float32 (3,)
      3   6  24*
  first difference: at [2]: expected 12, got 24
  largest difference: 12

Stuck? hint("moving_sum") gives a hint; there are 3."""
    )


def test_a_card_of_right_answers_says_what_comes_next():
    text = card_text(card_of(moving_sum))
    assert text.startswith("moving_sum: 4 of 4 cases passed")
    assert "hidden tests" in text
    assert "FAIL" not in text


def test_an_exception_is_shown_with_its_line_and_message():
    def divides(x, width=2):
        return 1 / 0

    text = card_text(card_of(divides))
    assert "ZeroDivisionError: division by zero" in text
    assert re.search(r"where: line \d+ of the cell, in divides\n    return 1 / 0", text)


def test_the_html_card_is_balanced_labelled_and_self_contained():
    html = card_html(card_of(doubles_last))
    outline = Outline(html)
    tags = {tag for tag, _ in outline.tags}
    assert not tags & {"script", "img", "link", "iframe", "object", "svg", "a", "h1", "h2", "h3"}
    assert not re.search(r"url\(|https?://|@import|\son\w+=", html)
    section = outline.all("section")[0]
    assert section["aria-label"] == "moving_sum: 1 of 4 cases passed"
    assert all("aria-label" in table for table in outline.all("table"))
    assert [th["scope"] for th in outline.all("th")][:3] == ["col"] * 3
    differing = [td["aria-label"] for td in outline.all("td") if td.get("class") == "ck-differs"]
    assert differing == ["12, differs", "24, differs"]


def test_a_state_is_told_by_sign_and_words_and_not_by_colour_alone():
    text = Outline(card_html(card_of(doubles_last))).text
    assert text.count("✓") == 1
    assert text.count("✗") == 3
    assert "wrong value" in text


def test_every_colour_of_text_and_ground_comes_as_a_pair():
    html = card_html(card_of(doubles_last))
    for rule in re.findall(r"\{([^}]*)\}", re.search(r"<style>(.*?)</style>", html, re.DOTALL)[1]):
        if re.search(r"background:(#|var\(--jp-layout-color0)", rule) and "ck-sign" not in rule:
            assert re.search(r"(^|;|\s)color:", rule) or rule == "background:#009E73", rule


ALLOWED_TAGS = {"section", "style", "p", "code", "pre", "strong", "span", "div"} | {
    *("table", "caption", "thead", "tbody", "tr", "th", "td")
}
HOSTILE = "<script>alert('x')</script><b onmouseover=\"y\">&amp;"


def hostile_results():
    class Unprintable:
        def __repr__(self):
            raise RuntimeError(HOSTILE)

    def raises(x, width=2):
        raise RuntimeError(HOSTILE)

    def raises_forever(x, width=2):
        raise RuntimeError(HOSTILE * 10**5)

    named = type(HOSTILE, (), {})
    return {
        "string": lambda x, width=2: HOSTILE,
        "list": lambda x, width=2: [HOSTILE],
        "dictionary": lambda x, width=2: {HOSTILE: HOSTILE},
        "class name": lambda x, width=2: named(),
        "no repr": lambda x, width=2: Unprintable(),
        "message": raises,
        "long message": raises_forever,
        "argument name": eval("lambda ａ, width=2: [1]"),
        "huge tensor": lambda x, width=2: torch.ones(1).expand(10**11),
        "huge string": lambda x, width=2: HOSTILE * 10**5,
        "huge list": lambda x, width=2: [HOSTILE] * 10**5,
        "many slices": lambda x, width=2: torch.zeros(7, 9, 3, 3),
        "empty tensor": lambda x, width=2: torch.zeros(0, 3),
        "meta tensor": lambda x, width=2: torch.zeros(3, device="meta"),
        "complex tensor": lambda x, width=2: moving_sum(x, width) * 1j,
        "infinities": lambda x, width=2: moving_sum(x, width) / 0,
        "booleans": lambda x, width=2: moving_sum(x, width) > 0,
        "surrogates": lambda x, width=2: "\ud800",
        "huge int": lambda x, width=2: 10**5000,
    }


@pytest.mark.parametrize("name", hostile_results())
def test_whatever_a_function_returns_or_raises_makes_a_safe_card(name):
    card = card_of(hostile_results()[name])
    html = card_html(card)
    tags = {tag for tag, _ in Outline(html).tags}
    assert tags <= ALLOWED_TAGS
    assert len(html) < 30_000
    assert len(card_text(card)) < 10_000
    json.dumps(bundle(card, html), allow_nan=False)


def test_a_row_stays_a_row_whatever_the_message():
    def raises(x, width=2):
        raise ValueError("first\nsecond " + "long " * 100)

    rows = [line for line in card_text(card_of(raises)).splitlines() if line.startswith("  FAIL")]
    assert len(rows) == 3
    assert all("first second" in row and len(row) < 220 for row in rows)


RIGHT = [
    7,
    2.5,
    "memory",
    (1, "a"),
    [torch.ones(2)],
    {"macs": 3},
    True,
    torch.ones(2, 2) > 0,
    torch.ones(2, 2),
]
DTYPES = {str(dtype) for dtype in vars(torch).values() if isinstance(dtype, torch.dtype)}
QUANTIZED = {name for name in DTYPES if name.startswith(("torch.q", "torch.quint"))}
WRONG = [
    8,
    10**5000,
    3.5,
    float("nan"),
    "compute",
    (1, "b"),
    [torch.zeros(2)],
    {"macs": 10**5000},
    None,
    (),
    {},
]


@pytest.mark.parametrize("right", RIGHT)
def test_any_oracle_and_any_wrong_result_make_a_card(right):
    exercise = Exercise("e", ("f",), (Case("c", tuple, expected=lambda: right),), ())
    for wrong in WRONG:
        card = card_of(lambda wrong=wrong: wrong, exercise)
        assert card.passed == 0
        Outline(card_html(card))
        assert "expected" in card_text(card)


@pytest.mark.filterwarnings("ignore:ComplexHalf")
@pytest.mark.parametrize("name", sorted(DTYPES - QUANTIZED))
def test_a_tensor_of_any_dtype_makes_a_card(name):
    dtype = getattr(torch, name.removeprefix("torch."))
    exercise = Exercise("e", ("f",), (Case("c", tuple, expected=lambda: torch.ones(2, 2)),), ())
    tensor = torch.empty(2, 2, dtype=dtype)
    Outline(card_html(card_of(lambda: tensor, exercise)))


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_a_quantized_tensor_makes_a_card():
    quantized = torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)
    exercise = Exercise("e", ("f",), (Case("c", tuple, expected=lambda: torch.ones(2)),), ())
    assert "qint8 tensor" in card_text(card_of(lambda: quantized, exercise))


def test_numbers_that_four_digits_show_alike_get_more():
    exercise = Exercise("e", ("f",), (Case("c", tuple, expected=lambda: torch.tensor([1.23456, 2.0])),), ())
    text = card_text(card_of(lambda: torch.tensor([1.23481, 2.0]), exercise))
    assert "1.23456*" in text
    assert "1.23481*" in text


def test_of_many_slices_the_first_that_differs_is_drawn():
    right = torch.arange(24.0).view(2, 3, 2, 2)
    wrong = right.clone()
    wrong[1, 0, 1, 1] = -5
    exercise = Exercise("e", ("f",), (Case("c", tuple, expected=lambda: right),), ())
    text = card_text(card_of(lambda: wrong, exercise))
    assert "first difference: at [1, 0, 1, 1]: expected 15, got -5" in text
    assert text.count("[1, 0]\n") == 2
    assert "[0, 0]" not in text


def test_slices_that_are_not_drawn_are_counted():
    """Of six slices of the argument four are drawn; of six of the result, the first that differs."""
    identity = Exercise(
        "same", ("same",), (Case("six", lambda: (torch.ones(3, 2, 2, 2),), expected=lambda x: x),), ("",)
    )
    card = card_of(lambda x: x + 1, identity)
    text, page = card_text(card), Outline(card_html(card)).text
    assert "and 2 more like these" in text
    assert "and 5 more like this" in text
    assert "and 2 more like these" in page
    assert "more like" not in card_text(card_of(doubles_last))


def test_large_arrays_are_described_and_not_drawn():
    exercise = Exercise("e", ("f",), (Case("c", tuple, expected=lambda: torch.zeros(9, 9)),), ())
    html = card_html(card_of(lambda: torch.eye(9), exercise))
    assert "ck-grid" not in html.split("</style>")[1]
    assert "float32 (9, 9)" in html
    assert "at [0, 0]: expected 0, got 1" in html


def test_likely_and_certain_reasons_are_worded_apart():
    outcomes = run(MOVING_SUM, [doubles_last])
    sure = Diagnosis("a", "You double `x`.")
    maybe = Diagnosis("b", "You halve.", certain=False)
    assert "Diagnosis:" in card_text(make_card(MOVING_SUM, outcomes, [sure]))
    assert "Likely reason:" in card_text(make_card(MOVING_SUM, outcomes, [maybe]))
    assert "You double <code>x</code>." in card_html(make_card(MOVING_SUM, outcomes, [sure]))


def test_the_record_counts_and_names():
    card = card_of([lambda m, c: (m * c).mT, count], exercise=SCALE)
    assert bundle(card, "")[MIME] == {
        "exercise": "scale",
        "passed": 1,
        "total": 3,
        "fraction": 0.333,
        "diagnosis": ["transposed"],
        "says": ["Your result is the right one with its last two axes exchanged: rows became columns."],
        "forbidden": [],
    }
    assert card_of(lambda x, width=2: torch.conv1d(x[None, None], x[None, None])).record()["forbidden"] == [
        "conv"
    ]
