"""Flat figures for print, drawn by matplotlib (which only the book needs)."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float, Shaped
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from volpose.action_table import ActionTable
from volpose.grid import Grid
from volpose.plot.style import (
    COLORS,
    TRUTH_COLOR,
    as_array,
    as_pixels,
    check_joints,
    limbs_of_side,
    side_of,
)
from volpose.skeleton import Skeleton

LINE_STYLES = {"left": "-", "right": (0, (2.2, 1.1)), "middle": "-"}
# For curves and bars: blue, orange, grey, yellow; told apart by color-blind readers.
SERIES = ("#0072B2", "#E69F00", "#808A99", "#CC79A7", "#56B4E9", "#332288")


def draw_pose(
    ax: Axes,
    joints_px: Float[Tensor, "joints 2"],
    skeleton: Skeleton,
    truth: bool = False,
    width: float = 2.5,
) -> None:
    """Draw a skeleton into axes: left solid, right dashed; the truth thin and grey.

    Args:
        ax: where to draw.
        joints_px: (J, 2) px, or any two coordinates. Joints that are NaN are left out.
        skeleton: the joints.
        truth: draw it as the truth.
        width: of the lines, points.
    """
    check_joints("joints_px", joints_px, skeleton)
    at = as_array(joints_px)
    for parent, joint in limbs_of_side(at, skeleton):
        side = side_of(skeleton, joint)
        style = {"color": COLORS[side], "lw": width, "ls": LINE_STYLES[side], "zorder": 3}
        if truth:
            style = {"color": TRUTH_COLOR, "lw": 1.2, "ls": "-", "zorder": 2.5}
        ax.plot(*at[[parent, joint]].T, dash_capstyle="butt", **style)
    if truth:
        return
    known = [j for j in range(skeleton.num_joints) if np.isfinite(at[j]).all()]
    colors = [COLORS[side_of(skeleton, j)] for j in known]
    dots = {"c": colors, "s": (2.2 * width) ** 2, "edgecolors": "white", "linewidths": 0.6}
    ax.scatter(*at[known].T, zorder=4, **dots)


def image_with_pose(
    image: Shaped[Tensor, "3 height width"],
    joints_px: Float[Tensor, "joints 2"],
    skeleton: Skeleton,
    truth_px: Float[Tensor, "joints 2"] | None = None,
    crop_size: float | None = None,
    size: float = 4.2,
) -> Figure:
    """An image with the joints drawn in.

    Args:
        image: uint8 or in [0, 1].
        joints_px: (J, 2) px.
        skeleton: the joints.
        truth_px: the true joints, px.
        crop_size: the width in which the joints are counted; the image's own if not given.
        size: height of the figure, inches.
    """
    height, width = image.shape[-2:]
    figure, ax = plt.subplots(figsize=(size * width / height, size), layout="constrained")
    show_image(ax, image, crop_size)
    if truth_px is not None:
        draw_pose(ax, truth_px, skeleton, truth=True)
    draw_pose(ax, joints_px, skeleton)
    ax.set(xlabel="x (px)", ylabel="y (px)")
    return figure


def image_grid(
    images: Shaped[Tensor, "count 3 height width"],
    poses: Float[Tensor, "count joints 2"] | None = None,
    skeleton: Skeleton | None = None,
    labels: Sequence[str] = (),
    columns: int = 5,
    crop_size: float | None = None,
    size: float = 1.6,
) -> Figure:
    """A sheet of images, with joints and a label under each if they are given.

    Args:
        images: uint8 or in [0, 1].
        poses: the joints of each image, px.
        skeleton: the joints of ``poses``.
        labels: one for each image.
        columns: images in a row.
        crop_size: the width in which the joints are counted; the images' own if not given.
        size: of an image, inches.

    Raises:
        ValueError: poses without skeleton, or another number of poses or labels than images.
    """
    count = len(images)
    if poses is not None and (skeleton is None or len(poses) != count):
        raise ValueError(f"poses must come with a skeleton, one for each of {count} images")
    if labels and len(labels) != count:
        raise ValueError(f"labels must be one for each of {count} images, got {len(labels)}")
    columns = min(columns, count)
    rows = -(-count // columns)
    shape = (size * columns, (size + (0.25 if labels else 0)) * rows)
    figure, axes = plt.subplots(rows, columns, figsize=shape, squeeze=False, layout="constrained")
    for number, ax in enumerate(axes.flat):
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        if number >= count:
            continue
        show_image(ax, images[number], crop_size)
        if poses is not None:
            draw_pose(ax, poses[number], skeleton, width=1.4)
        if labels:
            ax.set_xlabel(labels[number], fontsize=8)
    return figure


def stack_figure(
    volumes: Sequence[Float[Tensor, "_ height width"]], grid: Grid, size: float = 2.1
) -> Figure:
    """One joint's likelihood through the stack, from the front and from above.

    Above is the highest likelihood over depth, below the highest over the rows of the image: a
    view from the ceiling, with the camera at the bottom.

    Args:
        volumes: the joint's volume of each stage, (d, H, W) with d dividing the grid's D.
        grid: the finest grid.
        size: of a panel, inches.

    Raises:
        ValueError: there is no volume, or one does not fit the grid.

    Paper: Sec. 3.2, Fig. 2.
    """
    if not volumes:
        raise ValueError("volumes must hold one volume for each stage, got none")
    count = len(volumes)
    figure, axes = plt.subplots(
        2, count, figsize=(size * count + 1.1, 2 * size), squeeze=False, layout="constrained"
    )
    shown = None
    for number, volume in enumerate(volumes):
        stage = grid.coarsened(volume.shape[0])
        if tuple(volume.shape) != stage.shape:
            raise ValueError(f"volume must be {stage.shape}, but it is {tuple(volume.shape)}")
        values, (near, far), side = as_array(volume), stage.depth_limits, stage.crop_size
        scale = {"cmap": "magma", "vmin": 0, "vmax": 1, "interpolation": "nearest"}
        front, top = axes[:, number]
        front.imshow(values.max(axis=0), extent=(0, side, side, 0), **scale)
        shown = top.imshow(
            values.max(axis=1), extent=(0, side, near, far), origin="lower", aspect="auto", **scale
        )
        top.set_box_aspect(1)
        front.set(xticks=[0, side / 2, side], yticks=[0, side / 2, side], xticklabels=[])
        top.set(xlabel=f"x (px)\nd = {volume.shape[0]}", xticks=[0, side / 2, side])
        if number:
            front.set_yticklabels([])
            top.set_yticklabels([])
    axes[0, 0].set_ylabel("y (px)")
    axes[1, 0].set_ylabel("depth (mm)")
    figure.colorbar(shown, ax=axes, shrink=0.8, label="likelihood")
    return figure


def loss_curve(path: str | Path, size: tuple[float, float] = (6.0, 3.2)) -> Figure:
    """The loss of each stage during training, from the ``log.csv`` that `fit` writes.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it has no rows, or no losses.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such log")
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    stages = [name for name in (rows[0] if rows else ()) if name.startswith("loss_")]
    if not stages or "images" not in rows[0]:
        raise ValueError(f"{path}: not the log of a training run (no losses in it)")
    seen = [float(row["images"]) / 1000 for row in rows]
    figure, ax = plt.subplots(figsize=size, layout="constrained")
    for number, name in enumerate(stages):
        losses = [float(row[name]) for row in rows]
        label = f"stage {number + 1}"
        ax.plot(seen, losses, color=SERIES[number % len(SERIES)], lw=1.8, label=label)
    ax.set(xlabel="images seen (thousands)", ylabel="loss", yscale="log")
    _quiet(ax)
    if len(stages) > 1:
        ax.legend(frameon=False)
    return figure


