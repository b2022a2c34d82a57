"""Loss functions and frozen feature networks."""
