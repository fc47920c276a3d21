"""Reads built data sets, changes their images, and keeps test images apart."""
