from ..pipelines.conftest import copied  # noqa: F401
