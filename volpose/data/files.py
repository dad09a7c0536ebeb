"""Files of other people's making: read with suspicion, refused in one sentence.

Every function takes a path and gives plain arrays, or raises an error that names the file. Nothing
in a file is ever executed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar
from zipfile import ZipFile

import h5py
import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from volpose.data.matlab import load_matlab
from volpose.data.safe_pickle import load_plain

Columns = Mapping[str, Any]
T = TypeVar("T")


def existing(path: Path, expected: str) -> Path:
    """The path, if there is something there.

    Raises:
        FileNotFoundError: there is not; the sentence says what was expected.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: not found; expected {expected}")
    return path


_read: ContextVar[list[Path] | None] = ContextVar("read", default=None)


@contextmanager
def recorded() -> Iterator[list[Path]]:
    """A list that every file which is read in the block is added to."""
    paths: list[Path] = []
    token = _read.set(paths)
    try:
        yield paths
    finally:
        _read.reset(token)


def guarded(path: Path, kind: str, read: Callable[[], T]) -> T:
    """What `read` returns.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not of its kind; decoders raise whatever they like on damage.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected {kind}")
    paths = _read.get()
    if paths is not None:
        paths.append(path)
    try:
        return read()
    except NotImplementedError as error:
        raise ValueError(f"{path}: MATLAB 7.3; expected a file saved with `-v7`") from error
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise ValueError(f"{path}: damaged, or not {kind} ({reason})") from error


def read_h5(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an HDF5 file by their full name, such as `pose/3d`."""

    def read() -> dict[str, np.ndarray]:
        found: dict[str, np.ndarray] = {}

        def keep(name: str, item: object) -> None:
            if isinstance(item, h5py.Dataset):
                found[name] = np.asarray(item[()])

        with h5py.File(path, "r") as stored:
            stored.visititems(keep)
        return found

    return guarded(path, "an HDF5 file", read)


def read_mat(path: Path, *variables: str) -> dict[str, Any]:
    """Variables of a MATLAB file, as `load_matlab` gives them."""
    stored = guarded(path, "a MATLAB file", lambda: load_matlab(path.read_bytes()))
    for variable in variables:
        if variable not in stored:
            raise ValueError(f"{path}: expected a variable {variable}, found {[*stored]}")
    return {variable: stored[variable] for variable in variables}


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a NumPy archive; pickled ones are refused."""

    def read() -> dict[str, np.ndarray]:
        with np.load(path, allow_pickle=False) as stored:
            if not isinstance(stored, np.lib.npyio.NpzFile):
                raise ValueError("a single array")
            return {name: stored[name] for name in stored.files}

    return guarded(path, "a NumPy archive (.npz) of plain arrays", read)


def archive_names(path: Path) -> list[str]:
    """The names of the arrays in a NumPy archive, which is not read."""

    def read() -> list[str]:
        with ZipFile(path) as stored:
            return [name.removesuffix(".npy") for name in stored.namelist()]

    return guarded(path, "a NumPy archive (.npz)", read)


def read_npz_plain(path: Path, name: str) -> Any:
    """A pickled array of an archive that holds dicts, lists, texts, numbers and arrays of these."""

    def read() -> Any:
        with ZipFile(path) as stored:
            stream = BytesIO(stored.read(f"{name}.npy"))
        major = np.lib.format.read_magic(stream)[0]
        fmt = np.lib.format
        (fmt.read_array_header_1_0 if major == 1 else fmt.read_array_header_2_0)(stream)
        return load_plain(stream.read())

    return guarded(path, f"a NumPy archive (.npz) with plain values in {name}", read)


def read_json(path: Path) -> Any:
    """What a JSON file says."""
    return guarded(path, "a JSON file", lambda: json.loads(path.read_bytes()))


def read_pickle(path: Path) -> Any:
    """A pickle of dicts, lists, strings, numbers and NumPy arrays; anything else is refused."""
    return guarded(
        path, "a pickle of plain values and arrays", lambda: load_plain(path.read_bytes())
    )


def read_text(path: Path, kind: str) -> str:
    """A text file."""
    return guarded(path, kind, lambda: path.read_bytes().decode("utf8"))


def read_numbers(path: Path) -> np.ndarray:
    """The numbers of a text file, however they are broken into lines.

    Raises:
        ValueError: something is not a number, or the file does not end with its last line: then
            the last number may have lost digits, and nothing else would tell.
    """
    text = read_text(path, "a text file of numbers")
    if not text.endswith(("\n", "\r")):
        raise ValueError(f"{path}: does not end with a line break, so it may be cut off")
    return guarded(path, "a text file of numbers", lambda: np.array(text.split(), dtype=float))


def column(columns: Columns, name: str, path: Path, *shapes: tuple[int | None, ...]) -> np.ndarray:
    """The numbers with a name, as float64.

    Args:
        columns: of the file.
        name: of the array.
        path: of the file, for the error.
        shapes: that are possible; None stands for any length.

    Raises:
        ValueError: the array is missing, not made of numbers, or of another shape.
    """
    if name not in columns:
        found = ", ".join(sorted(map(str, columns))) or "nothing"
        raise ValueError(f"{path}: expected an array {name}, found {found}")
    values = np.asarray(columns[name])
    expected = " or ".join(str(s).replace("None", "n") for s in shapes)
    if values.dtype.kind not in "biuf":
        raise ValueError(
            f"{path}: {name} must be numbers of shape {expected}, but is {values.dtype}"
        )
    fits = any(
        len(shape) == values.ndim
        and all(want in (None, have) for want, have in zip(shape, values.shape, strict=True))
        for shape in shapes
    )
    if not fits:
        raise ValueError(f"{path}: {name} must have shape {expected}, but has {values.shape}")
    return values.astype(np.float64)


def words(columns: Columns, name: str, path: Path) -> list[str]:
    """The texts with a name: Unicode, bytes, or numbers that are character codes.

    Raises:
        ValueError: they are missing or not text.
    """
    if name not in columns:
        raise ValueError(f"{path}: expected texts {name}, found {', '.join(sorted(columns))}")
    values = np.atleast_1d(np.asarray(columns[name]))
    if values.ndim == 2 and values.dtype.kind in "uif":
        values = np.array([bytes(int(c) for c in row if 0 < c < 256) for row in values], dtype="S")
    if values.ndim != 1 or values.dtype.kind not in "USO":
        raise ValueError(f"{path}: {name} must be a list of texts, but is {values.dtype}")
    if values.dtype.kind == "S":
        return [value.decode("latin1") for value in values.tolist()]
    if not all(isinstance(value, str | bytes) for value in values.tolist()):
        raise ValueError(f"{path}: {name} must be a list of texts")
    return [v.decode("latin1") if isinstance(v, bytes) else v for v in values.tolist()]


def same_length(path: Path, **columns: Any) -> int:
    """The common length of some columns of a file.

    Raises:
        ValueError: they differ, or are empty.
    """
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(f"{path}: expected as many of each, found {told}")
    length = next(iter(lengths.values()))
    if length == 0:
        raise ValueError(f"{path}: expected at least one sample, found none")
    return length


def read_picture(path: Path) -> UInt8[Tensor, "3 H W"]:
    """Decode an image file as RGB.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no image, or damaged.
    """

    def read() -> np.ndarray:
        with Image.open(path) as file:
            return np.array(file.convert("RGB"))

    return torch.from_numpy(guarded(path, "an image", read)).permute(2, 0, 1)
