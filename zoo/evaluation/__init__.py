"""Scores images, chooses thresholds, and measures what they decide."""
