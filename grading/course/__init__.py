"""Masters to notebooks, notebooks to releases, files to disk; what is made from a master."""
