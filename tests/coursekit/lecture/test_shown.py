"""What a lecture shows, with a person before the kernel and without one."""

import base64
import io
import re
import subprocess
import sys

import nbformat
import numpy as np
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image

from coursekit import lecture, viz

WIDGET = "application/vnd.jupyter.widget-view+json"

DEMO = """
from coursekit import lecture, viz
def demo(width=3):
    return viz.bars({"width": width}, ylabel="pixels")
lecture.explore(demo, alt=lambda width: f"A bar of width {width}.", width=(1, 15, 2))
"""
FIGURE = 'from coursekit import viz\nviz.show(viz.bars({"a": 1}, ylabel="y"), alt="One \\"bar\\" <of 1>.")'
SLIDES = """
from coursekit import viz
viz.show(viz.slide_window([[1, 2], [3, 4]], [[1, 1]]), alt="A window slides.")
"""


@pytest.fixture
def shown(monkeypatch):
    """What would be displayed, without a front end."""
    bundles = []
    monkeypatch.setattr("IPython.display.display", lambda data, **_: bundles.append(data))
    return bundles


# Alternative text


def images_of(markup: str) -> list[tuple[str, np.ndarray]]:
    """Alternative text and pixels of every image in a page."""
    found = []
    for tag in BeautifulSoup(markup, "html.parser").find_all("img"):
        content = base64.b64decode(tag["src"].removeprefix("data:image/png;base64,"))
        found.append((str(tag["alt"]), np.asarray(Image.open(io.BytesIO(content)))))
    return found


def test_show_displays_an_image_with_its_alternative_text_and_the_text_alone(shown):
    viz.show(viz.bars({"a": 1}, ylabel="y"), alt='One "bar" <of 1>.')
    ((alt, picture),) = images_of(shown[0]["text/html"])
    assert alt == 'One "bar" <of 1>.'
    assert picture.std() > 5
    assert shown[0]["text/plain"] == '[Figure: One "bar" <of 1>.]'


def test_a_figure_is_closed_once_it_was_shown(shown):
    import matplotlib.pyplot as plt

    plt.close("all")
    viz.show(viz.bars({"a": 1}, ylabel="y"), alt="One bar.")
    assert plt.get_fignums() == []


def test_a_figure_without_alternative_text_is_refused():
    with pytest.raises(ValueError, match="say in words what the figure shows"):
        viz.show(viz.bars({"a": 1}, ylabel="y"), alt=" ")


def test_without_a_script_a_slide_show_is_three_pictures_with_their_captions(shown):
    viz.show(viz.slide_window(np.ones((4, 4)), np.ones((2, 2))), alt="A window slides.")
    page = shown[0]["text/html"]
    still = images_of(page[: page.index("<script>")])
    assert [alt.split(":")[0] for alt, _ in still] == [
        "A window slides. Step 1",
        "A window slides. Step 5",
        "A window slides. Step 9",
    ]
    assert len(page) < 400_000


def test_a_slide_show_loads_nothing_from_elsewhere(shown):
    viz.show(viz.slide_window(np.ones((3, 3)), np.ones((2, 2))), alt="A </script> window & more.")
    page = shown[0]["text/html"]
    assert not re.search(r"https?://", page)
    assert page.count("</script>") == 1


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A notebook with each kind of output, run unattended and exported to HTML by nbconvert itself."""
    folder = tmp_path_factory.mktemp("export")
    cells = [FIGURE, SLIDES, DEMO, 'lecture.predict("Which?", ["one", "two"])']
    nbformat.write(new_notebook(cells=[new_code_cell(source) for source in cells]), folder / "demo.ipynb")
    command = [sys.executable, "-m", "nbconvert", "--to=html", "--execute", "demo.ipynb"]
    command += ["--ExecutePreprocessor.startup_timeout=600"]  # a busy machine takes more than a minute
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return (folder / "demo.html").read_text()


@pytest.mark.notebooks
def test_nbconverts_page_has_the_alternative_text_of_every_image(exported):
    page = exported[exported.index("<main") :]
    alternatives = [tag["alt"] for tag in BeautifulSoup(page, "html.parser").find_all("img")]
    assert alternatives[0] == 'One "bar" <of 1>.'
    assert "A bar of width 3." in alternatives
    assert not [alt for alt in alternatives if "No description" in alt]


@pytest.mark.notebooks
def test_nbconverts_page_has_the_prediction(exported):
    assert "Predict." in exported


# Sliders


def test_where_a_person_sits_explore_shows_a_widget_that_starts_at_the_default(kernel):
    asked = kernel("from coursekit import lecture; print(lecture.is_live())", live=True)
    assert asked == [{"text/plain": "True\n"}]
    kernel("import ipywidgets; ipywidgets.Widget.close_all()", live=True)  # those of the tests before
    outputs = kernel(DEMO + "\nNone", live=True)
    assert any(WIDGET in output for output in outputs)
    values = kernel(
        "import ipywidgets; from ipywidgets.widgets.widget import _instances\n"
        "print([w.value for w in _instances.values() if isinstance(w, ipywidgets.IntSlider)])",
        live=True,
    )
    assert values == [{"text/plain": "[3]\n"}]


def test_where_nobody_sits_explore_shows_the_figure_of_the_defaults(kernel):
    (output,) = kernel(DEMO, live=False)
    assert WIDGET not in output
    ((alt, picture),) = images_of(output["text/html"])
    assert alt == "A bar of width 3."
    assert picture.std() > 5


@pytest.mark.notebooks
def test_papermill_gets_the_figure_of_the_defaults(tmp_path):
    papermill = pytest.importorskip("papermill")
    nbformat.write(new_notebook(cells=[new_code_cell(DEMO)]), tmp_path / "demo.ipynb")
    executed = papermill.execute_notebook(
        str(tmp_path / "demo.ipynb"), None, kernel_name="python3", progress_bar=False
    )
    (output,) = executed.cells[-1].outputs
    assert "A bar of width 3." in output.data["text/html"]


@pytest.mark.parametrize(("forced", "expected"), [("1", True), ("0", False)])
def test_the_environment_overrules_what_the_kernel_says(monkeypatch, forced, expected):
    monkeypatch.setenv("COURSEKIT_LIVE", forced)
    assert lecture.is_live() is expected


def test_a_plain_interpreter_is_not_live(monkeypatch):
    monkeypatch.delenv("COURSEKIT_LIVE", raising=False)
    assert lecture.is_live() is False


def test_an_error_in_a_demo_is_raised_and_not_swallowed():
    def broken(width=3):
        raise RuntimeError("no such filter")

    with pytest.raises(RuntimeError, match="no such filter"):
        lecture.explore(broken, alt="Nothing.", width=(1, 5))


def test_a_control_without_a_default_is_refused():
    with pytest.raises(ValueError, match="demo needs an argument 'width' with a default"):
        lecture.explore(lambda_named_demo(), alt="x", width=(1, 5))


def lambda_named_demo():
    def demo(width):
        return None

    return demo


def test_a_prediction_shows_question_and_choices_as_text_too(shown):
    lecture.predict("Which layer has most <weights>?", ["conv1", "fc6"])
    assert shown[0]["text/plain"].splitlines() == [
        "Predict. Which layer has most <weights>?",
        "  A  conv1",
        "  B  fc6",
        "Write down your answer, then run the next cell.",
    ]
    assert "&lt;weights&gt;" in shown[0]["text/html"]


def test_the_stopwatch_prints_seconds(capsys):
    with lecture.stopwatch("nothing"):
        pass
    assert re.fullmatch(r"nothing: [\d.e-]+ s\n", capsys.readouterr().out)
