"""Paints defects on good images."""
