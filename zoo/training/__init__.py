"""Trains a model by its recipe."""
