"""The driver: one hand-in run in two processes, its verdict, a class of them."""
