"""The page of a motion: one HTML file that needs no network."""

from __future__ import annotations

import html
import math
from string import Template

from plotly.offline import get_plotlyjs

from volpose.lift.doubt import guesses
from volpose.lift.film import Film
from volpose.plot.film import film_figure
from volpose.plot.page import POLICY, doubts, hints, resource, up_words
from volpose.skeleton import H36M_17

MOST_FRAMES = 240  # in the page; a longer film is thinned
FILLED_IN = "filled in"  # a frame in which the person was not seen
ALT = "A stick figure that moves, seen from the camera and turned by 90 degrees."


def film_page(film: Film, record: dict, name: str = "") -> str:
    """A self-contained HTML page: the motion from two sides, with a slider through time.

    Args:
        film: what to show.
        record: what the numbers rest on, as in the JSON: camera_px, size_px, up, scale, sources
            and notes.
        name: of the video, such as its file name.

    Returns:
        The text of the file, about 5 MB, most of it plotly.js.
    """
    every = math.ceil(len(film.seen) / MOST_FRAMES)
    poses, bars = {"": film.pose_mm[::every]}, film.doubt_ends()
    bars = None if bars is None else bars[::every]
    if bars is not None and bool(bars.isnan().all()):
        bars = None
    views, fps = ("camera", "turned"), film.fps / every
    thin = guesses(film.doubt_mm[::every])
    marks = ["" if seen else FILLED_IN for seen in film.seen[::every].tolist()]
    figure = film_figure(
        poses, H36M_17, ALT, None, fps, views, doubt=bars, guessed=thin, marks=marks
    )
    figure.update_layout(updatemenus=[_play(fps)])
    title = f"{name}: 3D motion" if name else "3D motion"
    values = {
        "policy": POLICY,
        "title": html.escape(title),
        "style": resource("page.css"),
        "name": f'<p class="name">{html.escape(name)}</p>' if name else "",
        "notes": doubts(record["notes"]),
        "alt": ALT,
        "shown": _shown(every, len(marks)),
        "doubt": "".join(f'<p class="note">{each}</p>' for each in hints(bars, thin)),
        "assumptions": html.escape(_assumptions(record)),
        "plotly": get_plotlyjs(),
        # no tag can end the script early
        "figure": figure.to_json().replace("<", "\\u003c"),
    }
    return Template(resource("film_page.html")).substitute(values)


def _shown(every: int, frames: int) -> str:
    """What the figure shows of the motion, in sentences."""
    words = "The pelvis is held in place; its path is in the other files."
    if every > 1:
        words += f" {frames} frames are shown, one of {every}."
    return words


def _assumptions(record: dict) -> str:
    """What the numbers rest on, in one paragraph."""
    fx, fy, cx, cy = record["camera_px"]
    width, height = record["size_px"]
    return (
        f"What this rests on. Camera: {record['camera_source']} (focal length {fx:.0f} and "
        f"{fy:.0f} px, principal point {cx:.0f}, {cy:.0f} px, of {width} x {height} px). "
        f"2D joints: {record['joints_source']}. Scale: {record['scale']}. {up_words(record['up'])}"
        f"Weights: {record['weights']}."
    )


def _play(fps: float) -> dict:
    """Buttons that start and stop the film."""
    moving = {"frame": {"duration": 1000 / fps, "redraw": True}, "transition": {"duration": 0}}
    still = {"mode": "immediate", "frame": {"duration": 0, "redraw": False}}
    buttons = [
        {"label": "Play", "method": "animate", "args": [None, moving | {"fromcurrent": True}]},
        {"label": "Stop", "method": "animate", "args": [[None], still]},
    ]
    place = {"x": 0, "y": 1.12, "xanchor": "left", "yanchor": "top", "direction": "left"}
    return {"type": "buttons", "showactive": False, "buttons": buttons, **place}
