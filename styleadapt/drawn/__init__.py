"""Style images and photos that code draws."""
