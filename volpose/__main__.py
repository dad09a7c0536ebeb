"""The command line: predict, evaluate, train, render, bench, data, lift, reproduce.

A mistake of the caller ends in one sentence and exit status 2, never in a traceback.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from volpose import __version__
from volpose.commands import evaluate, predict, train
from volpose.commands import options as shared
from volpose.data import command as data_command
from volpose.lift import command as lift
from volpose.reproduce import command as reproduce
from volpose.studio import Studio, write_split

ENDS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = build_parser().parse_args(_joined(sys.argv[1:] if arguments is None else arguments))
    try:
        with _terminated_as_interrupted():
            options.run(options)
            sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough, as in "volpose ... | head"
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes at its exit
    except (ValueError, OSError) as error:
        sentence = " ".join(str(error).split())
        print(f"volpose: {sentence}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(f"volpose: {str(stop) or 'interrupted'}", file=sys.stderr)
        return 130
    return 0


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM and SIGHUP end a command as Ctrl-C does: what is half-written is removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # a command that nohup keeps alive ignores SIGHUP, and goes on ignoring it
    ends = [s for s in ENDS if signal.getsignal(s) is not signal.SIG_IGN]
    before = {number: signal.signal(number, _interrupt) for number in ends}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt("terminated")


def _joined(arguments: list[str]) -> list[str]:
    """Join --box, --camera and --up to their values: argparse takes "-5,0,80,90" for an option."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] in ("--box", "--camera", "--up") and argument[:1] == "-":
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def build_parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    parser = argparse.ArgumentParser(prog="volpose", description="Volumetric 3D human pose.")
    parser.add_argument("--version", action="version", version=f"volpose {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    words = "the pose of one person in a photograph or a video"
    predict.add_arguments(commands.add_parser("predict", help=words))
    words = "errors of a network on the studio or a real data set"
    evaluate.add_arguments(commands.add_parser("evaluate", help=words))
    words = "train a network on the studio or a real data set"
    train.add_arguments(commands.add_parser("train", help=words))
    _add_render(commands.add_parser("render", help="render a split of the studio to a folder"))
    _add_bench(commands.add_parser("bench", help="how fast this machine is at it, as ratios"))
    data_command.add_arguments(commands.add_parser("data", help="look real data sets over"))
    words = "2D joints to metric poses: train and evaluate"
    lift.add_arguments(commands.add_parser("lift", help=words), shared.positive)
    words = "measure and print a table of the paper"
    reproduce.add_arguments(commands.add_parser("reproduce", help=words))
    return parser


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
    parser.add_argument("--quick", action="store_true", help="a minute instead of eight")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="default: a GPU if there is one")
    parser.add_argument("--threads", type=shared.positive, help="default: PyTorch's choice")
    parser.add_argument("--out", type=Path, default=Path("results/bench"), metavar="FOLDER")


def _bench(options: argparse.Namespace) -> None:
    from volpose.bench import bench, report, write

    result = bench(shared.device_of(options), options.quick, options.threads)
    path = write(result, options.out)
    print(report(result))
    print(f"written: {path}")


if __name__ == "__main__":
    sys.exit(main())
