"""What students are shown does not depend on the numbers that a grading drew, and does not hold them."""

import ast
import dataclasses

import nbformat
import pytest

from grading.commands.demo import demo_course
from grading.commands.feedback import generate_feedback
from grading.commands.run import results
from grading.config import load_config
from grading.course.masters import read_master
from grading.course.variants import answers_of, read_variants
from grading.gradebook.record import record
from grading.gradebook.store import store_of
from grading.handins.plan import plan
from tests.helpers import ASSIGNMENTS, ROOT

SEEDS = 20_240_607, 31
TELLS = """
def {name}(*arguments, **options):
    from pathlib import Path
    with Path("told").open("a") as file:
        print(arguments, options, file=file)
    print(arguments, options)
    raise ValueError(arguments, options)
"""


def one_mistake_each(master):
    """A misconception of every exercise."""
    wrong: dict[str, str] = {}
    for variant in read_variants(master):
        if variant.kind == "misconception":
            wrong.setdefault(variant.exercise, variant.source)
    return wrong


def telling(answers):
    """Answers that keep, print and raise whatever they are given, and a look at what they kept."""
    found = {}
    for exercise, source in answers.items():
        names = [node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
        found[exercise] = source + "".join(TELLS.format(name=name) for name in names)
    return found


@pytest.fixture(scope="module", params=ASSIGNMENTS)
def handed_in(course, request, tmp_path_factory):
    """A topic with three hand-ins: blank, one mistake an exercise, and one that tells all it gets."""
    topic = request.param
    config = demo_course(
        load_config(course / "course.toml"), topic, tmp_path_factory.mktemp(topic) / "course"
    )
    master = read_master(ROOT / "solutions" / topic / "assignment.py")
    answers = answers_of(master)
    handins = {"blank": {}, "mistakes": answers | one_mistake_each(master), "tells": telling(answers)}
    for student, sources in handins.items():
        notebook = nbformat.read(config.tree / "release" / topic / f"{topic}.ipynb", as_version=4)
        for cell in notebook.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id")
            cell.source = sources.get(name, cell.source)
        look = "import os\nprint(open('told').read() if os.path.exists('told') else 'nothing')"
        notebook.cells.append(nbformat.v4.new_code_cell(look))
        path = config.tree / "submitted" / student / topic / f"{topic}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)
    return topic, config


def graded(topic, config, seed):
    """Score and feedback page of each hand-in, for this seed."""
    jobs = [dataclasses.replace(job, seed=seed) for job in plan(config, topic)]
    found = list(results(jobs, store_of(config), workers=2, quiet=True))
    record(config, topic, found)
    generate_feedback(config, topic)
    pages = {path.parent.parent.name: path.read_text() for path in (config.tree / "feedback").rglob("*.html")}
    return {result.student: result.score for result in found}, pages


def test_feedback_is_the_same_to_the_byte_for_every_seed(handed_in):
    topic, config = handed_in
    (scores, pages), (others, other_pages) = (graded(topic, config, seed) for seed in SEEDS)
    assert scores == others
    assert scores["blank"] == 0
    assert pages.keys() == scores.keys()
    for student, page in pages.items():
        assert page == other_pages[student], student
