"""Shows failures in the browser as one plain line, without a traceback or a path on the server."""

import html
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr

logger = logging.getLogger(__name__)

# Up to the file's name; inside quotes a folder may hold spaces.
_FOLDERS = re.compile(r"""(?<=['"])(?:[A-Za-z]:)?[\\/][^'"]*[\\/]|(?<![^\s(\[=:])(?:[A-Za-z]:)?[\\/][^\s'":\\/][^\s'":]*[\\/]""")


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn whatever an event raises into a `gr.Error` that a visitor can act on.

    The library's own errors are `ValueError` and `OSError` with messages for users: they are shown as they are, less the
    folders of paths. Everything else is logged on the server and answered with a general line.
    """
    try:
        yield
    except gr.Error:
        raise
    except MemoryError:
        raise _shown("The server ran out of memory. Try again with a smaller image.") from None
    except (ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            logger.exception("The operating system refused an event's work")
            raise _shown("The server could not read or write a file. Try again in a moment.") from None
        raise _shown(one_line(str(error))) from None
    except Exception:
        logger.exception("An event failed")
        raise _shown("Something went wrong on the server. Try again, or with another image.") from None


def one_line(message: str) -> str:
    """The first line of `message`, with every absolute path cut to the file's name.

    >>> one_line("/srv/cache/3f2a/cat.jpg is not an image\\nTraceback ...")
    'cat.jpg is not an image'
    """
    lines = message.strip().splitlines()
    return _FOLDERS.sub("", lines[0]) if lines else "The work could not be done."


def _shown(message: str) -> gr.Error:
    # Gradio renders an error as HTML, and a message may quote the name of an uploaded file.
    return gr.Error(html.escape(message, quote=False), print_exception=False)
