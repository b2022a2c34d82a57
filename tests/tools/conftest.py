from ..scripts.conftest import command, refusal, repo  # noqa: F401
