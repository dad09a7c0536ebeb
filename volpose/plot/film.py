"""Poses of a film beside each other, with a slider from frame to frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import plotly.graph_objects as go
from jaxtyping import Bool, Float
from torch import Tensor

from volpose.plot.figures3d import VIEWS
from volpose.plot.scenes import metric_scene, new_figure, panel_label
from volpose.plot.style import as_array, bounds, check_joints
from volpose.plot.traces import doubt_trace, skeleton_traces, truth_trace
from volpose.skeleton import Skeleton


def film_figure(
    films: Mapping[str, Float[Tensor, "frames joints 3"]],
    skeleton: Skeleton,
    alt: str,
    truth: Float[Tensor, "frames joints 3"] | None = None,
    fps: float = 25.0,
    views: tuple[str, ...] = ("turned",),
    height: int = 430,
    doubt: Float[Tensor, "frames joints 2 3"] | None = None,
    guessed: Bool[Tensor, "frames joints"] | None = None,
    marks: Sequence[str] = (),
) -> go.Figure:
    """Several accounts of one film, a panel each, with a slider through time.

    Args:
        films: label (or "") -> poses, mm, camera frame, relative to the root.
        skeleton: the joints.
        alt: the figure in words.
        truth: the true poses, drawn thin and grey in every panel.
        fps: frames per second of these poses, for the labels of the slider.
        views: "camera", "turned" or both: a panel for each.
        height: px.
        doubt: both ends of a bar through each joint, in every panel; NaN for none.
        guessed: which joints nobody has seen; limbs that end in one are thin.
        marks: a word for each frame, or "", beside its time.

    Returns:
        A figure with a scene for each film, a frame for each pose; it starts at the first.

    Raises:
        ValueError: there is no film; they, the bars or the marks differ in length, or films and
            bars in the number of joints.
    """
    everything = [*films.values(), *([] if truth is None else [truth])]
    bars = [] if doubt is None else [doubt.flatten(1, 2)]
    counts = {len(poses) for poses in [*everything, *bars]}
    if not films or len(counts) > 1 or 0 in counts:
        raise ValueError(f"films must be of one length, but there are {sorted(counts)}")
    for poses in everything:
        check_joints("films", poses[0], skeleton)
    if doubt is not None and doubt.shape[1] != skeleton.num_joints:
        raise ValueError(f"doubt must be of {skeleton.num_joints} joints, got {doubt.shape[1]}")
    marks = marks or [""] * len(everything[0])
    if len(marks) != len(everything[0]):
        raise ValueError(f"marks must be one a frame, {len(everything[0])}, got {len(marks)}")
    center, half = bounds([as_array(points.flatten(0, 1)) for points in [*everything, *bars]])
    figure = new_figure(alt, height)
    panels = [(name, poses, view) for name, poses in films.items() for view in views]
    for number, (name, _, view) in enumerate(panels):
        label, eye = VIEWS[view]
        left, right = number / len(panels), (number + 1) / len(panels)
        figure.layout[_scene(number)] = metric_scene(center, half, eye, (left, right))
        words = f"{name}, {label}" if name else label
        figure.add_annotation(panel_label(words, (left + right) / 2))
    shown = [poses for _, poses, _ in panels]
    moments = partial(_traces, shown, truth, doubt, guessed, skeleton)
    figure.add_traces(moments(0))
    labels = [f"{n / fps:.2f} s{mark and ', '}{mark}" for n, mark in enumerate(marks)]
    traces = list(range(len(figure.data)))
    figure.frames = [
        go.Frame(data=[_moved(trace) for trace in moments(n)], name=str(n), traces=traces)
        for n in range(len(labels))
    ]
    return figure.update_layout(sliders=[_slider(labels)])


def _slider(labels: list[str]) -> dict:
    """A slider from frame to frame, which are named by their numbers."""
    still = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}}
    steps = [
        {"method": "animate", "label": label, "args": [[str(number)], still]}
        for number, label in enumerate(labels)
    ]
    place = {"x": 0.03, "len": 0.94, "pad": {"t": 20, "b": 14}}  # room for the outer labels
    return {"steps": steps, "currentvalue": {"prefix": "after "}, **place}


def _scene(number: int) -> str:
    return "scene" if number == 0 else f"scene{number + 1}"


def _traces(
    films: list[Tensor],
    truth: Tensor | None,
    doubt: Tensor | None,
    guessed: Tensor | None,
    skeleton: Skeleton,
    frame: int,
) -> list:
    """All traces of one moment, always in the same order."""
    found = []
    for number, poses in enumerate(films):
        scene, legend = _scene(number), number == 0
        if truth is not None:
            found.append(truth_trace(truth[frame], skeleton, scene, legend))
        if doubt is not None:
            found.append(doubt_trace(doubt[frame], skeleton, scene, digits=0))
        unseen = None if guessed is None else guessed[frame]
        found += skeleton_traces(
            poses[frame], skeleton, scene, legend=legend, digits=0, guessed=unseen
        )
    return found


def _moved(trace: go.Scatter3d) -> go.Scatter3d:
    """What a frame changes in a trace: where it is."""
    return go.Scatter3d(x=trace.x, y=trace.y, z=trace.z)
