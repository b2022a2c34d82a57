"""The command `styleadapt`: one module a subcommand."""
