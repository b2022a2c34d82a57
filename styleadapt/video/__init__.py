"""Reading, smoothing and writing of clips."""
