"""`volpose predict`: a photograph, a folder of them or a video in, a person in 3D out."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from PIL import Image
from torch import Tensor

from volpose import pretrained
from volpose.commands import options as shared
from volpose.commands.film import predict_film
from volpose.commands.person import (
    GUESS,
    LIFT,
    REMEDIES,
    UNSURE,
    WEIGHTS,
    check_count,
    check_in_picture,
    check_somebody,
    doubts,
    drawn,
    files_read,
    joints_source,
    listed,
    shown,
)
from volpose.commands.predict_options import describe
from volpose.detect import Detector
from volpose.lift.faults import Found
from volpose.lift.formats import joints_of, read_joints
from volpose.lift.lifter import Lifter
from volpose.lift.picture import FOUND, SOMEBODY, first_look, lift_picture
from volpose.predict import APPLE, Prediction, camera_for, camera_of_file, predict, read_image
from volpose.storage import complete_or_absent
from volpose.video import is_video

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif")
FOR_FILMS = ("bvh", "csv")
NOT_LIFTING = ("weights", "precision")  # of networks that see pictures


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's options."""
    parser.set_defaults(run=run)
    describe(parser)


def run(options: argparse.Namespace) -> None:
    """Do what the options say.

    Raises:
        ValueError, OSError: an option, the picture or a file is not what was expected.
    """
    options.detect |= options.detector is not None
    if options.joints2d and options.detect:
        raise ValueError("--joints2d and --detect both say where the joints are; give one")
    if joints_source(options):
        shared.refuse_given(options, NOT_LIFTING, "2D joints that are given or detected")
        if options.joints2d:
            shared.refuse_given(options, ("box",), "2D joints that are given")
    elif not is_video(options.input):
        shared.refuse_given(options, ("lift", "up"), "pictures without 2D joints")
    if options.input.is_dir():
        shared.refuse_given(options, (*FOR_FILMS, "html", "box"), "a folder of pictures")
        _folder(options)
    elif is_video(options.input):
        predict_film(options)
    else:
        shared.refuse_given(options, FOR_FILMS, "a picture; they are for videos")
        _picture(options)


def _picture(options: argparse.Namespace) -> None:
    outputs = [options.json, options.html, options.draw]
    shared.check_outputs(outputs, files_read(options, [options.input]))
    if options.draw:
        _check_suffix(options.draw)
    (answer,) = _predictions(options, [options.input])
    if isinstance(answer, Exception):
        raise answer
    for note in _told(options, answer):
        print(f"volpose: note: {note}", file=sys.stderr)
    text = json.dumps(answer.to_json(), indent=1, allow_nan=False)
    with ExitStack() as files:  # all or none
        if options.html:
            from volpose.plot.page import prediction_page  # plotly takes a second to import

            grid = None if answer.volume is None else pretrained.load(answer.weights).grid
            page = prediction_page(answer, shown(options.input), grid)
            files.enter_context(complete_or_absent(options.html)).write_text(page, "utf8")
        if options.json:
            files.enter_context(complete_or_absent(options.json)).write_text(text + "\n", "utf8")
        if options.draw:
            _save(drawn(answer.image, answer.joints_px, answer.doubt_mm), options.draw)
    if not any(outputs):
        print(text)


def _folder(options: argparse.Namespace) -> None:
    """One picture after another; what is wrong with one of them does not stop the others."""
    paths = _pictures(options)
    shared.check_outputs([options.json], files_read(options, paths))
    if options.draw:
        shared.check_folder(options.draw.absolute(), options.draw)
        if options.draw.exists() and options.draw.samefile(options.input):
            raise ValueError(f"{options.draw}: holds the pictures that would be overwritten")
    results: dict[str, dict] = {}
    notes: dict[str, list[str]] = {}
    for path, answer in zip(paths, _predictions(options, paths), strict=True):
        if isinstance(answer, Exception):
            print(f"volpose: note: {answer}", file=sys.stderr)
            results[path.name] = {"error": str(answer)}
            continue
        for note in _told(options, answer):
            notes.setdefault(note, []).append(path.name)
        results[path.name] = answer.to_json()
        if options.draw:
            _save(drawn(answer.image, answer.joints_px, answer.doubt_mm), options.draw / path.name)
    for note, names in notes.items():
        print(f"volpose: note: {listed(names)}: {note}", file=sys.stderr)
    failed = sum("error" in result for result in results.values())
    if failed == len(paths):
        raise ValueError(f"{options.input}: nothing could be predicted in {failed} pictures")
    text = json.dumps(results, indent=1, allow_nan=False)
    if options.json:
        with complete_or_absent(options.json) as partial:
            partial.write_text(text + "\n", "utf8")
    elif not options.draw:
        print(text)


