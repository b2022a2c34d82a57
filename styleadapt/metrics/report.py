"""Holds figures with their names, units and directions, and formats them as a table or a section of a model card."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .backbones import require_one_backbone
from .bootstrap import Interval


@dataclass(frozen=True)
class Figure:
    """One figure of one method.

    Args:
        name: what it measures.
        value: the figure; NaN if it could not be measured. A count is an int.
        backbone: name of the network that it was measured with; None for a figure that needs none.
        higher_is_better: if not, lower is.
        low, high: limits of its interval, if it has one.
    """

    name: str
    value: float
    backbone: str | None = None
    higher_is_better: bool = False
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, name: str, interval: Interval, backbone: str | None = None, higher_is_better: bool = False) -> "Figure":
        """A figure with its interval.

        >>> Figure.of("gram", Interval(0.5, 0.25, 0.75), "embedded").high
        0.75
        """
        return cls(name, interval.value, backbone, higher_is_better, interval.low, interval.high)

    def as_json(self) -> dict[str, object]:
        """Plain values for a JSON file, which knows no NaN and no infinity: null stands there.

        >>> Figure("psnr", math.inf, higher_is_better=True).as_json()["value"] is None
        True
        """
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        finite = {key: x if x is not None and math.isfinite(x) else None for key, x in numbers.items()}
        return {**finite, "backbone": self.backbone, "better": self._better}

    @property
    def _better(self) -> str:
        return "higher" if self.higher_is_better else "lower"

    def __str__(self) -> str:
        if isinstance(self.value, int):
            return f"{self.value:,}"
        if not math.isfinite(self.value):
            return "-" if math.isnan(self.value) else "inf"
        if self.low is None or self.high is None or not math.isfinite(self.low + self.high):
            return f"{self.value:.4g}"
        return str(Interval(self.value, self.low, self.high))


def table_cells(columns: Mapping[str, Sequence[Figure]]) -> list[list[str]]:
    """Rows of text, the headings first: figure, one cell a method, which is better, backbone.

    Args:
        columns: the figures of every method.

    Raises:
        BackboneError: a figure of one name that different backbones measured.

    >>> table_cells({"ours": [Figure("gram", 0.5, "embedded")]})
    [['figure', 'ours', 'better', 'backbone'], ['gram', '0.5', 'lower', 'embedded']]
    """
    names = list(dict.fromkeys(figure.name for figures in columns.values() for figure in figures))
    rows = [["figure", *columns, "better", "backbone"]]
    for name in names:
        found = {method: figure for method, figures in columns.items() for figure in figures if figure.name == name}
        backbone = require_one_backbone([figure.backbone or "-" for figure in found.values()])
        better = next(iter(found.values()))._better
        rows.append([name, *(str(found[method]) if method in found else "-" for method in columns), better, backbone])
    return rows


def text_table(columns: Mapping[str, Sequence[Figure]]) -> str:
    """`table_cells` in columns of equal width.

    >>> print(text_table({"ours": [Figure("gram", 0.5, "embedded")]}))
    figure  ours  better  backbone
    gram    0.5   lower   embedded
    """
    rows = table_cells(columns)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def markdown_table(columns: Mapping[str, Sequence[Figure]]) -> str:
    """`table_cells` in Markdown.

    >>> print(markdown_table({"ours": [Figure("gram", 0.5, "embedded")]}))
    | figure | ours | better | backbone |
    |---|---|---|---|
    | gram | 0.5 | lower | embedded |
    """
    head, *rows = (f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in table_cells(columns))
    return "\n".join([head, "|" + "---|" * (len(columns) + 3), *rows])


def replace_section(text: str, title: str, body: str) -> str:
    """A Markdown text with the section `## title`: in the place of one of that title, else before `## Training`, else at the end.

    >>> replace_section("# Model\\n\\n## Scores\\n\\nold\\n\\n## Training\\n\\nlong\\n", "Scores", "new")
    '# Model\\n\\n## Scores\\n\\nnew\\n\\n## Training\\n\\nlong\\n'
    """
    section = f"## {title}\n\n{body.strip()}\n"
    # the end of the old section is the next heading of its level
    old = re.compile(rf"^## {re.escape(title)}\s*\n.*?(?=^##? |\Z)", re.MULTILINE | re.DOTALL)
    found = old.search(text) or re.search(r"(?=^## Training\s*$)", text, re.MULTILINE)
    start, end = found.span() if found else (len(text), len(text))
    before, after = text[:start].rstrip("\n"), text[end:]
    return (before + "\n\n" if before else "") + section + ("\n" + after if after else "")
