"""`volpose predict`: a photograph, a folder of them or a video in, a person in 3D out."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from PIL import Image
from torch import Tensor

from volpose import pretrained
from volpose.commands import options as shared
from volpose.commands.film import predict_film
from volpose.commands.person import (
    LIFT,
    WEIGHTS,
    check_count,
    check_in_picture,
    check_somebody,
    drawn,
    files_read,
    joints_source,
    shown,
)
from volpose.detect import Detector
from volpose.lift.faults import Found
from volpose.lift.formats import joints_of, read_joints
from volpose.lift.lifter import Lifter
from volpose.lift.picture import LOOKS, SOMEBODY, first_look, lift_picture
from volpose.predict import Prediction, predict, read_image
from volpose.storage import complete_or_absent
from volpose.video import SUFFIXES

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
FOR_FILMS = ("bvh", "csv")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's options."""
    parser.set_defaults(run=run)
    parser.add_argument("input", type=Path, metavar="INPUT", help="picture, folder or video")
    parser.add_argument("--box", type=shared.numbers, metavar="X,Y,W,H", help="the person, px")
    parser.add_argument("--camera", type=shared.numbers, metavar="FX,FY,CX,CY", help="px")
    words = "2D joints of any detector: JSON with format, joints_px, confidence, or a list of such"
    parser.add_argument("--joints2d", type=Path, metavar="FILE", help=words)
    words = "find 2D joints with MediaPipe (pip install 'volpose[detect]')"
    parser.add_argument("--detect", action="store_true", help=words)
    parser.add_argument(
        "--detector", type=Path, metavar="FILE", help="--detect with this .task file"
    )
    words = f"network that finds the person; default: {WEIGHTS}"
    parser.add_argument("--weights", metavar="NAME", help=words)
    words = f"network that lifts 2D joints; default: {LIFT}"
    parser.add_argument("--lift", metavar="NAME", help=words)
    shared.add_precision(parser)
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the prediction here")
    parser.add_argument("--html", type=Path, metavar="OUT", help="write an interactive page here")
    words = "write the picture or the video with the limbs in it; for a folder, a folder"
    parser.add_argument("--draw", type=Path, metavar="OUT", help=words)
    parser.add_argument("--bvh", type=Path, metavar="OUT", help="a video's motion, for animation")
    parser.add_argument("--csv", type=Path, metavar="OUT", help="a video's motion, as a table")


def run(options: argparse.Namespace) -> None:
    """Do what the options say.

    Raises:
        ValueError, OSError: an option, the picture or a file is not what was expected.
    """
    options.detect |= options.detector is not None
    if options.joints2d and options.detect:
        raise ValueError("--joints2d and --detect both say where the joints are; give one")
    if joints_source(options):
        shared.refuse_given(options, ("weights", "box"), "2D joints that are given or detected")
    elif options.input.suffix.lower() not in SUFFIXES:
        shared.refuse_given(options, ("lift",), "pictures without 2D joints")
    if options.input.is_dir():
        shared.refuse_given(options, (*FOR_FILMS, "html", "box"), "a folder of pictures")
        _folder(options)
    elif options.input.suffix.lower() in SUFFIXES:
        predict_film(options)
    else:
        shared.refuse_given(options, FOR_FILMS, "a picture; they are for videos")
        _picture(options)


def _picture(options: argparse.Namespace) -> None:
    outputs = [options.json, options.html, options.draw]
    shared.check_outputs(outputs, files_read(options, [options.input]))
    if options.draw:
        _check_suffix(options.draw)
    (result,) = _predictions(options, [options.input])
    if isinstance(result, Exception):
        raise result
    for note in _notes(options, result):
        print(f"volpose: note: {note}", file=sys.stderr)
    text = json.dumps(result.to_json(), indent=1, allow_nan=False)
    with ExitStack() as files:  # all or none
        if options.html:
            from volpose.plot.page import prediction_page  # plotly takes a second to import

            grid = None if result.volume is None else pretrained.load(result.weights).grid
            page = prediction_page(result, shown(options.input), grid)
            files.enter_context(complete_or_absent(options.html)).write_text(page, "utf8")
        if options.json:
            files.enter_context(complete_or_absent(options.json)).write_text(text + "\n", "utf8")
        if options.draw:
            _save(drawn(result.image, result.joints_px), options.draw)
    if not any(outputs):
        print(text)


