"""The table of topics in the course's README, between two comments: written from the masters' headers."""

from collections.abc import Iterable
from pathlib import Path

from grading.config import Config
from grading.course.topics import Topic
from grading.errors import BuildError

BEGIN = "<!-- topics: written by grading build -->"
END = "<!-- end of topics -->"


def readme_texts(config: Config, topics: Iterable[Topic]) -> dict[Path, str]:
    """The README with its table as it should be, by path; empty where the course names none.

    Raises:
        BuildError: There is no such file, or its two comments are missing.
    """
    if config.readme is None:
        return {}
    fix = f"put the lines {BEGIN} and {END} where the table belongs, or remove the key readme"
    if not config.readme.is_file():
        raise BuildError("there is no such file", config.readme, fix)
    text = config.readme.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise BuildError("the table of topics has no place", config.readme, fix)
    return {config.readme: f"{before}{BEGIN}\n{topics_table(config, topics)}\n{END}{after}"}


def topics_table(config: Config, topics: Iterable[Topic]) -> str:
    """A row for each topic that has a header: number, title, what there is, points, time, exercises."""
    rows = ["| | topic | | points | time | exercises |", "| --- | --- | --- | --- | --- | --- |"]
    return "\n".join([*rows, *(row for topic in topics if (row := _row(config, topic)))])


def _row(config: Config, topic: Topic) -> str:
    header = next(
        (master.header for master in (topic.assignment, topic.lecture) if master and master.header), None
    )
    if header is None:
        return ""
    folder = config.notebooks.relative_to(config.root) / topic.name
    links = [
        f"[{word}]({(folder / name).as_posix()})"
        for word, name, master in (
            ("lecture", f"{topic.name}_lecture.ipynb", topic.lecture),
            ("assignment", f"{topic.name}.ipynb", topic.assignment),
        )
        if master
    ]
    manual = sum(exercise.points for exercise in header.exercises if exercise.manual)
    points = f"{header.points:g}" + (f" + {manual:g} by hand" if manual else "")
    names = ", ".join(f"`{exercise.id}`" for exercise in header.exercises if not exercise.manual)
    number = topic.name.partition("_")[0]
    return f"| {number} | {header.title} | {', '.join(links)} | {points} | {header.minutes} min | {names} |"
