"""The command line: render, train, evaluate, predict.

A mistake of the caller ends in one sentence and exit status 2, never in a traceback.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from pathlib import Path

from volpose import __version__, pretrained
from volpose.commands import evaluate, train
from volpose.commands import options as shared
from volpose.data import command as data_command
from volpose.lift import command as lift
from volpose.predict import predict, read_image
from volpose.reproduce import command as reproduce
from volpose.storage import complete_or_absent
from volpose.studio import Studio, write_split


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = build_parser().parse_args(_joined(sys.argv[1:] if arguments is None else arguments))
    try:
        options.run(options)
    except (ValueError, OSError) as error:
        sentence = " ".join(str(error).split())
        print(f"volpose: {sentence}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(f"volpose: {stop or 'interrupted'}", file=sys.stderr)
        return 130
    return 0


def _joined(arguments: list[str]) -> list[str]:
    """Join --box and --camera to their values: argparse takes "-5,0,80,90" for an option."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] in ("--box", "--camera") and argument[:1] == "-":
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def build_parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    parser = argparse.ArgumentParser(prog="volpose", description="Volumetric 3D human pose.")
    parser.add_argument("--version", action="version", version=f"volpose {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_predict(commands.add_parser("predict", help="the pose of one person in a photograph"))
    words = "errors of a network on the studio or a real data set"
    evaluate.add_arguments(commands.add_parser("evaluate", help=words))
    words = "train a network on the studio or a real data set"
    train.add_arguments(commands.add_parser("train", help=words))
    _add_render(commands.add_parser("render", help="render a split of the studio to a folder"))
    _add_bench(commands.add_parser("bench", help="how fast this machine is at it, as ratios"))
    data_command.add_arguments(commands.add_parser("data", help="look real data sets over"))
    words = "2D joints to metric poses: train, evaluate, use"
    lift.add_arguments(commands.add_parser("lift", help=words), shared.positive, _numbers)
    words = "measure and print a table of the paper"
    reproduce.add_arguments(commands.add_parser("reproduce", help=words))
    return parser


def _add_predict(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_predict)
    parser.add_argument("image", type=Path, metavar="IMAGE")
    parser.add_argument("--box", type=_numbers, metavar="X,Y,W,H", help="the person, px")
    parser.add_argument("--camera", type=_numbers, metavar="FX,FY,CX,CY", help="px")
    parser.add_argument("--weights", default="studio-laptop", help="shipped name or file")
    shared.add_precision(parser)
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the prediction here")
    parser.add_argument("--html", type=Path, metavar="OUT", help="write an interactive page here")


def _predict(options: argparse.Namespace) -> None:
    outputs = [options.json, options.html]
    shared.check_outputs(outputs, [options.image, Path(options.weights)])
    image = read_image(options.image)
    estimator = pretrained.load(options.weights).at_precision(options.precision)
    result = predict(image, estimator, options.box, options.camera, str(options.weights))
    for source in (result.camera_source, result.box_source):
        if source.startswith(("guessed", "whole")):
            print(f"volpose: note: {source}", file=sys.stderr)
    text = json.dumps(result.to_json(), indent=1, allow_nan=False)
    with ExitStack() as files:  # both or none
        if options.html:
            from volpose.plot.page import prediction_page  # plotly takes a second to import

            name = str(options.image.name).encode("utf8", "replace").decode("utf8")
            page = prediction_page(result, name, estimator.grid)
            files.enter_context(complete_or_absent(options.html)).write_text(page, "utf8")
        if options.json:
            files.enter_context(complete_or_absent(options.json)).write_text(text + "\n", "utf8")
    if not options.json and not options.html:
        print(text)


def _add_render(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_render)
    parser.add_argument("data", help="studio:train, studio:val or studio:test")
    shared.add_studio(parser)
    parser.add_argument("--size", type=shared.positive, default=128, help="side of the crops, px")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--workers", type=shared.positive, default=2)


def _render(options: argparse.Namespace) -> None:
    studio = shared.open_samples(options, options.size)
    if not isinstance(studio, Studio):
        raise ValueError(f"only studio:train, studio:val and studio:test render: {options.data}")
    write_split(studio, options.out, options.workers)


def _add_bench(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_bench)
    parser.add_argument("--quick", action="store_true", help="half a minute instead of five")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="default: a GPU if there is one")
    parser.add_argument("--threads", type=shared.positive, help="default: PyTorch's choice")
    parser.add_argument("--out", type=Path, default=Path("results/bench"), metavar="FOLDER")


def _bench(options: argparse.Namespace) -> None:
    from volpose.bench import bench, report, write

    result = bench(shared.device_of(options), options.quick, options.threads)
    path = write(result, options.out)
    print(report(result))
    print(f"written: {path}")


def _numbers(text: str) -> list[float]:
    """Four comma-separated numbers."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 4:
        raise argparse.ArgumentTypeError(f"expected four numbers A,B,C,D, got {text!r}")
    return values


if __name__ == "__main__":
    sys.exit(main())
