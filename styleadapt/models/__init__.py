"""Networks, one file for each architecture, and their layers."""
