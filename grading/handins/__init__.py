"""A file that somebody handed in: found, read, and held against the course's own."""
