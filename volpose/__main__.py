"""The command line: render, train, evaluate, predict.

A mistake of the caller ends in one sentence and exit status 2, never in a traceback.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch

from volpose import __version__, pretrained
from volpose.data import command as data_command
from volpose.data.samples import Samples, Share
from volpose.estimator import DECODERS
from volpose.evaluate import ROOTS, evaluate
from volpose.network import KINDS
from volpose.precision import PRECISIONS, keep_freed_memory
from volpose.predict import predict, read_image
from volpose.recipe import PRESETS, TrainConfig, with_network
from volpose.reproduce import command as reproduce
from volpose.storage import complete_or_absent, write_text
from volpose.studio import CachedSplit, Studio, write_split
from volpose.studio.variation import VARIATIONS
from volpose.team import Team
from volpose.train import fit


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


def _check_outputs(outputs: list[Path | None], inputs: list[Path]) -> None:
    """Refuse, before any work is done, to write to a folder or over what is read."""
    given = [path for path in outputs if path is not None]
    for path in given:
        if path.is_dir():
            raise IsADirectoryError(f"{path}: is a folder, expected a file to write to")
        if path.is_file() and any(p.is_file() and path.samefile(p) for p in inputs):
            raise ValueError(f"{path}: is read by this command and would be overwritten")
    if len(given) == 2 and given[0].absolute() == given[1].absolute():
        raise ValueError(f"{given[0]}: cannot be both --json and --html")


def build_parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    parser = argparse.ArgumentParser(prog="volpose", description="Volumetric 3D human pose.")
    parser.add_argument("--version", action="version", version=f"volpose {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_predict(commands.add_parser("predict", help="the pose of one person in a photograph"))
    _add_evaluate(commands.add_parser("evaluate", help="errors of a network on a data set"))
    _add_train(commands.add_parser("train", help="train a network on the studio"))
    _add_render(commands.add_parser("render", help="render a split of the studio to a folder"))
    _add_bench(commands.add_parser("bench", help="how fast this machine is at it, as ratios"))
    data_command.add_arguments(commands.add_parser("data", help="look real data sets over"))
    words = "train and print a table of the paper"
    reproduce.add_arguments(commands.add_parser("reproduce", help=words), _positive)
    return parser


def _add_predict(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_predict)
    parser.add_argument("image", type=Path, metavar="IMAGE")
    parser.add_argument("--box", type=_numbers, metavar="X,Y,W,H", help="the person, px")
    parser.add_argument("--camera", type=_numbers, metavar="FX,FY,CX,CY", help="px")
    parser.add_argument("--weights", default="studio-laptop", help="shipped name or file")
    _add_precision(parser)
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the prediction here")
    parser.add_argument("--html", type=Path, metavar="OUT", help="write an interactive page here")


def _predict(options: argparse.Namespace) -> None:
    outputs = [options.json, options.html]
    _check_outputs(outputs, [options.image, Path(options.weights)])
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


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_evaluate)
    parser.add_argument("weights", metavar="NAME", help="shipped name or weights file")
    _add_data(parser, "studio:test")
    parser.add_argument("--root", choices=ROOTS, default="truth", help="source of the root depth")
    parser.add_argument("--decoder", choices=DECODERS, default="peak")
    parser.add_argument("--mirror", action="store_true", help="average with the mirror image")
    _add_precision(parser)
    parser.add_argument("--json", type=Path, metavar="OUT", help="default: NAME-DATA.json")


def _add_precision(parser: argparse.ArgumentParser) -> None:
    words = "of convolutions; auto: bf16 where it is fast"
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help=words)


def _evaluate(options: argparse.Namespace) -> None:
    name = f"{Path(options.weights).stem}-{options.data.replace(':', '-').replace('/', '-')}.json"
    out = options.json or Path(name)
    _check_outputs([out], [Path(options.weights)])
    estimator = pretrained.load(options.weights).at_precision(options.precision)
    data = _open_data(options, estimator.config.image_size)
    table = evaluate(estimator, data, options.root, options.decoder, options.mirror, progress=True)
    print(table)
    result = {"weights": str(options.weights), "volpose": __version__, "card": estimator.card}
    write_text(out, json.dumps(result | table.to_json(), indent=1) + "\n")


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_train)
    parser.add_argument("preset", choices=PRESETS)
    parser.add_argument("--network", choices=KINDS, help="another kind of network, same recipe")
    parser.add_argument("--variation", choices=tuple(VARIATIONS), help="of the studio")
    parser.add_argument("--seed", type=_seed, default=0)
    parser.add_argument("--images", type=_positive, help="size of the training set")
    parser.add_argument("--samples", type=_positive, help="images seen in all")
    parser.add_argument("--precision", choices=PRECISIONS, help="default: bf16 where it is fast")
    parser.add_argument("--recompute", action="store_true", help="less memory, more time")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="default: a GPU if there is one")
    words = "default: 1 for small networks, which a second only holds up; else PyTorch's choice"
    parser.add_argument("--threads", type=_positive, help=words)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: runs/PRESET-...-seedN")
    parser.add_argument(
        "--cache", type=Path, metavar="FOLDER", help="of the data; default: runs/data"
    )


def _train(options: argparse.Namespace) -> None:
    config = PRESETS[options.preset]
    if options.network:
        config = with_network(config, options.network)
    names = ("variation", "images", "samples", "precision", "recompute")
    given = {k: getattr(options, k) for k in names}
    config = replace(config, seed=options.seed, **{k: v for k, v in given.items() if v})
    folder = options.out or Path("runs") / _run_name(options, config)
    if any(p.exists() and not p.is_dir() for p in (folder, *folder.parents)):
        raise NotADirectoryError(
            f"{folder}: expected a folder for the run, but a file is in the way"
        )
    team = Team.join(_device(options))
    team.check_batch(config.batch_size)
    keep_freed_memory()
    small = config.network.image_size <= 64
    torch.set_num_threads(options.threads or (1 if small else torch.get_num_threads()))
    data = _training_data(config, options.cache, team)
    fit(config, data, folder, team)
    if team.leads:
        print(f"trained: {folder / 'weights.safetensors'}; loss curve: {folder / 'log.csv'}")


def _run_name(options: argparse.Namespace, config: TrainConfig) -> str:
    parts = [options.preset, options.network, options.variation]
    return "-".join([p for p in parts if p] + [f"seed{config.seed}"])


def _training_data(config: TrainConfig, folder: Path | None, team: Team) -> Samples:
    """The studio's training set, rendered where it is missing; each process renders its share."""
    size, variation = config.network.image_size, config.variation
    whole = Studio("train", size=size, variation=variation, count=config.images)
    name = f"studio-train-{variation}-{size}px-{config.images}"
    folder = folder or Path("runs/data")
    if team.size == 1:
        return write_split(whole, folder / name)
    share = (team.rank, team.size)
    part = Studio("train", size=size, variation=variation, count=config.images, share=share)
    part = write_split(part, folder / f"{name}-share-{team.rank}-of-{team.size}", 1, team.leads)
    return Share(part, *share, whole)


