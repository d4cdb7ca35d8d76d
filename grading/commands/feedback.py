"""`grading feedback`: nbgrader's own feedback pages, without the hidden tests.

nbgrader shows students the whole graded notebook (nbgrader #917, #1363). Here one more preprocessor of its
own kind takes the hidden tests out, and their lines out of tracebacks; what a test said stays. What runs or
loads something in a browser is taken out as in the formgrader.
"""

import argparse

from nbformat.notebooknode import NotebookNode
from nbgrader import utils
from nbgrader.converters import GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import ClearHiddenTests, ClearMarkScheme, GetGrades
from nbgrader.utils import capture_log
from traitlets.config import Config as Traits

from grading.config import Config, load_config
from grading.course.adopted import graded_course, traits_of
from grading.errors import SubmissionError
from grading.gradebook.sanitize import FILTERS
from grading.handins.tree import check_built


class ClearTestTracebacks(ClearHiddenTests):
    """Of an error in a test only its name and message stay: a traceback quotes the hidden lines."""

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, object], cell_index: int
    ) -> tuple[NotebookNode, dict[str, object]]:
        """As nbconvert calls it, for every cell."""
        if utils.is_grade(cell) and cell.cell_type == "code" and not utils.is_solution(cell):
            for output in cell.outputs:
                if output.output_type == "error":
                    output.traceback = [f"{output.ename}: {output.evalue}"]
        return cell, resources


def generate_feedback(config: Config, assignment: str) -> None:
    """Write `feedback/STUDENT/ASSIGNMENT/*.html` in the tree, as `nbgrader generate_feedback --force`.

    Raises:
        SubmissionError: The assignment was not built, nothing of it was graded, or nbgrader fails.
        UsageError: There is no such assignment.
    """
    check_built(config, assignment)
    graded = config.tree / "autograded"
    if not any(graded.glob(f"*/{assignment}/*.ipynb")):
        fix = f"run `grading run {assignment}` first"
        raise SubmissionError(f"nothing of {assignment} was graded", graded, fix)
    traits = Traits({**traits_of(config), "CourseDirectory": {}})
    traits.CourseDirectory.root = str(config.tree)
    traits.CourseDirectory.course_id = config.name
    traits.CourseDirectory.db_url = config.gradebook
    traits.CourseDirectory.assignment_id = assignment
    traits.HTMLExporter.sanitize_html = True
    traits.HTMLExporter.filters = FILTERS
    converter = GenerateFeedback(coursedir=CourseDirectory(config=traits), config=traits)
    converter.force = True
    hide = [ClearHiddenTests, ClearMarkScheme, ClearTestTracebacks]
    converter.preprocessors = [GetGrades, *hide, *converter.preprocessors[1:]]
    outcome = capture_log(converter)
    if not outcome["success"]:
        log = outcome.get("log", "").strip()[-500:]
        raise SubmissionError(
            f"nbgrader could not write the feedback ({log})", graded, "correct what it names"
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `grading feedback`."""
    parser.add_argument("assignment", help="its name, e.g. 01_convolution")


def main(args: argparse.Namespace) -> int:
    """Write the feedback pages of an assignment."""
    config = graded_course(load_config(args.config))
    generate_feedback(config, args.assignment)
    print(config.tree / "feedback")
    return 0
