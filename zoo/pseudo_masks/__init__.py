"""Writes a teacher's masks as data sets for students, and compares them."""
