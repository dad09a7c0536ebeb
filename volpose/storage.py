"""Files that are complete or absent: safetensors and text, written beside and then moved."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn


@contextmanager
def complete_or_absent(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; move it there only if the block ends well."""
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder, expected a file to write to")
    if path.exists() and not path.is_file():  # a device or a pipe is written to, never replaced
        with named(path):
            yield path
        return
    path = Path(os.path.realpath(path))  # a link stays a link
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with named(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            with open(partial, "rb") as written:
                os.fsync(written.fileno())  # or a power cut leaves the new name with no content
            partial.chmod(0o666 & ~_umask())  # some writers leave files for the owner alone
            os.replace(partial, path)
    finally:
        with suppress(OSError):
            partial.unlink()


@contextmanager
def named(path: str | Path) -> Iterator[None]:
    """Name the file in an error of writing it, such as of a full disk."""
    try:
        yield
    except OSError as error:
        if error.strerror is None:  # of a file inside this block, and already in words
            raise
        raise OSError(f"{path}: cannot be written ({error.strerror})") from error


@contextmanager
def alone(folder: str | Path) -> Iterator[None]:
    """Keep others from writing the same folder; processes left by a killed run count as well.

    What killed writers left of unfinished files is removed.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder}: is a file, expected a folder")
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise ValueError(f"folder {folder} is being written by another process") from error
    try:
        for unfinished in folder.glob("*.[0-9]*.partial"):
            unfinished.unlink()
        yield
    finally:
        os.close(lock)


def _umask() -> int:
    """The process's mask of permissions; reading it means setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: str | Path, text: str) -> None:
    """Write a text file, all or nothing."""
    with complete_or_absent(path) as partial:
        partial.write_text(text, encoding="utf8")


def read_json(path: str | Path) -> dict:
    """Read a record that `write_text` wrote as JSON.

    Raises:
        ValueError: the file holds something else.
    """
    try:
        record = json.loads(Path(path).read_text(encoding="utf8"))
    except ValueError as error:
        raise ValueError(f"{path}: damaged, expected JSON ({error})") from error
    if not isinstance(record, dict):
        raise ValueError(f"{path}: damaged, expected a JSON object, found {type(record).__name__}")
    return record


def append_text(path: Path, text: str) -> None:
    """Add to a text file, all or nothing."""
    with named(path):
        size = path.stat().st_size
        try:
            with open(path, "a", encoding="utf8") as stream:
                stream.write(text)
        except OSError:
            os.truncate(path, size)
            raise


def write_safetensors(path: str | Path, tensors: dict[str, Tensor], header: dict[str, str]) -> None:
    """Write a safetensors file, all or nothing: the old one stays until the new is complete."""
    with complete_or_absent(path) as partial:
        try:
            save_file(tensors, partial, metadata=header)
        except SafetensorError as error:  # of a full disk, for example
            raise OSError(f"{path}: cannot be written ({error})") from error


def read_safetensors(path: str | Path, device: str = "cpu") -> tuple[dict[str, Tensor], dict]:
    """Read tensors and header of a safetensors file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is truncated, damaged, or not safetensors at all.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such weights file")
    try:
        with safe_open(str(path), framework="pt", device=device) as file:
            return {k: file.get_tensor(k) for k in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: not a readable safetensors file ({error})") from error


def load_weights(model: nn.Module, tensors: dict[str, Tensor], path: str | Path) -> None:
    """Copy named tensors into a network.

    Raises:
        ValueError: names or shapes are those of another network.
    """
    own = model.state_dict()
    for name in sorted(set(own) ^ set(tensors)):
        where = "misses" if name in own else "has an unknown"
        raise ValueError(f"{path}: weights of another network: the file {where} tensor {name!r}")
    for name, tensor in tensors.items():
        if own[name].shape != tensor.shape:
            raise ValueError(
                f"{path}: weights of another network: tensor {name!r} has shape "
                f"{tuple(tensor.shape)}, expected {tuple(own[name].shape)}"
            )
    model.load_state_dict(tensors)
