"""Draws images, masks, galleries and progress."""
