"""Exact metrics of masks and scores, in NumPy and SciPy."""
