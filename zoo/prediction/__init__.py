"""Uses models on images, of any size and from any format."""
