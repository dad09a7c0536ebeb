"""What several commands share: kinds of options, and the checks before any work is done."""

from __future__ import annotations

import argparse
import math
import os
from pathlib import Path

import torch

from volpose.data.opening import READERS, SPLITS
from volpose.data.samples import Samples
from volpose.precision import PRECISIONS
from volpose.studio import CachedSplit, Studio
from volpose.studio.files import HEADER
from volpose.studio.variation import VARIATIONS

REAL = "KIND:PATH of a real data set, such as h36m:FOLDER"


def positive(text: str) -> int:
    """A positive whole number."""
    if not text.isdecimal() or len(text) > 18 or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a positive whole number, got {text!r}")
    return int(text)


def seed(text: str) -> int:
    """A whole number that seeds."""
    if not text.isdecimal() or len(text) > 10 or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(
            f"expected a whole number from 0 to 2^32 - 1, got {text!r}"
        )
    return int(text)


def numbers(text: str) -> list[float]:
    """Four comma-separated numbers."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 4:
        raise argparse.ArgumentTypeError(f"expected four numbers A,B,C,D, got {text!r}")
    return values


def direction(text: str) -> list[float]:
    """Three comma-separated numbers that point somewhere."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 3 or not all(map(math.isfinite, values)) or not any(values):
        raise argparse.ArgumentTypeError(f"expected a direction X,Y,Z, got {text!r}")
    return values


def add_precision(parser: argparse.ArgumentParser) -> None:
    """The option for the number format of a network that is used."""
    words = "of convolutions; auto: bf16 where it is fast"
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help=words)


def add_studio(parser: argparse.ArgumentParser) -> None:
    """The options that say which pictures of the studio."""
    parser.add_argument("--count", type=positive, help="number of samples")
    parser.add_argument("--variation", choices=tuple(VARIATIONS), help="of the studio")
    parser.add_argument("--seed", type=seed, help="of the studio")


def add_split(parser: argparse.ArgumentParser) -> None:
    """The option for the split of a real data set."""
    words = "of a real data set; default: test"
    parser.add_argument("--split", choices=SPLITS, help=words)


def is_real(spec: str) -> bool:
    """Whether a text names a real data set, rather than the studio or a rendered folder."""
    return spec.partition(":")[0] in READERS and ":" in spec


def refuse_given(options: argparse.Namespace, names: tuple[str, ...], what: str) -> None:
    """Refuse options that mean nothing for what they are given with.

    Raises:
        ValueError: one of them was given.
    """
    given = [f"--{name}" for name in names if getattr(options, name, None) is not None]
    if given:
        raise ValueError(f"{', '.join(given)} cannot be chosen for {what}")


def open_samples(options: argparse.Namespace, size: int, count: int | None = None) -> Samples:
    """The studio, or a folder rendered from it.

    Args:
        options: with data and what `add_studio` adds.
        size: of the crops, px.
        count: samples of the studio if nothing is said.

    Raises:
        ValueError: the text names neither.
    """
    kind, _, split = options.data.partition(":")
    if kind == "studio" and split:
        return Studio(
            split,
            size=size,
            seed=options.seed or 0,
            variation=options.variation or "default",
            count=options.count or count,
        )
    if Path(options.data).is_dir():
        if not (Path(options.data) / HEADER).is_file():
            raise ValueError(f"{options.data}: no rendered split in it ({HEADER}); expected {REAL}")
        refuse_given(options, ("count", "variation", "seed"), "a rendered folder")
        return CachedSplit(options.data)
    raise ValueError(
        f"data must be studio:SPLIT, a rendered folder or {REAL}, with KIND one of "
        f"{', '.join(READERS)}; got {options.data!r}"
    )


def check_outputs(outputs: list[Path | None], inputs: list[Path]) -> None:
    """Refuse, before any work is done, to write to a folder or over what is read.

    Raises:
        IsADirectoryError, ValueError: an output is a folder, an input, or another output.
        NotADirectoryError, PermissionError: there can be no file of that name.
    """
    given = [path for path in outputs if path is not None]
    for path in given:
        if path.is_dir():
            raise IsADirectoryError(f"{path}: is a folder, expected a file to write to")
        check_folder(path.absolute().parent, path)
        if path.is_file() and any(p.is_file() and path.samefile(p) for p in inputs):
            raise ValueError(f"{path}: is read by this command and would be overwritten")
    absolute = [path.absolute() for path in given]
    for path in given:
        if absolute.count(path.absolute()) > 1:
            raise ValueError(f"{path}: cannot be two outputs at once")


def check_folder(folder: Path, path: Path) -> None:
    """Refuse a folder that is none, or that cannot be made or written to.

    Args:
        folder: an absolute path.
        path: what to name in the error.

    Raises:
        NotADirectoryError, PermissionError: as said.
    """
    there = next(p for p in (folder, *folder.parents) if p.exists())
    if not there.is_dir():
        raise NotADirectoryError(f"{path}: cannot be written, {there} is a file and no folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(f"{path}: cannot be written, {there} allows no new files")


def device_of(options: argparse.Namespace) -> str:
    """The device that was asked for, or a GPU if there is one."""
    return options.device or ("cuda" if torch.cuda.is_available() else "cpu")


def name_of(weights: str) -> str:
    """What results of a network are called: its file, or its run where that says no more."""
    path = Path(weights)
    return path.absolute().parent.name if path.stem == "weights" else path.stem
