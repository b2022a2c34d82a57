"""Adaptation of the generator to one or a few style images within a time limit, and refinement of single pictures."""
