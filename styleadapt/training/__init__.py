"""The training engine, which knows no family: configuration, optimizers, schedules, checkpoints."""
