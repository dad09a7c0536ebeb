"""The command line: render, train, evaluate, predict.

A mistake of the caller ends in one sentence and exit status 2, never in a traceback.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from volpose import __version__, pretrained
from volpose.data.samples import Samples
from volpose.estimator import DECODERS
from volpose.evaluate import ROOTS, evaluate
from volpose.network import KINDS
from volpose.predict import predict, read_image
from volpose.recipe import PRESETS, TrainConfig, with_network
from volpose.storage import write_text
from volpose.studio import CachedSplit, Studio, write_split
from volpose.train import fit


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = build_parser().parse_args(arguments)
    try:
        options.run(options)
    except (ValueError, OSError) as error:
        sentence = " ".join(str(error).split())
        print(f"volpose: {sentence}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("volpose: interrupted", file=sys.stderr)
        return 130
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    parser = argparse.ArgumentParser(prog="volpose", description="Volumetric 3D human pose.")
    parser.add_argument("--version", action="version", version=f"volpose {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_predict(commands.add_parser("predict", help="the pose of one person in a photograph"))
    _add_evaluate(commands.add_parser("evaluate", help="errors of a network on a data set"))
    _add_train(commands.add_parser("train", help="train a network on the studio"))
    _add_render(commands.add_parser("render", help="render a split of the studio to a folder"))
    return parser


def _add_predict(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_predict)
    parser.add_argument("image", type=Path, metavar="IMAGE")
    parser.add_argument("--box", type=_numbers, metavar="X,Y,W,H", help="the person, px")
    parser.add_argument("--camera", type=_numbers, metavar="FX,FY,CX,CY", help="px")
    parser.add_argument("--weights", default="studio-tiny", help="shipped name or file")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the prediction here")
    parser.add_argument("--html", type=Path, metavar="OUT", help="write an interactive page here")


def _predict(options: argparse.Namespace) -> None:
    image = read_image(options.image)
    estimator = pretrained.load(options.weights)
    result = predict(image, estimator, options.box, options.camera, str(options.weights))
    for source in (result.camera_source, result.box_source):
        if source.startswith(("guessed", "whole")):
            print(f"volpose: note: {source}", file=sys.stderr)
    if options.html:
        from volpose.plot.page import prediction_page  # plotly takes a second to import

        write_text(options.html, prediction_page(result, options.image.name, estimator.grid))
    text = json.dumps(result.to_json(), indent=1)
    if options.json:
        write_text(options.json, text + "\n")
    if not options.json and not options.html:
        print(text)


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_evaluate)
    parser.add_argument("weights", metavar="NAME", help="shipped name or weights file")
    _add_data(parser, "studio:test", 2000)
    parser.add_argument("--root", choices=ROOTS, default="truth", help="source of the root depth")
    parser.add_argument("--decoder", choices=DECODERS, default="peak")
    parser.add_argument("--mirror", action="store_true", help="average with the mirror image")
    parser.add_argument("--json", type=Path, metavar="OUT", help="default: NAME-DATA.json")


def _evaluate(options: argparse.Namespace) -> None:
    estimator = pretrained.load(options.weights)
    data = _open_data(options, estimator.config.image_size)
    table = evaluate(estimator, data, options.root, options.decoder, options.mirror, progress=True)
    print(table)
    name = f"{Path(options.weights).stem}-{options.data.replace(':', '-').replace('/', '-')}.json"
    result = {"weights": str(options.weights), "volpose": __version__, "card": estimator.card}
    write_text(options.json or name, json.dumps(result | table.to_json(), indent=1) + "\n")


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_train)
    parser.add_argument("preset", choices=PRESETS)
    parser.add_argument("--network", choices=KINDS, help="another kind of network, same recipe")
    parser.add_argument("--variation", choices=("default", "wild"), help="of the studio")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images", type=_positive, help="size of the training set")
    parser.add_argument("--samples", type=_positive, help="images seen in all")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: runs/PRESET")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="default: runs/data/...")


def _train(options: argparse.Namespace) -> None:
    config = PRESETS[options.preset]
    if options.network:
        config = with_network(config, options.network)
    given = {k: getattr(options, k) for k in ("variation", "images", "samples")}
    config = replace(config, seed=options.seed, **{k: v for k, v in given.items() if v})
    folder = options.out or Path("runs") / _run_name(options, config)
    data = _training_data(config, options.cache)
    fit(config, data, folder)
    print(f"trained: {folder / 'weights.safetensors'}; loss curve: {folder / 'log.csv'}")


def _run_name(options: argparse.Namespace, config: TrainConfig) -> str:
    parts = [options.preset, options.network, options.variation]
    return "-".join([p for p in parts if p] + [f"seed{config.seed}"])


def _training_data(config: TrainConfig, folder: Path | None) -> Samples:
    size = config.network.image_size
    studio = Studio("train", size=size, variation=config.variation, count=config.images)
    name = f"studio-train-{config.variation}-{size}px-{config.images}"
    folder = folder or Path("runs/data") / name
    write_split(studio, folder)
    return CachedSplit(folder)


def _add_render(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_render)
    _add_data(parser, None, None)
    parser.add_argument("--size", type=_positive, default=128, help="side of the crops, px")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--workers", type=_positive, default=2)


def _render(options: argparse.Namespace) -> None:
    studio = _open_data(options, options.size)
    if not isinstance(studio, Studio):
        raise ValueError(f"only studio:train, studio:val and studio:test render: {options.data}")
    write_split(studio, options.out, options.workers)


def _add_data(parser: argparse.ArgumentParser, default: str | None, count: int | None) -> None:
    """The options that name a data set."""
    if default is None:
        parser.add_argument("data", help="studio:train, studio:val or studio:test")
    else:
        parser.add_argument("--data", default=default, help="studio:SPLIT or a rendered folder")
    parser.add_argument("--count", type=_positive, default=count, help="number of samples")
    parser.add_argument("--variation", choices=("default", "wild"), default="default")
    parser.add_argument("--seed", type=int, default=0)


def _open_data(options: argparse.Namespace, size: int) -> Samples:
    kind, _, split = options.data.partition(":")
    if kind == "studio" and split:
        return Studio(
            split, size=size, seed=options.seed, variation=options.variation, count=options.count
        )
    if Path(options.data).is_dir():
        return CachedSplit(options.data)
    raise ValueError(f"data must be studio:SPLIT or a rendered folder, got {options.data!r}")


def _numbers(text: str) -> list[float]:
    """Four comma-separated numbers."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 4:
        raise argparse.ArgumentTypeError(f"expected four numbers A,B,C,D, got {text!r}")
    return values


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a positive whole number, got {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
