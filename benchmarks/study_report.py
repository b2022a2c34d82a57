"""Reports a study from its rows: tables with intervals, the Pareto front, training curves, best and worst pictures.

Every figure is a ratio to the defaults' figure on the same task and seed, averaged as a geometric mean; intervals are
bootstrapped over runs, each of an artist and a seed (95 %), and a little narrow where artists ran with several seeds.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from study_bench import FIGURES, picture_prefix, read_rows
from study_plan import BASELINE, StudyError
from styleadapt.images.images import open_image, save_image
from styleadapt.metrics.bootstrap import mean_interval

_RESAMPLES = 2000
Arm = tuple[str, str]
Share = tuple[float, float, float]  # with the ends of its interval
Table = Mapping[Arm, Mapping[str, Share]]


def write_report(runs: Path, output: Path) -> dict[Arm, dict[str, Share]]:
    """Writes `table.md`, `pareto.png`, `curves.png` and `best-and-worst.jpg` into `output`, and returns the table.

    Args:
        runs: folder with `runs.jsonl`, and `pictures/` for the sheet.
        output: folder, made if need be.

    Raises:
        StudyError: no rows, or none of the defaults.
        ImportError: matplotlib is not installed.
    """
    rows = read_rows(runs / "runs.jsonl")
    table = compare(rows)
    output.mkdir(parents=True, exist_ok=True)
    (output / "table.md").write_text(markdown(table, rows), encoding="utf-8")
    plot_pareto(table, output / "pareto.png")
    plot_curves(rows, output / "curves.png")
    sheet = extremes(table, runs / "pictures", sorted({row["artist"] for row in rows}))
    if sheet is not None:
        save_image(sheet, output / "best-and-worst.jpg", quality=75)
    return table


def compare(rows: Sequence[Mapping[str, Any]]) -> dict[Arm, dict[str, Share]]:
    """Each arm's figures as shares of the defaults', with the ends of their intervals: `{arm: {figure: (share, low, high)}}`.

    `balance` is the geometric mean of the shares of style and content: below 1, an arm gains more in one than it loses in the
    other. `kid` may be negative and is no ratio: it is the mean difference to the defaults'.

    Raises:
        StudyError: no rows, or none of the defaults.
    """
    baseline = {_task(row): row for row in rows if row["factor"] == BASELINE}
    if not baseline:
        raise StudyError("there are no runs of the defaults to compare with; run the study first")
    pairs: dict[Arm, list[tuple[Mapping[str, Any], Mapping[str, Any]]]] = defaultdict(list)
    for row in rows:
        if row["factor"] != BASELINE and _task(row) in baseline:
            pairs[row["factor"], row["arm"]].append((row, baseline[_task(row)]))
    table: dict[Arm, dict[str, Share]] = {}
    for arm, compared in pairs.items():
        logs = {name: np.array([math.log(ours[name] / base[name]) for ours, base in compared]) for name in FIGURES[:-1]}
        logs["balance"] = (logs["style"] + logs["content"]) / 2
        differences = np.array([ours["kid"] - base["kid"] for ours, base in compared])
        table[arm] = {
            **{name: _share(*np.exp(_interval(values))) for name, values in logs.items()},
            "kid": _share(*_interval(differences)),
            "runs": _share(*[len(compared)] * 3),
        }
    return table


def pareto_front(table: Table) -> list[Arm]:
    """The arms, and the defaults, that no other beats in both style and content, by style.

    >>> point = lambda style, content: {"style": (style,) * 3, "content": (content,) * 3}
    >>> pareto_front({("f", "a"): point(0.9, 1.2), ("f", "b"): point(1.1, 1.1), ("f", "c"): point(1.2, 1.3)})
    [('f', 'a'), ('default', 'default')]
    """
    points = _style_and_content(table)
    beaten = lambda p: any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in points.values())  # noqa: E731
    return sorted((arm for arm, p in points.items() if not beaten(p)), key=lambda arm: points[arm])


def markdown(table: Table, rows: Sequence[Mapping[str, Any]]) -> str:
    """The table, factor by factor in the plan's order; arms on the Pareto front are bold."""
    front, steps = pareto_front(table), defaultdict(list)
    for row in rows:
        steps[row["factor"], row["arm"]].append(row.get("steps", 0))
    lines = [
        "| factor | arm | runs | steps | style | style of the shots | content | cfsd | kid | balance |",
        "|" + "---|" * 10,
    ]
    default = [row for row in rows if row["factor"] == BASELINE]
    lines.append(
        f"| default | figures | {len(steps[BASELINE, BASELINE])} | {np.mean(steps[BASELINE, BASELINE]):.0f} | "
        + " | ".join(f"{np.mean([row[name] for row in default]):.3f}" for name in FIGURES)
        + " | |"
    )
    for (factor, arm), figures in table.items():
        name = f"**{arm}**" if (factor, arm) in front else arm
        cells = [_cell(figures[figure], signed=figure == "kid") for figure in (*FIGURES, "balance")]
        lines.append(
            f"| {factor} | {name} | {figures['runs'][0]:.0f} | {np.mean(steps[factor, arm]):.0f} | " + " | ".join(cells) + " |"
        )
    return "\n".join(lines) + "\n"


