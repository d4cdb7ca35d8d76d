"""The steps of `grading build`: masters to notebooks, notebooks to releases, files to disk."""
