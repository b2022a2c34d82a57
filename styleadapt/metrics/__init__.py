"""Figures and protocols of evaluation."""
