"""What staff run: masters become notebooks, hand-ins become grades.

The package treats notebooks as data. It imports no course code and serves any nbgrader course;
what is particular to a course stands in its `course.toml`.
"""
