"""An extension of Griffe for the API reference: examples in docstrings are shown as code, which the site's parser takes for text.

Examples are doctests, lines from `>>>` to the next empty line, and the indented lines below `Example:`.
"""

import textwrap
from collections.abc import Iterator
from typing import Any

import griffe


class FencedExamples(griffe.Extension):
    """Puts the examples of every docstring between fences."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)


def fenced(docstring: str) -> str:
    """A docstring, its indentation removed, with fences around its examples.

    >>> print(fenced("Doubles.\\n\\nExample:\\n    double(3)").replace("`", "'"))
    Doubles.
    <BLANKLINE>
    Example:
    <BLANKLINE>
    '''python
    double(3)
    '''
    """
    return "\n".join(_with_fences(docstring.splitlines()))


def _with_fences(lines: list[str]) -> Iterator[str]:
    position = 0
    while position < len(lines):
        line = lines[position]
        if line.startswith(">>>"):
            length = next((n for n, later in enumerate(lines[position:]) if not later.strip()), len(lines) - position)
            yield from ("```pycon", *lines[position : position + length], "```")
        elif line == "Example:":
            indented = lines[position + 1 :]
            length = 1 + next((n for n, later in enumerate(indented) if later.strip() and later[0] != " "), len(indented))
            code = textwrap.dedent("\n".join(lines[position + 1 : position + length])).strip()
            yield from (line, "", "```python", *code.splitlines(), "```")
            if position + length < len(lines):
                yield ""
        else:
            length = 1
            yield line
        position += length