def _add_render(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_render)
    _add_data(parser, None)
    parser.add_argument("--size", type=_positive, default=128, help="side of the crops, px")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--workers", type=_positive, default=2)


def _render(options: argparse.Namespace) -> None:
    studio = _open_data(options, options.size)
    if not isinstance(studio, Studio):
        raise ValueError(f"only studio:train, studio:val and studio:test render: {options.data}")
    write_split(studio, options.out, options.workers)


def _add_bench(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_bench)
    parser.add_argument("--quick", action="store_true", help="half a minute instead of five")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="default: a GPU if there is one")
    parser.add_argument("--threads", type=_positive, help="default: PyTorch's choice")
    parser.add_argument("--out", type=Path, default=Path("results/bench"), metavar="FOLDER")


def _bench(options: argparse.Namespace) -> None:
    from volpose.bench import bench, report, write

    result = bench(_device(options), options.quick, options.threads)
    path = write(result, options.out)
    print(report(result))
    print(f"written: {path}")


def _device(options: argparse.Namespace) -> str:
    return options.device or ("cuda" if torch.cuda.is_available() else "cpu")


def _add_data(parser: argparse.ArgumentParser, default: str | None) -> None:
    """The options that name a data set."""
    if default is None:
        parser.add_argument("data", help="studio:train, studio:val or studio:test")
    else:
        parser.add_argument("--data", default=default, help="studio:SPLIT or a rendered folder")
    parser.add_argument("--count", type=_positive, help="number of samples")
    parser.add_argument("--variation", choices=tuple(VARIATIONS), help="of the studio")
    parser.add_argument("--seed", type=_seed, help="of the studio")


STUDIO_COUNT = {_evaluate: 2000}  # samples, if nothing is said


def _open_data(options: argparse.Namespace, size: int) -> Samples:
    kind, _, split = options.data.partition(":")
    if kind == "studio" and split:
        return Studio(
            split,
            size=size,
            seed=options.seed or 0,
            variation=options.variation or "default",
            count=options.count or STUDIO_COUNT.get(options.run),
        )
    if Path(options.data).is_dir():
        given = [
            f"--{k}" for k in ("count", "variation", "seed") if getattr(options, k) is not None
        ]
        if given:
            raise ValueError(f"{', '.join(given)} cannot be chosen for a rendered folder")
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
    if not text.isdecimal() or len(text) > 18 or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a positive whole number, got {text!r}")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal() or len(text) > 10 or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(
            f"expected a whole number from 0 to 2^32 - 1, got {text!r}"
        )
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
