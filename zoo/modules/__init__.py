"""Finds, unpacks and imports modules."""
