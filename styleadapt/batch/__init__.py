"""Work on folders and data sets of photos: sources, results, manifests."""
