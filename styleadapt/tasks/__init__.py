"""Training tasks, one for each family, and their configuration."""
