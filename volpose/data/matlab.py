"""MATLAB files (version 5, saved with -v6 or -v7), read with every length checked.

SciPy's reader is compiled and trusts lengths: on a damaged file it may end the whole process. This
one only slices bytes, so the worst that can happen is an exception.
"""

from __future__ import annotations

import math
import struct
import zlib
from typing import Any

import numpy as np

HEADER, MATRIX, COMPRESSED = 128, 14, 15
NUMBERS = {1: "i1", 2: "u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8"}
NUMBERS |= {12: "<i8", 13: "<u8"}
TEXTS = {1: "latin1", 2: "latin1", 4: "utf-16-le", 16: "utf8", 17: "utf-16-le", 18: "utf-32-le"}
CELL, STRUCT, CHAR, NUMERIC = 1, 2, 4, range(6, 16)
COMPLEX = 0x0800
LARGEST = 1 << 33  # bytes of a variable


def load_matlab(data: bytes) -> dict[str, Any]:
    """All variables of a file.

    Returns:
        By name: numbers as arrays without dimensions of length 1 (a single one as a float), texts
        as str, cells as lists in column order, structs as dicts, struct arrays as lists of dicts.

    Raises:
        NotImplementedError: version 7.3, which is HDF5.
        ValueError: the file is damaged or of another version; other exceptions mean damage too.
    """
    if len(data) < HEADER:
        raise ValueError("shorter than a header")
    version, order = struct.unpack_from("<H2s", data, 124)
    if version == 0x0200:
        raise NotImplementedError("MATLAB 7.3")
    if version != 0x0100 or order != b"IM":
        raise ValueError("no MATLAB file of version 5 in little-endian order")
    found: dict[str, Any] = {}
    at = HEADER
    while at < len(data):
        kind, content, at = _element(data, at)
        if kind == COMPRESSED:
            kind, content, _ = _element(_inflate(content), 0)
        if kind != MATRIX:
            raise ValueError(f"an element of kind {kind} where a variable must be")
        name, value = _matrix(content)
        found[name] = value
    return found


def _inflate(content: bytes) -> bytes:
    unpack = zlib.decompressobj()
    data = unpack.decompress(content, LARGEST)
    if not unpack.eof:
        raise ValueError("compressed data are cut off")
    return data


def _element(data: bytes, at: int) -> tuple[int, bytes, int]:
    """Kind and content of the element that begins at `at`, and where the next one begins."""
    (word,) = struct.unpack_from("<I", data, at)
    if word >> 16:  # small: the content stands within the tag
        kind, size = word & 0xFFFF, word >> 16
        if size > 4:
            raise ValueError("a small element that is not small")
        return kind, data[at + 4 : at + 4 + size], at + 8
    kind, size = struct.unpack_from("<II", data, at)
    start = at + 8
    if start + size > len(data):
        raise ValueError("an element is longer than the file")
    padding = 0 if kind == COMPRESSED else -size % 8
    return kind, data[start : start + size], start + size + padding


def _numbers(kind: int, content: bytes) -> np.ndarray:
    if kind not in NUMBERS:
        raise ValueError(f"numbers of kind {kind}")
    return np.frombuffer(content, NUMBERS[kind])


def _matrix(content: bytes) -> tuple[str, Any]:
    """Name and value of a matrix, of whatever class."""
    if not content:
        return "", np.empty(0)
    kind, part, at = _element(content, 0)
    flags = int(_numbers(kind, part)[0])
    kind, part, at = _element(content, at)
    shape = tuple(_numbers(kind, part).tolist())
    if len(shape) < 2 or min(shape) < 0:
        raise ValueError(f"an array of shape {shape}")
    count = math.prod(shape)
    _, part, at = _element(content, at)
    name, number_class = part.decode("latin1"), flags & 0xFF
    if number_class == CELL:
        return name, [value for _, value in _several(content, at, count)]
    if number_class == STRUCT:
        return name, _struct(content, at, count)
    kind, part, at = _element(content, at)
    if number_class == CHAR:
        if kind not in TEXTS or shape[0] > 1:
            raise ValueError("a text of several lines, or of an unknown kind")
        return name, part.decode(TEXTS[kind])
    if number_class not in NUMERIC or flags & COMPLEX:
        raise ValueError(f"a matrix of class {number_class} (sparse, complex or an object)")
    values = _numbers(kind, part).reshape(shape, order="F").squeeze()
    return name, values.item() if values.ndim == 0 else values


def _several(content: bytes, at: int, count: int) -> list[tuple[str, Any]]:
    found = []
    for _ in range(count):
        kind, part, at = _element(content, at)
        if kind != MATRIX:
            raise ValueError(f"an element of kind {kind} in a cell")
        found.append(_matrix(part))
    return found


def _struct(content: bytes, at: int, count: int) -> dict[str, Any] | list[dict[str, Any]]:
    kind, part, at = _element(content, at)
    width = int(_numbers(kind, part)[0])
    _, part, at = _element(content, at)
    if width < 1 or len(part) % width:
        raise ValueError("names of fields have no common length")
    names = [
        part[k : k + width].split(b"\0")[0].decode("latin1") for k in range(0, len(part), width)
    ]
    values = [value for _, value in _several(content, at, count * len(names))]
    rows = [
        dict(zip(names, values[k * len(names) : (k + 1) * len(names)], strict=True))
        for k in range(count)
    ]
    return rows[0] if count == 1 else rows
