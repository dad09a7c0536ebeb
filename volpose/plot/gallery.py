"""Galleries of predictions: pictures, the volumes made of them, and the poses read from those."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import matplotlib.pyplot as plt
from jaxtyping import Float, Shaped
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from torch import Tensor

from volpose.grid import Grid
from volpose.plot.figures2d import draw_pose, show_image
from volpose.plot.style import as_array, bounds
from volpose.skeleton import Skeleton

TRUTH_ON_BLACK = "#56B4E9"


def pose_rows(
    images: Shaped[Tensor, "count 3 height width"],
    places: Float[Tensor, "count joints 3"],
    poses: Float[Tensor, "count joints 3"],
    skeleton: Skeleton,
    truths: tuple[Tensor, Tensor] | None = None,
    labels: Sequence[str] = (),
    crop_size: float | None = None,
    size: float = 2.1,
    volumes: tuple[Float[Tensor, "count joints depth rows columns"], Grid] | None = None,
) -> Figure:
    """Pictures with their 2D poses, and beside each the pose in space from two sides.

    Args:
        images: uint8 or in [0, 1].
        places: x, y in px of the crop; the rest is not used.
        poses: root-relative, mm, camera frame.
        skeleton: the joints.
        truths: places and poses of the truth, drawn thin and grey.
        labels: one for each picture.
        crop_size: the width in which the joints are counted; the image's own if not given.
        size: of a panel, inches.
        volumes: what the network says of each picture, and its grid; drawn between picture and
            pose, with the places of the truth as crosses, z in mm.

    Returns:
        A row for each picture: the picture; of volumes the likeliest of all joints, from the front
        and from above with the camera below; the pose as the camera sees it, and turned by 90
        degrees about the vertical, so that the camera looks from the left. The poses of a row have
        one scale, all volumes have one.

    Paper: Fig. 4.
    """
    count, columns = len(images), 3 if volumes is None else 5
    shape = {"figsize": (columns * size, size * count), "layout": "constrained"}
    figure, axes = plt.subplots(count, columns, squeeze=False, **shape)
    for number, row in enumerate(axes):
        show_image(row[0], images[number], crop_size)
        shown = [(places[number], poses[number], False)]
        if truths is not None:
            shown.append((truths[0][number], truths[1][number], True))
        for flat, _, true in shown:
            draw_pose(row[0], flat[:, :2], skeleton, truth=true, width=1.8)
        row[0].set(xticks=[], yticks=[])
        row[0].set_ylabel(labels[number] if labels else "")
        _draw_both_sides(row[-2:], [(pose, true) for _, pose, true in shown], skeleton)
        if volumes is not None:
            truth = None if truths is None else truths[0][number]
            seen = _draw_volume(row[1:3], volumes[0][number], volumes[1], truth)
    if volumes is not None:
        figure.colorbar(seen, ax=axes[:, 1:3], location="top", shrink=0.6, label="likelihood")
    far = "z, away from the camera (mm)" if volumes is None else "z, away from\nthe camera (mm)"
    names = ("picture", "from the front", "from above", "x (mm)", far)
    for ax, name in zip(axes[-1], (names[0], *names[1 - columns :]), strict=True):
        ax.set_xlabel(name, fontsize=8)
    return figure


def _draw_both_sides(
    row: Iterable[Axes], poses: Sequence[tuple[Tensor, bool]], skeleton: Skeleton
) -> None:
    """Poses and whether they are the truth, as the camera sees them and turned."""
    middle, half = bounds([as_array(pose) for pose, _ in poses])
    for ax, across in zip(row, (0, 2), strict=True):
        for pose, true in poses:
            draw_pose(ax, pose[:, [across, 1]], skeleton, truth=true, width=1.8)
        ax.set(
            xlim=(middle[across] - half, middle[across] + half),
            ylim=(middle[1] + half, middle[1] - half),
            xticks=[-500, 0, 500],
            yticks=[-500, 0, 500],
            aspect="equal",
        )
        ax.tick_params(labelsize=7)
        ax.grid(color="#DDDDDD", lw=0.5)
        ax.set_axisbelow(True)
    ax.set_yticklabels([])


def _draw_volume(
    row: Iterable[Axes], volume: Tensor, grid: Grid, truth: Tensor | None
) -> AxesImage:
    """The highest value of all joints along the axis that is not shown; front, then above."""
    likeliest, side, (near, far) = as_array(volume).max(axis=0), grid.crop_size, grid.depth_limits
    scale = {"cmap": "magma", "vmin": 0, "vmax": 1, "interpolation": "nearest", "aspect": "auto"}
    for ax, axis, up in zip(row, (0, 1), (1, 2), strict=True):
        extent = (0, side, near, far) if up == 2 else (0, side, side, 0)
        seen = ax.imshow(
            likeliest.max(axis=axis),
            extent=extent,
            origin="lower" if up == 2 else "upper",
            **scale,
        )
        if truth is not None:
            places = as_array(truth)
            ax.plot(places[:, 0], places[:, up], "+", color=TRUTH_ON_BLACK, ms=5, mew=1)
        ax.set(xticks=[], yticks=[], xlim=extent[:2], ylim=extent[2:])
        ax.set_box_aspect(1)
    return seen