def _folder(options: argparse.Namespace) -> None:
    """One picture after another; what is wrong with one of them does not stop the others."""
    paths = sorted(
        p for p in options.input.iterdir() if p.suffix.lower() in PICTURES and p.is_file()
    )
    if not paths:
        raise FileNotFoundError(f"{options.input}: no picture in it ({', '.join(PICTURES)})")
    shared.check_outputs([options.json], files_read(options, paths))
    if options.draw:
        shared.check_folder(options.draw.absolute(), options.draw)
        if options.draw.exists() and options.draw.samefile(options.input):
            raise ValueError(f"{options.draw}: holds the pictures that would be overwritten")
    results = {}
    for path, result in zip(paths, _predictions(options, paths), strict=True):
        if isinstance(result, Exception):
            print(f"volpose: note: {result}", file=sys.stderr)
            results[path.name] = {"error": str(result)}
            continue
        results[path.name] = result.to_json()
        if options.draw:
            _save(drawn(result.image, result.joints_px), options.draw / path.name)
    failed = sum("error" in result for result in results.values())
    if failed == len(paths):
        raise ValueError(f"{options.input}: nothing could be predicted in {failed} pictures")
    text = json.dumps(results, indent=1, allow_nan=False)
    if options.json:
        with complete_or_absent(options.json) as partial:
            partial.write_text(text + "\n", "utf8")
    elif not options.draw:
        print(text)


def _predictions(
    options: argparse.Namespace, paths: list[Path]
) -> Iterator[Prediction | Exception]:
    """One person in each picture, or what is wrong with it."""
    with ExitStack() as detector:
        if joints_source(options):
            one = _lifting(options, len(paths), detector)
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
    network = pretrained.load(weights).at_precision(options.precision)

    def one(_: int, path: Path) -> Prediction:
        image = read_image(path)
        if options.box:
            return predict(image, network, options.box, options.camera, weights)
        box = first_look(image, network).box
        (x, y), side = (box.center - box.side / 2).tolist(), float(box.side)
        result = predict(image, network, (x, y, side, side), options.camera, weights)
        return replace(result, box_source=f"found by {weights} in {LOOKS} looks")

    return one


def _lifting(
    options: argparse.Namespace, count: int, detector: ExitStack
) -> Callable[[int, Path], Prediction]:
    """Lift the 2D joints that are given or that a detector finds."""
    weights, source = options.lift or LIFT, joints_source(options)
    lifter = Lifter.load(weights).at_precision(options.precision)
    if options.joints2d:
        given = read_joints(options.joints2d)
        check_count(given, count, "pictures", options.joints2d)
    else:
        detect = detector.enter_context(Detector(options.detector))

    def one(number: int, path: Path) -> Prediction:
        image = read_image(path)
        if options.joints2d:
            found = Found(*(part[number : number + 1] for part in given))
        else:
            found = joints_of(detect(image))
        where = f"{path}, joints of {source}"
        check_in_picture(found, image.shape[2], image.shape[1], where)
        check_somebody(found, where)
        return lift_picture(image, found, lifter, options.camera, source, weights)

    return one


def _notes(options: argparse.Namespace, result: Prediction) -> list[str]:
    """What the user should know before believing a prediction."""
    notes = [result.camera_source] if result.camera_source.startswith("guessed") else []
    if joints_source(options):
        return notes
    if float(result.confidence.mean()) < SOMEBODY:
        notes.append("hardly a trace of a person; expected one who fills the box (--box X,Y,W,H)")
    elif not options.box:
        notes.append(f"box {result.box_source}; give --box X,Y,W,H if it is somebody else's")
    return notes


def _check_suffix(path: Path) -> None:
    if path.suffix.lower() not in PICTURES:
        raise ValueError(f"{path}: a picture is written as {', '.join(PICTURES)}")


def _save(image: Tensor, path: Path) -> None:
    kind = Image.registered_extensions()[path.suffix.lower()]
    with complete_or_absent(path) as partial:
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(partial, format=kind)
