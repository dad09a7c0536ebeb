"""The page of a prediction: one HTML file that needs no network, for a reader without Python."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from math import isfinite
from string import Template

import torch
from PIL import Image
from plotly.offline import get_plotlyjs
from torch import Tensor

from volpose.crop import to_crop
from volpose.grid import Grid
from volpose.lift.doubt import guesses
from volpose.plot.figures3d import person_in_grid, pose_figure
from volpose.plot.style import COLORS, as_array, as_pixels, is_guess, limbs_of_side, side_of, spoken
from volpose.plot.traces import blob_trace, ring_trace
from volpose.predict import SCALE, Prediction

PHOTO_SIDE = 1000  # px, the longer side of the photograph in the page
MAX_VOXELS = 4096  # written for each joint
FIRST_JOINT = "left_wrist"
# Nothing may be loaded from anywhere: what is shown is in the file.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
)


def prediction_page(prediction: Prediction, name: str = "", grid: Grid | None = None) -> str:
    """A self-contained HTML page: photograph, pose in 3D, volume of a chosen joint, table.

    Args:
        prediction: what to show; without a volume that section is left out.
        name: of the photograph, such as its file name.
        grid: of the volume (`Estimator.grid`); the paper's depth limits if not given.

    Returns:
        The text of the file, about 5 MB, most of it plotly.js.

    Raises:
        ValueError: no joint is known, or the grid is not the volume's.
    """
    names = prediction.skeleton.joints
    first = names.index(FIRST_JOINT) if FIRST_JOINT in names else 0
    figures = _pose_views(prediction, first)
    if prediction.volume is not None:
        figures["volume-view"] = _volume_view(prediction, grid, first)
    data = {
        "joint": first,
        "sentences": [_sentence(prediction, joint) for joint in range(len(names))],
        "figures": {key: json.loads(figure.to_json()) for key, figure in figures.items()},
    }
    title = f"{name}: 3D pose" if name else "3D pose"
    values = {
        "policy": POLICY,
        "title": html.escape(title),
        "style": resource("page.css"),
        "name": f'<p class="name">{html.escape(name)}</p>' if name else "",
        "notes": doubts(prediction.notes),
        "options": _options(prediction, first),
        "photograph": _photograph(prediction),
        "assumptions": html.escape(_assumptions(prediction)),
        "volume": "" if prediction.volume is None else VOLUME_SECTION,
        "doubt": "".join(
            f'<li class="hint">{each}</li>'
            for each in hints(prediction.doubt_ends(), guesses(prediction.doubt_mm))
        ),
        "column": "" if prediction.doubt_ends() is None else DOUBT_COLUMN,
        "root": html.escape(spoken(names[prediction.skeleton.root])),
        "table": _table(prediction),
        "plotly": get_plotlyjs(),
        "data": json.dumps(data, separators=(",", ":")).replace(
            "<", "\\u003c"
        ),  # no tag can end the script early
        "script": resource("page.js"),
    }
    return Template(resource("page.html")).substitute(values)


VOLUME_SECTION = """<section aria-labelledby="volume-title">
    <h2 id="volume-title">The volume of the chosen joint</h2>
    <p>Where the network sees the joint: shells of equal likelihood, bright at the peak, in the
      space of the crop. x and y are pixels of the crop, z is mm from the root.</p>
    <div class="plot tall" id="volume-view" tabindex="0"></div>
  </section>"""

DOUBT_WORDS = """Bars: how far off a joint may be in depth. Of the people on whom that was measured
    (motion capture; for a network that sees pictures, drawn people) two in three joints like it lie
    within, if the distance of the person as a whole is right; of people in other poses, or seen
    worse, fewer. A joint that was not given has none."""

GUESS_WORDS = "Thin limbs end in a joint that was not given or was left out: a guess."

DOUBT_COLUMN = " Depth \u00b1 is the length of its bar, see above."


def hints(bars: Tensor | None, guessed: Tensor | None) -> list[str]:
    """What bars and thin limbs mean, where there are some."""
    words = [] if bars is None else [DOUBT_WORDS]
    return words + ([GUESS_WORDS] if guessed is not None and bool(guessed.any()) else [])


@cache
def resource(name: str) -> str:
    """The text of a file that lies beside this one."""
    return files("volpose.plot").joinpath(name).read_text(encoding="utf-8")


def _pose_views(prediction: Prediction, first: int) -> dict:
    told = {"camera": "seen from the camera", "turned": "turned by 90 degrees"}
    skeleton, ends, views = prediction.skeleton, prediction.doubt_ends(), {}
    guessed = guesses(prediction.doubt_mm)
    for view, words in told.items():
        bars = (
            "" if ends is None else " with a bar through each joint that shows its doubt in depth"
        )
        alt = f"3D skeleton of the predicted pose{bars}, {words}."
        figure = pose_figure(
            prediction.pose_mm, skeleton, alt, views=(view,), doubt=ends, guessed=guessed
        )
        figure.update_traces(showlegend=False)
        for joint, point in enumerate(as_array(prediction.pose_mm)):
            ring = ring_trace(point, spoken(skeleton.joints[joint]), "scene")
            figure.add_trace(_switched(ring, joint, first))
        views[f"{view}-view"] = figure.update_layout(margin={"l": 0, "r": 0, "t": 0, "b": 0})
    return views


def _volume_view(prediction: Prediction, grid: Grid | None, first: int):
    volume, skeleton = prediction.volume, prediction.skeleton
    size = prediction.crop.shape[-1]
    grid = grid or Grid(tuple(volume.shape[1:]), float(size))
    if tuple(volume.shape[1:]) != tuple(grid.shape):
        raise ValueError(f"grid must be {tuple(volume.shape[1:])} voxels, but it is {grid.shape}")
    flat = to_crop(prediction.joints_px, prediction.box, size) * (grid.crop_size / size)
    places = torch.cat([flat, prediction.pose_mm[:, 2:]], dim=-1)
    alt = "Shells of equal likelihood of the chosen joint inside the crop's 3D grid."
    voxels = grid.to_voxels(places)
    figure = person_in_grid(grid, alt, 480, voxels, skeleton, prediction.crop)
    for joint, likelihood in enumerate(volume):
        name = spoken(skeleton.joints[joint])
        blob = blob_trace(likelihood, max_voxels=MAX_VOXELS, name=name, opacity=0.4)
        figure.add_trace(_switched(blob, joint, first))
    return figure.update_layout(margin={"l": 0, "r": 0, "t": 0, "b": 0})


def _switched(trace, joint: int, first: int):
    """Mark a trace as belonging to one joint, so that page.js shows it when that is chosen."""
    return trace.update(meta={"joint": joint}, visible=joint == first)


def doubts(notes: Sequence[str]) -> str:
    """What makes a prediction doubtful, for the top of its page; nothing if nothing does."""
    points = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
    return f'<ul class="doubts" aria-label="Before you believe it">{points}</ul>' if notes else ""


def _options(prediction: Prediction, first: int) -> str:
    return "".join(
        f'<option value="{j}"{" selected" if j == first else ""}>{html.escape(spoken(n))}</option>'
        for j, n in enumerate(prediction.skeleton.joints)
    )


def _photograph(prediction: Prediction) -> str:
    """The photograph as an SVG whose unit is the image pixel, with joints and box on top."""
    height, width = prediction.image.shape[-2:]
    side = float(prediction.box.side)
    left, top = (float(c) - side / 2 for c in prediction.box.center)
    at, skeleton = as_array(prediction.joints_px), prediction.skeleton
    lines, guessed = [], guesses(prediction.doubt_mm)
    for parent, joint in limbs_of_side(at, skeleton):
        (x1, y1), (x2, y2) = at[parent], at[joint]
        ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
        look = side_of(skeleton, joint)
        if is_guess(guessed, (parent, joint)):
            lines.append(f'<line class="{look} guess" {ends}/>')
        else:
            lines.append(f'<line class="casing" {ends}/><line class="{look}" {ends}/>')
    dots = [
        f'<circle class="{side_of(skeleton, j)}" data-joint="{j}" cx="{x:.1f}" cy="{y:.1f}" '
        f'r="{side / 48:.2f}"><title>{html.escape(spoken(skeleton.joints[j]))}</title></circle>'
        for j, (x, y) in enumerate(at)
        if isfinite(x) and isfinite(y)
    ]
    box = f'x="{left:.1f}" y="{top:.1f}" width="{side:.1f}" height="{side:.1f}"'
    everything, close = f"0 0 {width} {height}", f"{left:.1f} {top:.1f} {side:.1f} {side:.1f}"
    return (
        f'<svg class="photo" viewBox="{everything}" data-all="{everything}" data-box="{close}" '
        'role="img" aria-label="The photograph with the predicted joints and the box.">'
        f'<image href="{_jpeg(prediction.image)}" width="{width}" height="{height}"/>'
        f'<rect class="casing" {box}/><rect {box}/>{"".join(lines)}{"".join(dots)}</svg>'
    )


def _jpeg(image: Tensor) -> str:
    picture = Image.fromarray(as_pixels(image))
    picture.thumbnail((PHOTO_SIDE, PHOTO_SIDE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, format="JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def _table(prediction: Prediction) -> str:
    head = ["joint", "x (mm)", "y (mm)", "z (mm)", "image x (px)", "image y (px)", "confidence"]
    doubt = prediction.doubt_mm if prediction.doubt_ends() is not None else None
    if doubt is not None:
        head.insert(4, "depth \N{PLUS-MINUS SIGN} (mm)")
    rows = []
    for joint, name in enumerate(prediction.skeleton.joints):
        millimeters = [_number(v, 0) for v in prediction.pose_mm[joint].tolist()]
        if doubt is not None:
            millimeters.append(_number(float(doubt[joint]), 0))
        pixels = [_number(v, 1) for v in prediction.joints_px[joint].tolist()]
        sure = float(prediction.confidence[joint])
        meter = f'<meter min="0" max="1" value="{sure:.2f}"></meter>' if isfinite(sure) else ""
        cells = "".join(f"<td>{cell}</td>" for cell in [*millimeters, *pixels])
        color = COLORS[side_of(prediction.skeleton, joint)]
        rows.append(
            f'<tr data-joint="{joint}" style="--side:{color}"><th scope="row">'
            f'<button type="button">{html.escape(spoken(name))}</button></th>'
            f"{cells}<td>{_number(sure, 2)}{meter}</td></tr>"
        )
    titles = "".join(f'<th scope="col">{title}</th>' for title in head)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _sentence(prediction: Prediction, joint: int) -> str:
    x, y, z = (_number(v, 0) for v in prediction.pose_mm[joint].tolist())
    sure = _number(float(prediction.confidence[joint]), 2)
    known = prediction.doubt_mm is not None and bool(prediction.doubt_mm[joint].isfinite())
    off = f" (\N{PLUS-MINUS SIGN} {float(prediction.doubt_mm[joint]):.0f})" if known else ""
    return f"x {x}, y {y}, z {z}{off} mm from the root; confidence {sure}"


def _assumptions(prediction: Prediction) -> str:
    """What the numbers rest on, in one paragraph."""
    (fx, fy), (cx, cy) = prediction.camera.focal.tolist(), prediction.camera.center.tolist()
    (x, y), side = prediction.box.center.tolist(), float(prediction.box.side)
    return (
        f"What this rests on. Camera: {prediction.camera_source} (focal length {fx:.0f} and "
        f"{fy:.0f} px, principal point {cx:.0f}, {cy:.0f} px). "
        f"Box: {prediction.box_source} (a square of {side:.0f} px around {x:.0f}, {y:.0f} px). "
        f"Distance of the root: {prediction.root_depth_mm / 1000:.2f} m, from "
        f"{prediction.root_source}. Scale: {SCALE}. {up_words(prediction.up)}"
        f"Weights: {prediction.weights or 'not named'}."
    )


def up_words(up: Sequence[float] | None) -> str:
    """Which way was said to be up, as a sentence with a space behind; nothing if nothing was."""
    return "" if up is None else f"Up, as given: {', '.join(f'{part:g}' for part in up)}. "


def _number(value: float, digits: int) -> str:
    return (
        f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}") if isfinite(value) else "\N{EN DASH}"
    )
