"""Results kept, recorded in nbgrader's gradebook, and shown."""
