"""Flat figures of results: differences with their intervals, and the volumes of a joint."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from statistics import quantiles

import matplotlib.pyplot as plt
from jaxtyping import Float, Shaped
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from volpose.grid import Grid
from volpose.plot.figures2d import SERIES, show_image
from volpose.plot.style import as_array

MARKERS = ("o", "s", "^", "v")
PAPER_COLOR = "#808A99"
LABEL_WIDTH = 30  # characters of a row's label before it is broken
ROW = 0.42  # inches
FENCE = 1.5  # Tukey's: how far, in interquartile ranges, the scale goes beyond the quartiles
# mean and half width of an interval; an infinite width is a single run, None is no run
Estimate = tuple[float, float] | None


def forest(
    rows: Sequence[str],
    panels: Mapping[str, Mapping[str, Sequence[Estimate]]],
    xlabel: str,
    paper: Sequence[float | None] | None = None,
    width: float = 8.0,
    whole: bool = False,
) -> Figure:
    """Estimates with their intervals, a row each, and zero as a line.

    Args:
        rows: their names; long ones are broken.
        panels: title of a panel -> name of a series -> an estimate for each row.
        xlabel: what is estimated, with its unit.
        paper: the paper's number for each row, drawn as diamonds in all panels.
        width: of the figure, inches.
        whole: the scale takes in all intervals, those that lie far beyond the others as well.

    Returns:
        A figure with a panel for each entry of ``panels``, side by side, on one scale. A single
        run is drawn hollow and without an interval. What lies far beyond the others, by Tukey's
        fences, ends in an arrow; a mean there is a number. Not so if the scale is ``whole``.

    Raises:
        ValueError: another number of estimates, or of the paper's numbers, than of rows.
    """
    marks = [None] * len(rows) if paper is None else list(paper)
    named = [("paper", marks), *(pair for series in panels.values() for pair in series.items())]
    for name, values in named:
        if len(values) != len(rows):
            raise ValueError(f"{name} must have {len(rows)} entries, one a row, got {len(values)}")
    look = {"sharex": True, "sharey": True, "squeeze": False, "layout": "constrained"}
    figure, axes = plt.subplots(1, len(panels), figsize=(width, ROW * len(rows) + 1.0), **look)
    limits = _limits(panels, marks, math.inf if whole else FENCE)
    for ax, (title, series) in zip(axes[0], panels.items(), strict=True):
        _draw_paper(ax, marks)
        for number, (name, values) in enumerate(series.items()):
            shift = 0.5 * ((number + 1) / (len(series) + 1) - 0.5)
            color, marker = SERIES[number], MARKERS[number]
            for row, value in enumerate(values):
                if value is not None:
                    _draw_estimate(ax, value, row + shift, limits, color, marker)
            ax.plot([], [], marker, color=color, ms=5, label=name)
        ax.set_xlabel(f"{title}\n{xlabel}" if title else xlabel)
        ax.axvline(0, color="#9A9A9A", lw=1)
        ax.spines[["top", "right", "left"]].set_visible(False)
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="y", color="#DDDDDD", lw=0.5)
        ax.set_axisbelow(True)
    first = axes[0, 0]
    labels = [textwrap.fill(row, LABEL_WIDTH) for row in rows]
    first.set_yticks(range(len(rows)), labels, fontsize=8)
    first.set(ylim=(len(rows) - 0.5, -0.5), xlim=limits)
    handles = first.get_legend_handles_labels()
    figure.legend(*handles, frameon=False, ncols=4, loc="outside upper center")
    return figure


def _draw_paper(ax: Axes, marks: Sequence[float | None]) -> None:
    known = [(mark, row) for row, mark in enumerate(marks) if mark is not None]
    if known:
        look = {"marker": "D", "ls": "", "ms": 6, "mfc": "none", "mew": 1.4}
        ax.plot(*zip(*known, strict=True), color=PAPER_COLOR, label="the paper", **look)


def _draw_estimate(
    ax: Axes,
    value: tuple[float, float],
    height: float,
    limits: tuple[float, float],
    color: str,
    marker: str,
) -> None:
    """A mean and its interval; where they lie beyond an end of the scale, an arrow says so."""
    mean, half = value
    single, (low, high) = math.isinf(half), limits
    ends = (mean, mean) if single else (mean - half, mean + half)
    ax.plot([max(low, ends[0]), min(high, ends[1])], [height] * 2, color=color, lw=1.6)
    if low <= mean <= high:
        ax.plot(mean, height, marker, color=color, mfc="none" if single else color, ms=5)
    for end, beyond, arrow in ((low, ends[0] < low, "<"), (high, ends[1] > high, ">")):
        if beyond:
            ax.plot(end, height, arrow, color=color, ms=5, clip_on=False)
    if not low <= mean <= high:
        left = mean < low
        ax.annotate(
            f"{mean:.0f}".replace("-", "\N{MINUS SIGN}"),
            (low if left else high, height),
            xytext=(6 if left else -6, 0),
            textcoords="offset points",
            ha="left" if left else "right",
            va="center",
            fontsize=7,
            color=color,
            bbox={"fc": ax.get_facecolor(), "ec": "none", "pad": 0.8},
        )


def _limits(
    panels: Mapping[str, Mapping[str, Sequence[Estimate]]], marks: Sequence, fence: float
) -> tuple[float, float]:
    """Ends of the scale: those of all intervals, but for outliers, by Tukey's fences."""
    estimates = [v for s in panels.values() for values in s.values() for v in values if v]
    ends = [m + s * h for m, h in estimates if math.isfinite(h) for s in (-1, 1)]
    ends += [mean for mean, half in estimates if math.isinf(half)]
    if len(ends) > 1 and math.isfinite(fence):
        first, _, third = quantiles(ends, n=4, method="inclusive")
        reach = fence * (third - first)
        ends = [min(max(end, first - reach), third + reach) for end in ends]
    shown = [*ends, *(mark for mark in marks if mark is not None), 0.0]
    low, high = min(shown), max(shown)
    margin = 0.05 * max(high - low, 1.0)
    return low - margin, high + margin


