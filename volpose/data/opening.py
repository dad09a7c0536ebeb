"""Open a data set by a short text, `h36m:/data/h36m`; its layout is recognized."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from volpose.data.dataset import PeopleData
from volpose.data.h36m import mmpose_folder, read_mmpose
from volpose.data.h36m_authors import authors_folder, read_authors
from volpose.data.h36m_json import json_folder, read_json_subjects
from volpose.data.h36m_processed import processed_folder, read_processed
from volpose.data.humaneva import humaneva_folder, read_humaneva
from volpose.data.index import indexed
from volpose.data.kth import kth_sequences, read_kth
from volpose.data.mocap import mocap_files, read_mocap
from volpose.data.mpii import is_mpii_h5, mpii_file, read_mpii
from volpose.data.people import People
from volpose.data.protocols import ANY_CAMERA, Protocol

SPLITS = ("train", "test")
H36M_LAYOUTS = (
    (authors_folder, lambda folder, split, _: read_authors(folder, split)),
    (mmpose_folder, lambda folder, split, _: read_mmpose(folder, split)),
    (processed_folder, lambda folder, split, _: read_processed(folder, split)),
    (json_folder, read_json_subjects),
)
H36M_EXPECTED = (
    "annot/valid.h5 with images (the authors'), annotation_body3d with images (mmpose), "
    "S1/Directions-1/annot.h5 (h36m-fetch), or annotations/Human36M_subject9_data.json with images"
)


def open_data(spec: str, split: str = "test", size: int = 256, step: int = 1) -> PeopleData:
    """Open a data set; pictures are read when a batch is asked for.

    Nothing is written, but annotations that took long to read, see `volpose.data.index`.

    Args:
        spec: `KIND:PATH` with KIND one of h36m, humaneva, kth, mpii, mocap.
        split: train or test.
        size: of the crops, px.
        step: keep frames 1, 1 + step, 1 + 2 step, ... of every sequence, see `People.every`.

    Raises:
        FileNotFoundError, ValueError: the text is of another form, or a file is missing, damaged
            or of an unknown layout; one sentence that names the file and what was expected.

    Paper: Sec. 4.1.
    """
    kind, path = parse(spec)
    return PeopleData(read_people(kind, path, split, step), size)


def open_under(
    protocol: Protocol, spec: str, split: str = "test", size: int = 256, count: int | None = None
) -> PeopleData:
    """Open what a protocol measures: its frames and, of the test split, its cameras.

    Args:
        protocol: a value of `PROTOCOLS`.
        spec, split, size: as for `open_data`.
        count: keep so many samples, evenly spread.

    Raises:
        FileNotFoundError, ValueError: as for `open_data`; or the data are of another kind, none
            of the cameras is there, or a picture is missing.

    Paper: Sec. 4.1.
    """
    kind, path = parse(spec)
    if kind != protocol.data:
        raise ValueError(f"data must be {protocol.data}:PATH for {protocol.table}, got {spec!r}")
    people = read_people(kind, path, split, protocol.frame_step)
    if split == "test" and protocol.cameras != (ANY_CAMERA,):
        chosen = np.isin(people.view, protocol.cameras)
        if not chosen.any():
            found = ", ".join(np.unique(people.view).tolist())
            raise ValueError(f"{path}: expected cameras {protocol.cameras}, found {found}")
        people = people.where(chosen)
    data = PeopleData(people, size)
    missing = missing_pictures(data.spread(count).people)
    if missing:
        raise FileNotFoundError(
            f"{data.people.folder / missing[0]}: no such picture; {len(missing)} of "
            f"{len(data)} are missing"
        )
    return data


def parse(spec: str) -> tuple[str, Path]:
    """Kind and path of `KIND:PATH`.

    Raises:
        ValueError: the text is of another form.
    """
    kind, _, path = spec.partition(":")
    if kind not in READERS or not path:
        raise ValueError(f"data must be KIND:PATH with KIND one of {tuple(READERS)}, got {spec!r}")
    return kind, Path(path).expanduser()


def read_people(kind: str, folder: Path, split: str, step: int = 1) -> People:
    """The annotations of a data set, usable or not; arguments as for `open_data`."""
    if split not in SPLITS:
        raise ValueError(f"split must be one of {SPLITS}, but is {split!r}")
    if step < 1:
        raise ValueError(f"step must be at least 1, but is {step}")
    if not folder.exists():
        raise FileNotFoundError(f"{folder}: no such folder")

    def read() -> People:
        return READERS[kind](folder, split, step)

    # HumanEva-I's depend on which pictures there are, and are read fast
    people = read() if kind == "humaneva" else indexed(folder, (kind, split, str(step)), read)
    if step == 1 or kind == "mocap":  # which has left frames out already
        return people
    return people.every(step)


def recognize(folder: Path) -> str:
    """The kind of the data in a folder.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: nothing that is known lies in it.
    """
    if not folder.exists():
        raise FileNotFoundError(f"{folder}: no such folder")
    # MPII's HDF5 files and the authors' have the same names; Human3.6M's tell the subject, and have
    # another number of joints
    names = [folder / "annot" / f"{part}_images.txt" for part in ("valid", "train")]
    listed = next((path for path in names if path.is_file()), None)
    if listed and listed.read_bytes()[:1].upper() == b"S":
        return "h36m"
    if not listed and any(find(folder) for find, _ in H36M_LAYOUTS):
        flat = any(is_mpii_h5(mpii_file(folder, split)) for split in SPLITS)
        return "mpii" if flat else "h36m"
    if humaneva_folder(folder):
        return "humaneva"
    if any(mpii_file(folder, split) for split in SPLITS):
        return "mpii"
    if kth_sequences(folder):
        return "kth"
    if mocap_files(folder):
        return "mocap"
    inside = ", ".join(sorted(p.name for p in folder.glob("*"))[:8])
    raise ValueError(
        f"{folder}: not Human3.6M, HumanEva-I, KTH Football II, MPII or motion capture in a "
        f"layout that is known; found {inside or 'nothing there'}"
    )


def _read_h36m(folder: Path, split: str, step: int) -> People:
    for find, read in H36M_LAYOUTS:
        if found := find(folder):
            return read(found, split, step)
    raise FileNotFoundError(f"{folder}: no Human3.6M in it; expected {H36M_EXPECTED}")


def _read_humaneva(folder: Path, split: str, _: int) -> People:
    found = humaneva_folder(folder)
    if found is None:
        expected = "Validate/S1/Walking_1.mat"
        raise FileNotFoundError(f"{folder}: no HumanEva-I in it; expected {expected}")
    return read_humaneva(found, split)


READERS: dict[str, Callable[[Path, str, int], People]] = {
    "h36m": _read_h36m,
    "humaneva": _read_humaneva,
    "kth": lambda folder, split, _: read_kth(folder, split),
    "mpii": lambda folder, split, _: read_mpii(folder, split),
    "mocap": read_mocap,
}


def missing_pictures(people: People) -> list[str]:
    """The names of pictures that are not on disk."""
    names = np.unique(people.picture).tolist()
    return [name for name in names if name and not (people.folder / name).is_file()]
