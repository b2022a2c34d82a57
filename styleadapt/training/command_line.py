"""Ends a training script with one line of explanation when its input cannot be used."""

import contextlib
import re
import sys
from collections.abc import Iterator

from ..errors import AdapterError, ConfigError, DivergenceError, HubError, ImageError, ModelLoadError, SourceError
from ..extras import describe_missing

# what the user of a script can mend; OSError is a file that is not there, a full disk, a network that does not answer
_EXPECTED = (ConfigError, SourceError, ImageError, ModelLoadError, AdapterError, DivergenceError, HubError, OSError)


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Ends the program with `error: ...` and code 1 for what its user can mend; a defect keeps its traceback.

    >>> with one_line_errors():
    ...     raise ConfigError("`seed`: Expected a int. Got value: x")
    Traceback (most recent call last):
    SystemExit: error: `seed`: Expected a int. Got value: x
    """
    try:
        yield
    except ImportError as error:
        sys.exit(f"error: {describe_missing(error)}")
    except _EXPECTED as error:
        sys.exit(f"error: {_one_line(str(error))}")


def _one_line(message: str) -> str:
    if "Original Traceback" in message:
        # from a worker process: its last line says the error and its class
        return re.sub(r"^[\w.]+: ", "", message.strip().splitlines()[-1])
    return " ".join(message.split())
