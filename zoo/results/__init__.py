"""Summarises runs, and prints the tables of the results page."""
