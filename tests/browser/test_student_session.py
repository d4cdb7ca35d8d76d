"""A student's evening in a real JupyterLab: a wrong answer, its card, the right answer; then the lecture.

The pictures go to build/pictures, to be looked at.
"""

import ast
import re

import pytest

from grading.course.masters import read_master
from grading.course.variants import answers_of, of_kind, read_variants
from tests.helpers import ASSIGNMENTS, ROOT, TOPICS, promises_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PICTURES = ROOT / "build" / "pictures"
EXERCISES = {topic: promises_of(topic).browser for topic in ASSIGNMENTS}
ANSWERS = {
    topic: answers_of(read_master(ROOT / "solutions" / topic / "assignment.py")) for topic in EXERCISES
}
WRONG = {
    topic: of_kind(read_variants(read_master(ROOT / "solutions" / topic / "assignment.py")), "misconception")
    for topic in EXERCISES
}
A_LECTURE_TAKES = 900_000  # milliseconds, on a busy machine


def open_notebook(page, lab, topic, name):
    """The notebook in JupyterLab, its kernel idle."""
    page.add_locator_handler(page.locator(".jp-Dialog", has_text="Select Kernel"), take_python)
    page.goto(f"{lab}/lab/tree/{topic}/{name}?reset")
    page.locator(".jp-Notebook").wait_for()
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").first.wait_for()


def take_python(dialog):
    """Answer JupyterLab when it asks for a kernel, as it does where none was known in time."""
    dialog.locator("select").select_option(label="Python 3 (ipykernel)")
    dialog.locator(".jp-mod-accept").click()


def code_cell(page, text):
    """The code cell whose editor holds this text."""
    return page.locator(".jp-Notebook .jp-CodeCell", has=page.locator(".cm-content", has_text=text)).first


def opening(topic, exercise):
    """How the answer's first function or class begins."""
    return re.search(r"^(def|class) \w+", ANSWERS[topic][exercise], re.MULTILINE)[0]


def needed_by(topic, exercise, *sources):
    """The other answers that some answers to an exercise use, in the order of the notebook."""
    used = {node.id for text in sources for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    defined = {
        other: {node.name for node in ast.parse(source).body if hasattr(node, "name")}
        for other, source in ANSWERS[topic].items()
    }
    own = defined.pop(exercise)
    return [other for other, names in defined.items() if names & (used - own)]


def run(page, cell):
    """Put the cursor into a cell and run it, as Shift+Enter does."""
    cell.scroll_into_view_if_needed()
    cell.locator(".cm-content").first.click()
    page.keyboard.press("Shift+Enter")


def type_answer(page, cell, source):
    """Replace what stands in a cell and run it."""
    cell.scroll_into_view_if_needed()
    cell.locator(".cm-content").first.click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(source)
    page.keyboard.press("Shift+Enter")


def picture(locator, name):
    """Keep a picture of this part of the page."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    locator.scroll_into_view_if_needed()
    locator.screenshot(path=PICTURES / f"{name}.png")


@pytest.mark.parametrize(
    ("topic", "exercise"), [(topic, exercise) for topic in EXERCISES for exercise in EXERCISES[topic]]
)
def test_a_wrong_answer_gets_a_card_and_the_right_one_passes(page, lab, topic, exercise):
    wrong = WRONG[topic][exercise]
    mistake = sorted(wrong)[0]
    open_notebook(page, lab, topic, f"{topic}.ipynb")
    run(page, code_cell(page, "import coursekit"))
    for needed in needed_by(topic, exercise, wrong[mistake].source, ANSWERS[topic][exercise]):
        type_answer(page, code_cell(page, f"{opening(topic, needed)}("), ANSWERS[topic][needed])
    answer = code_cell(page, f"{opening(topic, exercise)}(")
    check = code_cell(page, f'check("{exercise}"')
    card = check.locator(".jp-OutputArea-output")

    run(page, answer)
    run(page, check)
    card.filter(has_text="cases passed").filter(has_text="not written").wait_for()

    type_answer(page, answer, wrong[mistake].source)
    run(page, check)
    first_words = " ".join(wrong[mistake].says.split()[:4])
    card.filter(has_text="Diagnosis:").filter(has_text=first_words).wait_for()
    picture(check, f"card-{exercise}-{mistake}")

    type_answer(page, answer, ANSWERS[topic][exercise])
    run(page, check)
    card.filter(has_text="All public cases pass").wait_for()
    picture(check, f"card-{exercise}-right")


@pytest.mark.parametrize("topic", TOPICS)
def test_the_lecture_shows_its_figures_and_its_demo(page, lab, topic):
    open_notebook(page, lab, topic, f"{topic}_lecture.ipynb")
    page.locator(".jp-Notebook .jp-Cell").first.click()
    page.get_by_role("menuitem", name="Run", exact=True).first.click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.wait_for_function(
        """() => [...document.querySelectorAll('.jp-Notebook .jp-CodeCell .jp-InputPrompt')]
            .every(prompt => /\\d/.test(prompt.textContent))""",
        timeout=A_LECTURE_TAKES,
    )

    assert (
        page.locator(".jp-OutputArea-output [data-mime-type='application/vnd.jupyter.stderr']").count() == 0
    )
    figures = page.locator(".jp-Notebook .jp-OutputArea-output img")
    assert figures.count() >= 10
    widths = figures.evaluate_all("images => images.map(image => image.naturalWidth)")
    assert min(widths) > 100, "a figure did not render"
    without = figures.evaluate_all("images => images.filter(image => !image.alt).length")
    assert without == 0, f"{without} figures have no alternative text"

    for number in range(figures.count()):
        picture(figures.nth(number), f"{topic}-figure-{number:02}")

    demo = page.locator(".jp-Notebook .widget-interact").first
    demo.scroll_into_view_if_needed()
    before = demo.locator("img").first.get_attribute("src")
    demo.locator(".noUi-handle").first.press("ArrowRight")
    page.wait_for_function(
        "([root, old]) => root.querySelector('img') && root.querySelector('img').src !== old",
        arg=[demo.element_handle(), before],
    )
    picture(demo, f"{topic}-demo")