def _pictures(options: argparse.Namespace) -> list[Path]:
    """The pictures of a folder, 2 before 10; what else is there is named."""
    files = [p for p in options.input.iterdir() if p.is_file() and not p.name.startswith(".")]
    files.sort(key=_natural)
    paths = [p for p in files if p.suffix.lower() in PICTURES]
    read = [p.resolve() for p in files_read(options, [])]
    others = [p for p in files if p.suffix.lower() not in PICTURES]
    others = [p.name for p in others if p.resolve() not in read]
    if not paths:
        found = f"; found {listed(others)}" if others else ""
        raise FileNotFoundError(f"{options.input}: no picture in it ({', '.join(PICTURES)}){found}")
    if others:
        words = "; convert HEIC to JPEG" if any(n.lower().endswith(APPLE) for n in others) else ""
        words += "; give videos one by one" if any(is_video(Path(n)) for n in others) else ""
        print(f"volpose: note: skipped {listed(others)}: no pictures{words}", file=sys.stderr)
    return paths


def _natural(path: Path) -> tuple[list[str | int], str]:
    """What to sort a name by: its numbers count as numbers."""
    parts = re.split(r"([0-9]+)", path.name)
    return [int(part) if k % 2 else part for k, part in enumerate(parts)], path.name


def _told(options: argparse.Namespace, prediction: Prediction) -> list[str]:
    """What the user is told: what makes it doubtful, and which camera unless one was given."""
    return [*([] if options.camera else [prediction.camera_source]), *prediction.notes]


def _predictions(
    options: argparse.Namespace, paths: list[Path]
) -> Iterator[Prediction | Exception]:
    """One person in each picture, or what is wrong with it."""
    with ExitStack() as detector:
        if joints_source(options):
            one = _lifting(options, [path.name for path in paths], detector)
        else:
            one = _looking(options)
        for number, path in enumerate(paths):
            try:
                result = one(number, path)
            except (ValueError, OSError) as error:
                result = error
            yield result


def _looking(options: argparse.Namespace) -> Callable[[int, Path], Prediction]:
    """Predict with a network for pictures, which finds the box itself if none is given."""
    weights = options.weights or WEIGHTS
    network = pretrained.load(weights).at_precision(options.precision or "fp32")

    def one(_: int, path: Path) -> Prediction:
        image = read_image(path)
        camera, told = _camera(options, path, image)
        box, notes = options.box, []
        camera_for(camera, image.shape[2], image.shape[1])  # a bad one is refused before the search
        if not box:
            seen = first_look(image, network)
            if not seen.somebody:
                raise ValueError(f"{path}: nobody was found in it; {REMEDIES}")
            (x, y), side = (seen.box.center - seen.box.side / 2).tolist(), float(seen.box.side)
            box, notes = (x, y, side, side), [GUESS]
            if seen.height < FOUND:
                notes.append(f"perhaps nobody: {UNSURE}")
        result = predict(image, network, box, camera, weights)
        if not options.box:
            result = replace(result, box_source=f"found by {weights}")
        elif float(result.confidence.mean()) < SOMEBODY:
            notes.append("hardly a trace of a person; expected one who fills the box")
        camera_source = told or result.camera_source
        return replace(result, camera_source=camera_source, notes=tuple(notes))

    return one


def _camera(
    options: argparse.Namespace, path: Path, image: Tensor
) -> tuple[Sequence[float] | None, str | None]:
    """What is known of a picture's camera, and what its own tags say."""
    if options.camera:
        return options.camera, None
    return camera_of_file(path, image.shape[2], image.shape[1]) or (None, None)


def _lifting(
    options: argparse.Namespace, names: list[str], detector: ExitStack
) -> Callable[[int, Path], Prediction]:
    """Lift the 2D joints that are given or that a detector finds."""
    weights, source = options.lift or LIFT, joints_source(options)
    lifter = Lifter.load(weights)
    if options.joints2d:
        given = read_joints(options.joints2d, names)
        check_count(given, len(names), "pictures", options.joints2d)
    else:
        detect = detector.enter_context(Detector(options.detector, options.box))

    def one(number: int, path: Path) -> Prediction:
        image, crowd = read_image(path), []
        if options.joints2d:
            found = Found(*(part[number : number + 1] for part in given))
        else:
            told_of = detect(image)
            found, people = joints_of(told_of), (told_of or {}).get("people", 1)
            if people > 1 and not options.box:
                crowd = [f"{people} people were found, this is the largest; --box chooses"]
        where, size = f"{path}, joints of {source}", (image.shape[2], image.shape[1])
        check_in_picture(found, *size, where)
        check_somebody(found, where)
        camera, told = _camera(options, path, image)
        result = lift_picture(image, found, lifter, camera, source, weights, options.up)
        pose = result.confidence[None], result.joints_px[None]
        notes = crowd + doubts(found, *pose, *size, options.up)
        camera_source = told or result.camera_source
        return replace(result, camera_source=camera_source, notes=tuple(notes))

    return one


def _check_suffix(path: Path) -> None:
    suffix = path.suffix.lower()
    if suffix not in PICTURES or suffix not in Image.registered_extensions():
        raise ValueError(f"{path}: a picture is written as {', '.join(PICTURES)}")


def _save(image: Tensor, path: Path) -> None:
    kind = Image.registered_extensions()[path.suffix.lower()]
    with complete_or_absent(path) as partial:
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(partial, format=kind)
