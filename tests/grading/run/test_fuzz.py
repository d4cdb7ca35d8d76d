"""Hundreds or thousands of broken hand-ins: does each get a status and a sentence, and none an exception?"""

import copy
import json
import math

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grading.engine import handin
from grading.engine.supervise import tasks_of
from grading.errors import SubmissionError
from grading.handins.original import Original
from grading.handins.parse import parse
from grading.handins.plan import plan
from grading.handins.reconcile import reconcile
from grading.records import Result, Status, from_json, to_json

A = "01_numbers"
RUN_EVERY = 50

SETTINGS = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)

texts = st.text(st.characters(codec=None), max_size=20)  # lone surrogates and control characters included
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    texts,
    st.sampled_from(["double", "test-root", "setup", "code", "markdown", "parameters", "1 / 0\n", "def ("]),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
NAMES = ["cells", "cell_type", "source", "metadata", "outputs", "attachments", "id", "execution_count"]
MARKS = [
    "nbgrader",
    "grade_id",
    "points",
    "grade",
    "solution",
    "locked",
    "task",
    "schema_version",
    "checksum",
]
KEYS = [*NAMES, *MARKS, "tags", "nbformat", "nbformat_minor", "worksheets"]


@pytest.fixture(scope="module")
def tries(pytestconfig):
    """How many broken notebooks are tried; of any bytes, a quarter as many."""
    return 2000 if pytestconfig.getoption("exhaustive") else 200


@pytest.fixture(scope="module")
def course(shared):
    return Original(shared.source(), shared.released())


@pytest.fixture(scope="module")
def job(shared):
    """The job of a hand-in that lies in a file of its own."""
    shared.hand_in("fuzzed", shared.solved())
    return next(job for job in plan(shared.config, A) if job.student == "fuzzed")


def ids(notebook):
    return [cell.metadata.nbgrader.grade_id for cell in notebook.cells if "nbgrader" in cell.metadata]


def places(value, path=()):
    """Every place in a JSON value, as the keys that lead there."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from places(item, (*path, key))


@st.composite
def mutants(draw, notebook):
    """The notebook's JSON with one to five things in it removed, doubled, moved, renamed or replaced."""
    notebook = copy.deepcopy(notebook)
    for _ in range(draw(st.integers(1, 5))):
        found = [path for path in places(notebook) if path]
        if not found:
            break
        *way, last = draw(st.sampled_from(found))
        parent = notebook
        for key in way:
            parent = parent[key]
        how = draw(st.sampled_from(["replace", "remove", "double", "swap", "rename", "insert"]))
        if how == "remove":
            del parent[last]
        elif how == "replace":
            parent[last] = draw(values)
        elif isinstance(parent, list):
            other = draw(st.integers(0, len(parent) - 1))
            if how == "swap":
                parent[last], parent[other] = parent[other], parent[last]
            else:
                parent.insert(other, copy.deepcopy(parent[last]) if how == "double" else draw(values))
        else:
            key = draw(st.sampled_from(KEYS) | texts)
            parent[key] = parent.pop(last) if how == "rename" else draw(values)
    return notebook


def read(data):
    """The notebook in these bytes, or the sentence that says why there is none."""
    try:
        return parse(data), ""
    except SubmissionError as error:
        says = error.what
    assert says.endswith(".")
    assert len(says) < 400
    return None, says


def is_sound(result, points=7.0):
    """Whether it is as it has to be: a status, a sentence wherever points are missing, no nonsense."""
    assert isinstance(result, Result)
    assert result.status is not Status.INFRASTRUCTURE_ERROR, result.notes
    assert from_json(to_json(result).encode("utf-8", "backslashreplace").decode()) == result
    assert result.max_score == points
    assert 0 <= result.score <= points
    assert math.isfinite(result.score)
    for cell in result.cells:
        assert cell.says or cell.status is Status.PASSED
    return True


@pytest.mark.slow
def test_a_hand_in_with_anything_in_it_broken_has_a_result(shared, course, job, tries, record_property):
    right = json.loads(nbformat.writes(shared.solved()))
    seen, statuses = [], set()

    @settings(SETTINGS, max_examples=tries)
    @given(mutants(right))
    def check(notebook):
        data = json.dumps(notebook).encode()
        seen.append(len(data))
        notebook, _ = read(data)
        if notebook is not None:
            reconciled, notes = reconcile(notebook, course)
            nbformat.validate(reconciled)
            assert ids(reconciled) == ids(course.source)
            assert all(note.says.endswith(".") and len(note.says) < 2000 for note in notes)
            judged = [task.here for task in tasks_of(reconciled, {}) if task.where == "judge"]
            assert judged == [cell.source for cell in course.source.cells if "test-" in str(cell.metadata)]
        if len(seen) % RUN_EVERY == 0:
            job.notebook.write_bytes(data)
            result, _ = handin.run(job)
            assert is_sound(result)
            statuses.add(result.status)

    check()
    assert len(seen) >= tries
    assert len(statuses) > 1, "every one came out the same: nothing was tried"
    record_property(
        "measured",
        f"{len(seen)} broken notebooks, {len(seen) // RUN_EVERY} of them run: each has a result"
        f" ({', '.join(sorted(statuses))})",
    )


def test_a_file_of_any_bytes_has_a_result(shared, job, tries, record_property):
    right = nbformat.writes(shared.solved()).encode()
    seen, statuses = [], set()
    pieces = st.tuples(st.integers(0, len(right)), st.integers(0, 40), st.binary(max_size=40))
    spliced = pieces.map(lambda piece: right[: piece[0]] + piece[2] + right[piece[0] + piece[1] :])
    json_like = values.map(lambda value: json.dumps(value).encode())

    @settings(SETTINGS, max_examples=tries // 4)
    @given(st.binary(max_size=300) | spliced | json_like)
    def check(data):
        seen.append(data)
        notebook, says = read(data)
        if notebook is None:
            job.notebook.write_bytes(data)
            result, notebook = handin.run(job)
            assert notebook is None
            assert is_sound(result)
            assert result.notes == (says,)
            statuses.add(result.status)

    check()
    assert len(seen) >= tries // 4
    assert statuses == {Status.ERROR}
    record_property("measured", f"{len(seen)} files of any bytes: each has a result")
