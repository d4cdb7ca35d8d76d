"""The course itself, as far as it can be told quickly; `grading build --check` tells the rest."""

from dataclasses import replace
from pathlib import Path

import pytest

from grading.config import Hooks, load_config
from grading.course.leaks import find_leaks, hidden_of, texts_of
from grading.course.topics import read_topic, topic_names

ROOT = Path(__file__).resolve().parents[3]
CONFIG = replace(
    load_config(ROOT / "course.toml"), hooks=Hooks()
)  # recording fingerprints takes too long here
TOPICS = topic_names(CONFIG)


@pytest.mark.parametrize("name", TOPICS)
def test_nbgrader_takes_the_assignment_and_nothing_in_it_gives_an_answer_away(name):
    from grading.course import nbgrader_tree, notebooks

    topic = read_topic(CONFIG, name)
    if topic.assignment is None:
        pytest.skip("a topic without an assignment")
    source = notebooks.assignment_notebook(topic.assignment)
    nbgrader_tree.refuse_bad_metadata(source, name)
    release = nbgrader_tree.release_notebook(source, name)
    hidden = hidden_of(topic.assignment, topic.variants)
    assert find_leaks(hidden, texts_of(Path("release.ipynb"), release, strict=True)) == []
    solved = notebooks.dumps(source)
    exercises = {cell.exercise for cell in topic.assignment.with_role("answer")}
    origins = {
        leak.origin for leak in find_leaks(hidden, texts_of(Path("solved.ipynb"), solved, strict=True))
    }
    assert {f"the solution of {exercise} (assignment.py)" for exercise in exercises} <= origins


@pytest.mark.parametrize("name", TOPICS)
def test_the_package_holds_no_answer(name):
    topic = read_topic(CONFIG, name)
    if topic.assignment is None:
        pytest.skip("a topic without an assignment")
    files = sorted((ROOT / "coursekit").rglob("*.py"))
    texts = [
        text for path in files for text in texts_of(path, path.read_text(encoding="utf-8"), strict=False)
    ]
    assert len(texts) > 10
    assert find_leaks(hidden_of(topic.assignment, topic.variants), texts) == []
