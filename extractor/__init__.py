"""Page image in, handwritten digit strings out."""
