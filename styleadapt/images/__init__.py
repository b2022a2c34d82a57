"""Reading, writing and resizing of images, and their metadata."""
