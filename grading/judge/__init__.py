"""The process that runs hidden tests: no line of a student's code runs in it."""
