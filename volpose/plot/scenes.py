"""The boxes that 3D figures are drawn in: axes with units, equal aspect, a place to look from."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import torch

from volpose.grid import Grid
from volpose.plot.style import check_alt

SMALL = {"size": 10}
MARGIN = {"l": 0, "r": 0, "t": 34, "b": 8}


def new_figure(alt: str, height: int, **layout) -> go.Figure:
    """An empty figure with its description in words, without plotly's bulky default template."""
    return go.Figure(
        layout={
            "template": go.layout.Template(),
            "meta": {"alt": check_alt(alt)},
            "height": height,
            "margin": MARGIN,
            "legend": {"orientation": "h", "x": 0, "y": 0, "yanchor": "top"},
            "uirevision": "same",
            **layout,
        }
    )


def metric_scene(
    center: np.ndarray,
    half: float,
    eye: dict,
    domain: tuple[float, float] = (0, 1),
    zoom: float = 1.5,
) -> dict:
    """A cube in mm around a person.

    Args:
        center: (3,) mm, camera frame.
        half: half the side of the cube, mm.
        eye: where the viewer stands.
        domain: left and right edge in the figure.
        zoom: side of the cube, in plotly's unit.
    """

    def axis(name: str, along: str, at: float) -> dict:
        ends = [round(float(at) - half, 1), round(float(at) + half, 1)]
        others = [abs(eye[other]) for other in "xyz" if other != along]
        ticks = _round_numbers(*ends)
        # Name and unit are in the last tick: seen from the front, plotly writes an axis title
        # across the ticks. Seen end-on, all ticks would lie on top of each other.
        return {
            "title": {"text": ""},
            "range": ends[::-1] if along == "z" else ends,
            "tickfont": SMALL,
            "tickvals": ticks,
            "ticktext": [*(f"{tick:g}" for tick in ticks[:-1]), f"{name} = {ticks[-1]:g} mm"],
            "tickangle": 0,
            "showticklabels": max(others) > 0.1,
        }

    x, y, z = center
    return {
        "xaxis": axis("x", "x", x),
        "yaxis": axis("z", "y", z),
        "zaxis": axis("y", "z", y),
        "domain": {"x": list(domain)},
        **_looking_from(eye, zoom),
    }


def voxel_scene(
    grid: Grid, eye: dict, domain: tuple[float, float] = (0, 1), zoom: float = 1.25
) -> dict:
    """The whole grid as a cube, voxels inside, pixels and mm on the axes.

    Args:
        grid: the grid that is drawn.
        eye: where the viewer stands.
        domain: left and right edge in the figure.
        zoom: side of the cube, in plotly's unit.
    """
    depth, height, width = grid.shape
    pixels = [grid.crop_size * part / 4 for part in range(5)]
    near, far = grid.depth_limits
    step = 500 if far - near <= 4000 else 1000
    metric = [float(mm) for mm in range(-100 * step, 101 * step, step) if near <= mm <= far]

    def axis(title: str, along: int, ticks: list[float], size: int, flipped: bool = False) -> dict:
        rim = 0.01 * size  # what lies exactly on the border would be half cut off
        ends = [-0.5 - rim, size - 0.5 + rim]
        return {
            "title": {"text": title, "font": SMALL},
            "range": ends[::-1] if flipped else ends,
            "tickvals": _voxels_at(grid, along, ticks),
            "ticktext": [f"{tick:g}" for tick in ticks],
            "tickfont": SMALL,
        }

    return {
        "xaxis": axis("x (px)", 0, pixels, width),
        "yaxis": axis("depth z (mm)", 2, metric, depth),
        "zaxis": axis("y (px)", 1, pixels, height, flipped=True),
        "domain": {"x": list(domain)},
        **_looking_from(eye, zoom),
    }


def _looking_from(eye: dict, zoom: float) -> dict:
    """A cube seen along parallel lines: there plotly's zoom is the size of the cube, not the eye's
    distance. Lengths can be compared, and from the front a joint lies on its image pixel.
    """
    camera = {
        "eye": eye,
        "center": {"x": 0, "y": 0, "z": 0},
        "up": {"x": 0, "y": 0, "z": 1},
        "projection": {"type": "orthographic"},
    }
    ratio = {"x": zoom, "y": zoom, "z": zoom}
    return {
        "aspectmode": "manual",
        "aspectratio": ratio,
        "camera": camera,
        "dragmode": "turntable",
    }


def _round_numbers(low: float, high: float) -> list[float]:
    """Three to six round numbers between two ends, mm."""
    step = next((s for s in (100, 200, 500, 1000, 2000) if (high - low) / s < 5), 5000)
    first = -(-low // step)
    return [float(n * step) for n in range(int(first), int(high // step) + 1)] or [round(low)]


def panel_label(text: str, middle: float) -> dict:
    """A line of text above one of several panels."""
    return {
        "text": text,
        "x": middle,
        "y": 1,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "center",
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"size": 13},
    }


def _voxels_at(grid: Grid, along: int, ticks: list[float]) -> list[float]:
    places = torch.zeros(len(ticks), 3, dtype=torch.float64)
    places[:, along] = torch.tensor(ticks, dtype=torch.float64)
    return [round(v, 4) for v in grid.to_voxels(places)[:, along].tolist()]
