"""A course's masters, and everything that is generated from them."""
