"""A small course of its own, with one topic, built once and copied for every test."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from grading.commands.build import Built, build
from grading.config import Config, load_config

COURSE = """
[course]
name = "small"
ships = ["notebooks", "kit"]

[hooks]
fingerprints = ["{python}", "hook.py"]
fingerprints_output = "kit/fingerprints/{topic}.json"
fingerprints_sources = ["hook.py"]
"""

ASSIGNMENT = '''\
# /// course
# topic = "01_areas"
# title = "Areas"
# minutes = 20
# objectives = ["measure a shape"]
#
# [exercises.trapezium]
# points = 3
#
# [exercises.essay]
# points = 4
# manual = true
# ///

# %% [markdown]
# # Areas
# How much paper covers a shape?

# %% setup=true
import math

# %% parameters=true
budget = "ci"

# %% answer="trapezium"
def trapezium(top, bottom, height):
    """Return the area of a trapezium."""
    ### BEGIN SOLUTION
    if min(top, bottom, height) < 0:
        raise ValueError(f"negative length in {top}, {bottom}, {height}")
    mean_width = (top + bottom) / 2
    return mean_width * height
    ### END SOLUTION

# %% check="trapezium"
print(trapezium(1, 1, 1))

# %% test="trapezium" points=2
# Triangles and rectangles are trapeziums.
### BEGIN HIDDEN TESTS
assert math.isclose(trapezium(0, 3, 2.5), 3 * 2.5 / 2 + 0)
assert math.isclose(trapezium(4, 4, 2.5), 10)
### END HIDDEN TESTS

# %% test="trapezium" part="errors" points=1
# Negative lengths.
### BEGIN HIDDEN TESTS
try:
    trapezium(-1, 2, 3)
except ValueError:
    pass
else:
    raise AssertionError("no ValueError for a negative length")
### END HIDDEN TESTS

# %% [markdown] manual="essay" points=4
# Cut the shape into thin strips of equal height and add up what each of them covers.

# %%
trapezium
'''

LECTURE = """\
# %% [markdown] slide="slide"
# # Covering a floor

# %% setup=true
import math

# %% parameters=true
budget = "ci"

# %% slide="fragment" facts="floor-area floor-tiles" keep=true
print("area", 12)
6 * 7

# %%
print("not kept")
"""

VARIANTS = """\
# %% misconception="trapezium" name="forgets-half"
# You forgot to halve the sum.
def trapezium(top, bottom, height):
    sides = [top, bottom, math.hypot(top - bottom, height)]
    longest = max(sides)
    return sum(sides[:2]) * height * longest / longest

# %% alternative="trapezium" name="two-triangles"
# Two triangles.
def trapezium(top, bottom, height):
    if min(top, bottom, height) < 0:
        raise ValueError("negative")
    return top * height / 2 + bottom * height / 2
"""

# What a course's hook does: run every variant on public inputs and say what came out, never its code.
HOOK = """\
import json, sys

request = json.load(sys.stdin)
outputs = {}
for variant in request["variants"]:
    if variant["kind"] == "misconception":
        names = {}
        exec(request["setup"], names)
        exec(variant["source"], names)
        outputs[variant["name"]] = {"says": variant["says"], "outputs": {"one": names["trapezium"](1, 1, 1)}}
answer = {"topic": request["topic"], "sources": request["sources"], "exercises": {"trapezium": outputs}}
print(json.dumps(answer))
print("1 wrong answer recorded", file=sys.stderr)
"""


@dataclass(frozen=True)
class SmallCourse:
    """The course's folder, with shorthands for what tests do to it."""

    root: Path

    @property
    def config(self) -> Config:
        return load_config(self.root / "course.toml")

    @property
    def release(self) -> Path:
        return self.root / "notebooks/01_areas/01_areas.ipynb"

    @property
    def lecture(self) -> Path:
        return self.root / "notebooks/01_areas/01_areas_lecture.ipynb"

    @property
    def source(self) -> Path:
        return self.root / "build/course/source/01_areas/01_areas.ipynb"

    @property
    def fingerprints(self) -> Path:
        return self.root / "kit/fingerprints/01_areas.json"

    def edit(self, path: str | Path, old: str, new: str) -> None:
        path = self.root / path
        text = path.read_text(encoding="utf-8")
        assert text.count(old) >= 1, f"{old!r} is not in {path}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    def build(self, *topics: str, check: bool = False, refresh: bool = False) -> Built:
        return build(self.config, topics, check=check, refresh=refresh)

    def files(self) -> dict[str, bytes]:
        """Everything generated, by path: notebooks, fingerprints, nbgrader's sources and releases."""
        kinds = ("notebooks/**/*", "kit/**/*.json", "build/course/**/*.ipynb", "build/course/*.py")
        paths = sorted(path for kind in kinds for path in self.root.glob(kind) if path.is_file())
        return {str(path.relative_to(self.root)): path.read_bytes() for path in paths}


def write_masters(root: Path) -> SmallCourse:
    """The small course with nothing generated yet."""
    folder = root / "solutions/01_areas"
    folder.mkdir(parents=True)
    (root / "kit").mkdir()
    (root / "course.toml").write_text(COURSE)
    (root / "hook.py").write_text(HOOK)
    (root / "kit/paper.py").write_text('"""Sheets of paper."""\n\nSHEET = 210 * 297\n')
    (folder / "assignment.py").write_text(ASSIGNMENT)
    (folder / "lecture.py").write_text(LECTURE)
    (folder / "misconceptions.py").write_text(VARIANTS)
    return SmallCourse(root)


@pytest.fixture(scope="session")
def built_once(tmp_path_factory) -> SmallCourse:
    course = write_masters(tmp_path_factory.mktemp("small") / "course")
    course.build()
    return course


@pytest.fixture
def small(built_once, tmp_path) -> SmallCourse:
    """The small course, built and up to date, for this test alone."""
    shutil.copytree(built_once.root, tmp_path / "course")
    return SmallCourse(tmp_path / "course")


@pytest.fixture
def unbuilt(tmp_path) -> SmallCourse:
    """The small course with nothing generated yet."""
    return write_masters(tmp_path / "course")