def plot_pareto(table: Table, path: Path) -> None:
    """Style against content of every arm, as shares of the defaults', with the front's names."""
    plt = _pyplot()
    figure, axes = plt.subplots(figsize=(9, 7))
    points = _style_and_content(table)
    for i, factor in enumerate(dict.fromkeys(factor for factor, _ in table)):
        place = np.array([point for arm, point in points.items() if arm[0] == factor])
        axes.scatter(*place.T, s=28, label=factor, color=plt.get_cmap("tab20")(i % 20), marker="os^Dv"[i % 5])
    axes.scatter([1], [1], s=120, marker="*", color="black", label="default")
    front = pareto_front(table)
    line = np.array([points[arm] for arm in front])
    axes.plot(*line.T, color="gray", linewidth=0.8, zorder=0)
    for arm, (x, y) in zip(front, line):
        axes.annotate(arm[1], (x, y), xytext=(4, 4), textcoords="offset points", fontsize=8)
    axes.set(xlabel="style distance, share of the defaults'", ylabel="content distance, share of the defaults'")
    axes.legend(fontsize=7, loc="upper right")
    _save(figure, path)


def plot_curves(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Style and content figures on the fixed crops by step, of the defaults and of every arm, one panel a factor."""
    plt = _pyplot()
    curves: dict[Arm, list[list[list[float]]]] = defaultdict(list)
    for row in rows:
        if row.get("curve"):
            curves[row["factor"], row["arm"]].append(row["curve"])
    factors = list(dict.fromkeys(factor for factor, _ in curves if factor != BASELINE))
    lines = -(-len(factors) // 4)
    figure, panels = plt.subplots(lines, 4, figsize=(16, 3 * lines), squeeze=False)
    for panel, factor in zip(panels.flat, factors):
        arms = [(BASELINE, BASELINE), *(arm for arm in curves if arm[0] == factor)]
        for i, arm in enumerate(arms):
            color = plt.get_cmap("tab10")((i - 1) % 10) if i else "black"
            for n, curve in enumerate(curves[arm]):
                steps, style = zip(*((step, value) for step, value, _ in curve))
                panel.plot(steps, np.array(style) / style[0], color=color, linewidth=0.8, label=arm[1] if n == 0 else None)
        panel.set_title(factor, fontsize=9)
        panel.legend(fontsize=6)
    for panel in panels.flat[len(factors) :]:
        panel.axis("off")
    figure.supylabel("style figure on the fixed crops, share of its start")
    figure.supxlabel("steps")
    _save(figure, path)


def extremes(table: Table, pictures: Path, artists: list[str]) -> Image.Image | None:
    """Strips of pictures of the defaults, the three arms of best and the three of worst balance, one artist after the other."""
    adapted = [arm for arm in table if arm[0] != "zero-shot"]
    ranked = sorted(adapted, key=lambda arm: table[arm]["balance"][0])
    chosen = [(BASELINE, BASELINE), *ranked[:3], *ranked[-3:]]
    rows = []
    for artist in artists:
        for factor, arm in dict.fromkeys(chosen):
            found = sorted(pictures.glob(f"{picture_prefix(factor, arm, artist)}*.jpg"))
            if found:
                rows.append((f"{artist}: {factor}, {arm}", open_image(found[0])))
    if not rows:
        return None
    height = rows[0][1].height + 14
    sheet = Image.new("RGB", (rows[0][1].width, height * len(rows)), "white")
    for i, (caption, image) in enumerate(rows):
        ImageDraw.Draw(sheet).text((4, i * height + 1), caption, fill="black")
        sheet.paste(image, (0, i * height + 14))
    return sheet


def _style_and_content(table: Table) -> dict[Arm, tuple[float, float]]:
    """The shares of every arm, and of the defaults."""
    return {(BASELINE, BASELINE): (1.0, 1.0)} | {arm: (f["style"][0], f["content"][0]) for arm, f in table.items()}


def _task(row: Mapping[str, Any]) -> tuple[str, int]:
    return row["artist"], row["seed"]


def _interval(values: np.ndarray) -> np.ndarray:
    """Mean and the ends of its interval; of one value, itself."""
    interval = mean_interval(values, _RESAMPLES)
    return np.array([interval.value, interval.low, interval.high])


def _share(value: float, low: float, high: float) -> Share:
    return float(value), float(low), float(high)


def _cell(value: Share, signed: bool = False) -> str:
    form = "{:+.2f}" if signed else "{:.2f}"
    return f"{form.format(value[0])} ({form.format(value[1])} to {form.format(value[2])})"


def _pyplot():
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def _save(figure, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    _pyplot().close(figure)
