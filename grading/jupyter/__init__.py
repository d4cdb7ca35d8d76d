"""Warm kernels for everything that speaks Jupyter's protocol."""
