"""The process that runs a student's code: it is believed by nobody."""
