"""The file format of style adapters, and the deltas that they hold."""
