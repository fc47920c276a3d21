"""Looks at a folder of images, and chooses the model and the recipe that fit it."""
