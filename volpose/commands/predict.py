"""`volpose predict`: a photograph, a folder of them or a video in, a person in 3D out."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from volpose import pretrained
from volpose.animate import write_bvh, write_csv
from volpose.commands import options as shared
from volpose.detect import Detector
from volpose.lift.faults import Found
from volpose.lift.film import Film, lift_film
from volpose.lift.formats import joints_of, read_joints
from volpose.lift.lifter import Lifter
from volpose.lift.picture import lift_picture, own_joints
from volpose.predict import Prediction, camera_for, predict, read_image
from volpose.skeleton import H36M_17
from volpose.storage import complete_or_absent
from volpose.video import SUFFIXES, Video, write_video

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
    words = "network for pictures; default: studio-laptop, for a video studio-laptop-wild"
    parser.add_argument("--weights", help=words)
    parser.add_argument("--lift", default="lift-mocap", metavar="NAME", help="lifts 2D joints")
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
    names = ("json", "html", "bvh", "csv")
    outputs = [getattr(options, name) for name in names]
    if not options.input.is_dir():
        outputs.append(options.draw)
    inputs = [options.input, options.joints2d, options.detector, options.weights, options.lift]
    shared.check_outputs(outputs, [Path(p) for p in inputs if p])
    if options.input.is_dir():
        shared.refuse_given(options, (*FOR_FILMS, "html", "box"), "a folder of pictures")
        _folder(options)
    elif options.input.suffix.lower() in SUFFIXES:
        _video(options)
    else:
        shared.refuse_given(options, FOR_FILMS, "a picture; they are for videos")
        _picture(options)


def _picture(options: argparse.Namespace) -> None:
    (result,) = _predictions(options, [options.input])
    for source in (result.camera_source, result.box_source):
        if source.startswith(("guessed", "whole")):
            print(f"volpose: note: {source}", file=sys.stderr)
    text = json.dumps(result.to_json(), indent=1, allow_nan=False)
    with ExitStack() as files:  # all or none
        if options.html:
            from volpose.plot.page import prediction_page  # plotly takes a second to import

            grid = None if result.volume is None else pretrained.load(result.weights).grid
            page = prediction_page(result, _shown(options.input), grid)
            files.enter_context(complete_or_absent(options.html)).write_text(page, "utf8")
        if options.draw:
            _save(_drawn(result.image, result.joints_px), options.draw)
        if options.json:
            files.enter_context(complete_or_absent(options.json)).write_text(text + "\n", "utf8")
    if not (options.json or options.html or options.draw):
        print(text)


def _folder(options: argparse.Namespace) -> None:
    paths = sorted(p for p in options.input.iterdir() if p.suffix.lower() in PICTURES)
    if not paths:
        raise FileNotFoundError(f"{options.input}: no picture in it ({', '.join(PICTURES)})")
    results = {}
    for path, result in zip(paths, _predictions(options, paths), strict=True):
        results[path.name] = result.to_json()
        if options.draw:
            options.draw.mkdir(parents=True, exist_ok=True)
            _save(_drawn(result.image, result.joints_px), options.draw / f"{path.stem}.png")
    text = json.dumps(results, indent=1, allow_nan=False)
    if options.json:
        with complete_or_absent(options.json) as partial:
            partial.write_text(text + "\n", "utf8")
    elif not options.draw:
        print(text)


def _predictions(options: argparse.Namespace, paths: list[Path]) -> Iterator[Prediction]:
    """One person in each picture."""
    if not (options.joints2d or options.detect):
        weights = options.weights or "studio-laptop"
        network = pretrained.load(weights).at_precision(options.precision)
        for path in paths:
            yield predict(read_image(path), network, options.box, options.camera, weights)
        return
    lifter = Lifter.load(options.lift).at_precision(options.precision)
    source = str(options.joints2d or "MediaPipe")
    for path, found in zip(
        paths, _joints(options, map(read_image, paths), len(paths)), strict=True
    ):
        if not bool((found.confidence > 0).any()):
            raise ValueError(f"{path}: the detector found nobody")
        yield lift_picture(read_image(path), found, lifter, options.camera, source, options.lift)


def _joints(
    options: argparse.Namespace, images: Iterable[Tensor], count: int | None
) -> Iterator[Found]:
    """The joints of each picture, (1, 17, 2) and (1, 17)."""
    if options.joints2d:
        found = read_joints(options.joints2d)
        if count is not None and len(found.joints) != count:
            raise ValueError(
                f"{options.joints2d}: expected joints of {count} pictures, found "
                f"{len(found.joints)}"
            )
        yield from (Found(*(part[k : k + 1] for part in found)) for k in range(len(found.joints)))
        return
    with Detector(options.detector) as detect:
        for image in images:
            yield joints_of(detect(image))


def _video(options: argparse.Namespace) -> None:
    video = Video(options.input)
    frames = tqdm(video, total=video.count or None, unit="frame", disable=not sys.stderr.isatty())
    height, width = next(iter(video)).shape[-2:]
    camera, camera_source = camera_for(options.camera, width, height)
    lifter = Lifter.load(options.lift).at_precision(options.precision)
    if options.joints2d or options.detect:
        parts = list(_joints(options, frames, None))
        found = Found(*(torch.cat(part) for part in zip(*parts, strict=True)))
        source = str(options.joints2d or "MediaPipe")
    else:
        source = options.weights or "studio-laptop-wild"
        network = pretrained.load(source).at_precision(options.precision)
        found = own_joints(frames, network, options.box)
    if camera_source.startswith("guessed"):
        print(f"volpose: note: {camera_source}", file=sys.stderr)
    film = lift_film(found, camera, lifter, video.fps)
    assumed = {"camera_source": camera_source, "joints_source": source, "weights": options.lift}
    _write_film(options, film, assumed, video)


def _write_film(
    options: argparse.Namespace, film: Film, assumed: dict[str, str], video: Video
) -> None:
    text = json.dumps(film.to_json() | assumed, allow_nan=False)
    if options.bvh:
        write_bvh(options.bvh, film.whole_mm, H36M_17, film.fps)
    if options.csv:
        write_csv(options.csv, film.whole_mm, H36M_17, film.fps)
    if options.draw:
        pairs = zip(video, film.joints_px, film.seen, strict=False)
        drawn = (_drawn(image, joints) if seen else image for image, joints, seen in pairs)
        write_video(options.draw, drawn, film.fps)
    if options.html:
        from volpose.plot.film_page import film_page

        with complete_or_absent(options.html) as partial:
            partial.write_text(film_page(film, assumed, _shown(options.input)), "utf8")
    if options.json:
        with complete_or_absent(options.json) as partial:
            partial.write_text(text + "\n", "utf8")
    if not any((options.json, options.html, options.draw, options.bvh, options.csv)):
        print(text)


def _drawn(image: Tensor, joints_px: Tensor) -> Tensor:
    from volpose.plot.frames import draw_on_picture

    return draw_on_picture(image, joints_px, H36M_17)


def _save(image: Tensor, path: Path) -> None:
    from PIL import Image

    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind is None:
        raise ValueError(f"{path}: a picture is written as .png, .jpg or the like")
    with complete_or_absent(path) as partial:
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(partial, format=kind)


def _shown(path: Path) -> str:
    return str(path.name).encode("utf8", "replace").decode("utf8")
