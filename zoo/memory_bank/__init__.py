"""Fills the memory bank of PatchCore."""