def volume_views(
    image: Shaped[Tensor, "3 side side2"],
    stages: Mapping[str, Float[Tensor, "_ height width"]],
    grid: Grid,
    truth: Float[Tensor, " 3"],
    size: float = 2.0,
) -> Figure:
    """One joint: the picture, and its volumes from the front and from above, with the truth.

    Args:
        image: the crop.
        stages: label -> volume (d, H, W) with d dividing the grid's D; of a heatmap, d = 1, only
            the front is drawn.
        grid: the finest grid.
        truth: x, y in px of the grid's crop, z in mm.
        size: of a panel, inches.
    """
    panels = [(label, v, up) for label, v in stages.items() for up in (False, True)]
    panels = [(label, v, up) for label, v, up in panels if len(v) > 1 or not up]
    side, (near, far) = grid.crop_size, grid.depth_limits
    figure, axes = plt.subplots(
        1, 1 + len(panels), figsize=(size * (1 + len(panels)), 1.25 * size), layout="constrained"
    )
    show_image(axes[0], image, side)
    x, y, z = truth.tolist()
    scale = {"cmap": "magma", "vmin": 0, "interpolation": "nearest", "aspect": "auto"}
    for ax, (label, volume, up) in zip(axes[1:], panels, strict=True):
        flat = as_array(volume).clip(min=0).max(axis=1 if up else 0)
        extent = (0, side, near, far) if up else (0, side, side, 0)
        ax.imshow(flat, extent=extent, origin="lower" if up else "upper", **scale)
        ax.set_title("")
        ax.set_xlabel(f"x (px)\n{label}{', from above' if up else ''}", fontsize=8)
        ax.set_box_aspect(1)
        ax.set_ylabel("z (mm)" if up else "", fontsize=8)
        _cross(ax, x, z if up else y)
    axes[0].set_xlabel("x (px)", fontsize=8)
    axes[0].set_ylabel("y (px)", fontsize=8)
    _cross(axes[0], x, y)
    for ax in axes:
        ax.tick_params(labelsize=7)
        ax.set_xticks([0, side / 2, side])
    return figure


def _cross(ax: Axes, x: float, y: float) -> None:
    ax.plot(x, y, "+", color="white", ms=10, mew=3.4)
    ax.plot(x, y, "+", color="#009E73", ms=10, mew=1.6)
