"""Training data: image sources, streams and data sets."""
