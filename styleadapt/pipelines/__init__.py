"""Pipelines that users call, one for each family, and their parts."""
