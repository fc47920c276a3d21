"""Procedural textures and defects modelled on the ten classes of DAGM 2007."""
