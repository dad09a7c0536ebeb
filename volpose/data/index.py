"""Annotations that took long to read are kept as plain arrays in the user's cache folder.

Five json files of Human3.6M take most of a minute to read, all of CMU's motions many; their arrays
take a second. What is kept is used only while every file that it came from, and every folder in
which one could be added, has the size and the time of change that it had.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from volpose.affine import AffineCamera
from volpose.camera import Camera
from volpose.data.files import read_npz, recorded
from volpose.data.people import People
from volpose.skeleton import SKELETONS
from volpose.storage import complete_or_absent

CLOCK_NS = 20_000_000  # what clocks of file systems lag behind
SLOW = 5.0  # seconds of reading; what is faster is not worth a file
PACKAGE = Path(__file__).resolve().parents[1]
CAMERAS = {"pinhole": (Camera, "focal"), "affine": (AffineCamera, "scale")}
ARRAYS = ("picture", "subject", "action", "frame", "view")
TENSORS = ("pose", "camera_of", "box_center", "box_side")


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/volpose`, or `~/.cache/volpose`; never beside the data."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(given) if given else Path.home() / ".cache") / "volpose"


def indexed(folder: Path, key: tuple[str, ...], read: Callable[[], People]) -> People:
    """What `read` gives, or what it gave before if nothing has changed since.

    Args:
        folder: of the data.
        key: what else the result depends on.
        read: reads the files.
    """
    words = json.dumps([str(folder.absolute()), *key, _code()])
    path = cache_folder() / f"index-{hashlib.sha256(words.encode()).hexdigest()[:24]}.npz"
    # what is damaged is as good as not there
    with suppress(ValueError, KeyError, TypeError, OSError):
        stored = read_npz(path)
        sources = json.loads(str(stored["sources"]))
        if sources == _state([*sources]):
            return _people(stored)
    start = time.time_ns()
    with recorded() as paths:
        people = read()
    if time.time_ns() - start > SLOW * 1e9:
        with suppress(OSError):  # a home that cannot be written to costs time, nothing else
            _write(path, people, _state(_watched(paths, folder)), start)
    return people


def _write(path: Path, people: People, sources: dict[str, list[int]], start: int) -> None:
    if any(changed >= start - CLOCK_NS for _, changed in sources.values()):
        return  # while it was read
    with complete_or_absent(path) as partial, open(partial, "wb") as stream:
        np.savez(stream, **_arrays(people), sources=json.dumps(sources))


def _watched(sources: list[Path], folder: Path) -> list[str]:
    """The files that were read, and the folders in which another file would count."""
    found: set[Path] = set()
    for source in (source.absolute() for source in sources):
        found.add(source)
        found.add(source.parent)
        found |= {p for p in source.parents if p.is_relative_to(folder.absolute())}
    return sorted(map(str, found))


def _state(paths: list[str]) -> dict[str, list[int]]:
    """Size and time of change, ns; a folder's own size says nothing."""
    state = {}
    for path in paths:
        found = os.stat(path)
        state[path] = [0 if os.path.isdir(path) else found.st_size, found.st_mtime_ns]
    return state


@lru_cache(maxsize=1)
def _code() -> str:
    """A checksum of the code that reads: other code reads something else."""
    paths = [*sorted((PACKAGE / "data").glob("*.py")), PACKAGE / "skeleton.py"]
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def _arrays(people: People) -> dict[str, np.ndarray]:
    kind = "affine" if isinstance(people.camera, AffineCamera) else "pinhole"
    plain = {
        "name": people.name,
        "folder": str(people.folder.absolute()),
        "skeleton": people.skeleton.name,
        "optional": list(people.optional),
        "metric": people.metric,
        "box_source": people.box_source,
        "camera": kind,
    }
    arrays = {name: getattr(people, name) for name in ARRAYS}
    arrays |= {name: getattr(people, name).numpy() for name in TENSORS}
    for field in fields(CAMERAS[kind][0]):
        arrays[f"camera.{field.name}"] = getattr(people.camera, field.name).numpy()
    if people.seen is not None:
        arrays["seen"] = people.seen.numpy()
    return arrays | {"plain": json.dumps(plain)}


def _people(stored: dict[str, np.ndarray]) -> People:
    plain = json.loads(str(stored["plain"]))
    kind = CAMERAS[plain["camera"]][0]
    camera = kind(*(torch.from_numpy(stored[f"camera.{field.name}"]) for field in fields(kind)))
    return People(
        **{name: stored[name] for name in ARRAYS},
        **{name: torch.from_numpy(stored[name]) for name in TENSORS},
        name=plain["name"],
        folder=Path(plain["folder"]),
        skeleton=SKELETONS[plain["skeleton"]],
        camera=camera,
        seen=torch.from_numpy(stored["seen"]) if "seen" in stored else None,
        optional=tuple(plain["optional"]),
        metric=plain["metric"],
        box_source=plain["box_source"],
    )
