"""Measures anomaly maps that other programs saved."""
