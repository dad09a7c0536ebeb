"""`volpose predict` for a video: the motion of one person, in every form that was asked for."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path

import torch
from tqdm import tqdm

from volpose import pretrained
from volpose.animate import write_bvh, write_csv
from volpose.commands import options as shared
from volpose.commands.person import (
    GUESS,
    LIFT,
    REMEDIES,
    WEIGHTS,
    check_count,
    check_in_picture,
    doubts,
    drawn,
    files_read,
    joints_source,
    shown,
)
from volpose.detect import Detector
from volpose.lift.faults import Found
from volpose.lift.film import Film, lift_film
from volpose.lift.formats import joints_of, read_joints
from volpose.lift.lifter import Lifter
from volpose.lift.picture import own_joints
from volpose.predict import camera_for, camera_values
from volpose.skeleton import H36M_17
from volpose.storage import complete_or_absent
from volpose.video import Video, check_video_name, write_video


def predict_film(options: argparse.Namespace) -> None:
    """Lift a video and write what was asked for, or nothing.

    Raises:
        ValueError, OSError: an option, the video or a file is not what was expected.
    """
    outputs = [options.json, options.html, options.draw, options.bvh, options.csv]
    shared.check_outputs(outputs, files_read(options, [options.input]))
    if options.draw:
        check_video_name(options.draw)
    video = Video(options.input)
    height, width = next(iter(video)).shape[-2:]
    camera, camera_source = camera_for(options.camera, width, height)
    lifter = Lifter.load(options.lift or LIFT)
    source = joints_source(options) or options.weights or WEIGHTS
    found = _joints(options, video)
    check_in_picture(found, width, height, source)
    alone = not (joints_source(options) or options.box)
    up = None if options.up is None else torch.tensor(options.up)
    try:
        film = lift_film(found, camera, lifter, video.fps, up=up)
    except ValueError as error:
        words = "" if joints_source(options) else f"; {REMEDIES}"
        raise ValueError(f"{options.input}, joints of {source}: {error}{words}") from error
    seen = Found(*(part[film.seen] for part in found))
    notes = ([GUESS] if alone else []) + video.notes + _repairs(film)
    lifted = film.confidence[film.seen], film.joints_px[film.seen]
    own = not joints_source(options)
    notes += doubts(seen, *lifted, width, height, options.up, own)
    for note in ([] if options.camera else [camera_source]) + notes:
        print(f"volpose: note: {note}", file=sys.stderr)
    record = film.to_json() | {"size_px": [width, height], "camera_px": camera_values(camera)}
    record |= {"camera_source": camera_source, "up": options.up, "joints_source": source}
    record |= {"weights": options.lift or LIFT, "notes": notes}
    _write(options, film, record, video)
    if not any(outputs):
        print(json.dumps(record, allow_nan=False))


def _joints(options: argparse.Namespace, video: Video) -> Found:
    frames = tqdm(video, total=video.count or None, unit="frame", disable=not sys.stderr.isatty())
    if options.joints2d:
        found = read_joints(options.joints2d)
        if len(found.joints) != video.count:  # what a video says of its own length can be wrong
            check_count(found, sum(1 for _ in frames), "frames", options.joints2d)
        return found
    if options.detect:
        with Detector(options.detector, options.box, video.fps) as detect:
            parts = [joints_of(detect(image)) for image in frames]
        return Found(*(torch.cat(part) for part in zip(*parts, strict=True)))
    network = pretrained.load(options.weights or WEIGHTS)
    network = network.at_precision(options.precision or "fp32")
    return own_joints(frames, network, options.box)


def _repairs(film: Film) -> list[str]:
    """What was put into the motion, or changed, that no frame shows."""
    notes, missing = [], int((~film.seen).sum())
    if missing:
        longest = max(len(list(run)) for seen, run in groupby(film.seen.tolist()) if not seen)
        notes.append(
            f"nobody, or somebody else, in {missing} of {len(film.seen)} frames, at most "
            f"{longest / film.fps:.2f} s in a row; there the motion is filled in from the frames "
            "around"
        )
    if exchanged := int(film.exchanged.sum()):
        notes.append(
            f"left and right of legs or arms, exchanged in {exchanged} of {len(film.seen)} frames, "
            "are changed back"
        )
    return notes


def _write(options: argparse.Namespace, film: Film, record: dict, video: Video) -> None:
    with ExitStack() as files:  # all or none

        def partial(path: Path) -> Path:
            return files.enter_context(complete_or_absent(path))

        if options.bvh:
            write_bvh(partial(options.bvh), film.whole_mm, H36M_17, film.fps, options.up)
        if options.csv:
            write_csv(partial(options.csv), film.whole_mm, H36M_17, film.fps, film.seen)
        if options.html:
            from volpose.plot.film_page import film_page  # plotly takes a second to import

            partial(options.html).write_text(film_page(film, record, shown(options.input)), "utf8")
        if options.json:
            partial(options.json).write_text(json.dumps(record, allow_nan=False) + "\n", "utf8")
        if options.draw:
            frames = zip(video, film.joints_px, film.doubt_mm, film.seen, strict=False)
            pictures = (drawn(image, *of) if seen else image for image, *of, seen in frames)
            write_video(options.draw, pictures, film.fps)
