"""What a course's cells give, no answer can take their place."""

import nbformat

from grading.judge.course_names import given_in


def cell(source, **marks):
    usual = {"grade": False, "solution": False, "locked": False, "grade_id": "x", "schema_version": 3}
    return nbformat.v4.new_code_cell(source, metadata={"nbgrader": {**usual, **marks}} if marks else {})


def given(*cells, released=None):
    got = None if released is None else nbformat.v4.new_notebook(cells=released)
    return given_in(nbformat.v4.new_notebook(cells=list(cells)), got)


def test_imports_come_from_cells_that_students_may_edit():
    found = given(
        cell("import numpy as np\nimport os.path\nfrom math import floor, ceil as up\n%matplotlib inline"),
        cell("import torch\ndef answer():\n    pass", solution=True),
    )
    assert found.imports == {
        "np": "import numpy as np",
        "os": "import os.path",
        "floor": "from math import floor, ceil as up",
        "up": "from math import floor, ceil as up",
        "torch": "import torch",
    }


def test_what_only_a_solution_imports_is_not_given():
    whole = "import torch\n### BEGIN SOLUTION\nimport numpy as np\nfrom math import *\n### END SOLUTION"
    found = given(
        cell("import os"),
        cell(whole, solution=True, grade_id="answer"),
        cell("from math import floor", solution=True, grade_id="gone"),
        released=[cell("import os"), cell("import torch\npass", solution=True, grade_id="answer")],
    )
    assert found.imports == {"os": "import os", "torch": "import torch"}
    assert found.stars == []
    assert found.solutions == {"np": "import numpy as np", "floor": "from math import floor"}
    assert found.answers == ["floor", "np"]


def test_an_answer_of_the_same_name_is_an_answer():
    found = given(cell("from math import sqrt"), cell("def sqrt(x):\n    return x", solution=True))
    assert (found.imports, found.answers) == ({}, ["sqrt"])


def test_names_of_locked_cells_are_the_courses():
    found = given(cell("import math\ndef close(a, b):\n    return a == b\nx = 3", locked=True))
    assert found.locked == ["close", "math"]


def test_imports_of_everything_are_kept_apart():
    assert given(cell("from numpy import *")).stars == ["from numpy import *"]


def test_cells_that_are_no_python_give_nothing():
    assert given(cell("%%bash\nls"), cell("def f(:")) == given()
