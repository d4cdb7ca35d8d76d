"""What a master must keep to before anything is generated from it: header, cells and markers agree."""

from collections import Counter

from grading.course.masters import HIDDEN_TESTS, MARK_SCHEME, SOLUTION, Cell, Master
from grading.errors import MasterError

_DELIMITERS = {
    text.removeprefix("### "): text for pair in (SOLUTION, HIDDEN_TESTS, MARK_SCHEME) for text in pair
}
_GRADED = ("answer", "check", "helper", "test", "manual")


def check_assignment(master: Master, topic: str) -> None:
    """Refuse an assignment whose header and cells disagree.

    Raises:
        MasterError: No header or another topic's; an exercise without its cells, or cells without
            their exercise; points that do not add up; markers that only nbgrader would see.
    """
    if master.header is None:
        raise MasterError("the header is missing", master.path, "begin with a '# /// course' block")
    if master.header.topic != topic:
        fix = f'write topic = "{topic}", or rename the folder'
        raise MasterError(f"the header says topic {master.header.topic!r}", master.path, fix)
    _check_markers(master)
    _check_helpers(master)
    exercises = {exercise.id: exercise for exercise in master.header.exercises}
    for cell in master.cells:
        if cell.exercise is not None and cell.exercise not in exercises:
            fix = f"add [exercises.{cell.exercise}] to the header"
            raise MasterError(f"{cell.role}={cell.exercise!r} names no exercise", master.path, fix)
        if cell.keys.get("keep"):
            raise MasterError(
                f"a cell says keep=true ({_begin(cell)})", master.path, "keep outputs in lectures"
            )
    for exercise in exercises.values():
        roles = Counter(cell.role for cell in master.cells if cell.exercise == exercise.id)
        needed = ("manual",) if exercise.manual else ("answer", "check", "test")
        missing = [role for role in needed if not roles[role]]
        if missing:
            names = " and no ".join(missing)
            raise MasterError(f"exercise {exercise.id!r} has no {names} cell", master.path, "add it")
        graded = [cell.points for cell in master.cells if cell.exercise == exercise.id]
        if sum(graded) != exercise.points:
            points = f"{exercise.points:g} points in the header, {sum(graded):g} in its cells"
            what = f"exercise {exercise.id!r} has {points}"
            raise MasterError(what, master.path, "make them agree")


def check_lecture(master: Master) -> None:
    """Refuse a lecture that holds graded cells or hidden regions: students get all of it."""
    _check_markers(master)
    for cell in master.cells:
        if cell.role in _GRADED:
            fix = "move it to the assignment"
            raise MasterError(f"a lecture has no {cell.role} cells ({_begin(cell)})", master.path, fix)
        if any(text in cell.source for text in _DELIMITERS):
            fix = "students get the whole lecture, so nothing in it can be hidden"
            raise MasterError(f"a lecture has no hidden regions ({_begin(cell)})", master.path, fix)
        if cell.keys.get("keep") and cell.kind != "code":
            raise MasterError(f"keep=true on a cell of text ({_begin(cell)})", master.path, "remove the key")


def _check_helpers(master: Master) -> None:
    """Refuse a helper cell with markers, since all of it is hidden, or behind a test that should find it."""
    tested: set[str] = set()
    for cell in master.cells:
        if cell.role == "test" and cell.exercise:
            tested.add(cell.exercise)
        if cell.role != "helper":
            continue
        where = f"{master.path}, {cell.grade_id}"
        if cell.kind != "code":
            raise MasterError("a helper cell holds code", where, "take [markdown] away")
        if any(text in cell.source for text in _DELIMITERS):
            raise MasterError("a helper cell is hidden as a whole", where, "take the markers out of it")
        if cell.exercise in tested:
            raise MasterError("a test before it cannot use it", where, "move it in front of the tests")


def _check_markers(master: Master) -> None:
    """Refuse lines that only nbgrader takes for markers: it looks for a delimiter anywhere in a line."""
    for cell in master.cells:
        for line in cell.source.splitlines():
            wrong = [
                text for delimiter, text in _DELIMITERS.items() if delimiter in line and line.strip() != text
            ]
            if wrong:
                raise MasterError(
                    f"the line {line.strip()!r} looks like a marker", master.path, f"write {wrong[0]}"
                )


def _begin(cell: Cell) -> str:
    return repr(next(iter(cell.source.splitlines()), ""))