def action_bars(
    tables: Mapping[str, ActionTable | Mapping],
    metric: str,
    size: tuple[float, float] = (7.0, 3.4),
) -> Figure:
    """Errors by action as bars, one color for each table, with the mean of frames as a line.

    Args:
        tables: label -> table, or what its ``to_json`` returned.
        metric: a column of the tables; the name carries the unit.
        size: inches.

    Raises:
        ValueError: there is no table, or one lacks the metric.
    """
    if not tables:
        raise ValueError("tables must hold at least one table, got none")
    plain = {k: t.to_json() if isinstance(t, ActionTable) else t for k, t in tables.items()}
    for label, table in plain.items():
        if metric not in table["mean_of_frames"]:
            has = ", ".join(table["mean_of_frames"])
            raise ValueError(f"metric must be a column of {label} ({has}), got {metric!r}")
    actions = list(dict.fromkeys(action for table in plain.values() for action in table["actions"]))
    figure, ax = plt.subplots(figsize=size, layout="constrained")
    width = 0.8 / len(plain)
    for number, (label, table) in enumerate(plain.items()):
        values = [table["actions"].get(action, {}).get(metric, np.nan) for action in actions]
        at = np.arange(len(actions)) - 0.4 + (number + 0.5) * width
        color = SERIES[number % len(SERIES)]
        mean = table["mean_of_frames"][metric]
        ax.bar(at, values, width * 0.92, color=color, label=f"{label} (mean {mean:.1f})")
        ax.axhline(mean, color=color, lw=1, ls=":")
    ax.set_xticks(range(len(actions)), actions, rotation=40, ha="right", rotation_mode="anchor")
    ax.set(ylabel=metric)
    ax.tick_params(axis="x", length=0)
    _quiet(ax)
    ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(plain))
    return figure


def show_image(ax: Axes, image: Shaped[Tensor, "3 height width"], crop_size: float | None) -> None:
    """Draw an image into axes; pixels are continuous, (0, 0) is the first one's outer corner.

    Args:
        ax: where to draw.
        image: uint8 or in [0, 1].
        crop_size: its width in the axes' unit; its own in px if not given.
    """
    height, width = image.shape[-2:]
    scale = 1.0 if crop_size is None else crop_size / width
    ax.imshow(as_pixels(image), extent=(0, width * scale, height * scale, 0))
    ax.set(xlim=(0, width * scale), ylim=(height * scale, 0))


def _quiet(ax: Axes) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="#DDDDDD", lw=0.6)
    ax.set_axisbelow(True)
