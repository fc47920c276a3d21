"""Trained models: their handles, run directories and files, and how a runtime runs them."""
