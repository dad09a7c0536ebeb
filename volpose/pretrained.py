"""Shipped weights by name, checked before they are used."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from volpose.estimator import Estimator

FOLDER = Path(__file__).parent / "weights"


def names() -> tuple[str, ...]:
    """The shipped networks."""
    return tuple(sorted(_checksums()))


def load(name: str | Path) -> Estimator:
    """A shipped network by its name, or any network from a weights file.

    Raises:
        FileNotFoundError: neither a shipped name nor a file.
        ValueError: the file is damaged, or does not have the checksum it was shipped with.
    """
    checksums = _checksums()
    if str(name) not in checksums:
        if Path(name).is_file():
            return Estimator.load(name)
        raise FileNotFoundError(
            f"{name}: neither a shipped network ({', '.join(checksums)}) nor a weights file"
        )
    path = FOLDER / f"{name}.safetensors"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: the shipped weights are missing; install volpose again")
    if sha256(path) != checksums[str(name)]:
        raise ValueError(f"{path}: damaged (its checksum is not the one it was shipped with)")
    return Estimator.load(path)


def sha256(path: Path) -> str:
    """The checksum of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _checksums() -> dict[str, str]:
    """Name -> checksum, as committed beside the weights."""
    return json.loads((FOLDER / "checksums.json").read_text())
