"""Pickles without code: a pickle may call anything, so only stand-ins can be called here.

Camera files of Human3.6M tools are pickles. Dicts, lists, texts and numbers are built as usual;
NumPy's arrays are first collected as plain values and checked, then made by us. Whatever else a
pickle asks for is refused before it is looked up.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np

LARGEST = 1 << 26  # values of an array
BYTE_ARRAY = pickle.BYTEARRAY8[0]


class _Type:
    """Stands for numpy.dtype while a pickle is read."""

    def __init__(self, code: str, *_: Any) -> None:
        self.code, self.order = code, "<"

    def __setstate__(self, state: tuple) -> None:
        self.order = state[1]

    def build(self) -> np.dtype:
        found = np.dtype(f"{self.order}{self.code}" if self.order in "<>|=" else self.code)
        if found.kind not in "biufUS" or found.itemsize == 0:
            raise pickle.UnpicklingError(f"arrays of {found} are not allowed")
        return found


class _Array:
    """Stands for numpy.ndarray while a pickle is read."""

    def __init__(self, *_: Any) -> None:
        self.state: tuple = ()

    def __setstate__(self, state: tuple) -> None:
        self.state = state

    def build(self) -> Any:
        _, shape, kind, columns_first, data = self.state
        if isinstance(data, list) and isinstance(kind, _Type) and kind.code[:1] == "O":
            values = [_plain(value) for value in data]
            return values[0] if shape == () else values
        if isinstance(data, str):  # pickled by Python 2
            data = data.encode("latin1")
        if not isinstance(kind, _Type) or not isinstance(data, bytes):
            raise pickle.UnpicklingError("an array without plain numbers or texts")
        values = np.frombuffer(data, kind.build())
        if values.size > LARGEST:
            raise pickle.UnpicklingError("an array too large")
        return values.reshape(shape, order="F" if columns_first else "C").copy()


def _from_buffer(data: Any, kind: Any, shape: Any, order: str) -> _Array:
    """What newer pickles call instead."""
    found = _Array()
    found.state = (1, shape, kind, order == "F", data)
    return found


def _scalar(kind: Any, data: Any) -> Any:
    if not isinstance(kind, _Type):
        raise pickle.UnpicklingError("a number without a type")
    data = data.encode("latin1") if isinstance(data, str) else data
    (value,) = np.frombuffer(data, kind.build()).tolist()
    return value


def _encode(text: str, *_: Any) -> bytes:
    return text.encode("latin1")


STAND_INS = {
    ("_codecs", "encode"): _encode,
    ("numpy", "dtype"): _Type,
    ("numpy", "ndarray"): _Array,
}
for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):
    STAND_INS[_module, "_reconstruct"] = _Array
    STAND_INS[_module, "scalar"] = _scalar
for _module in ("numpy.core.numeric", "numpy._core.numeric"):
    STAND_INS[_module, "_frombuffer"] = _from_buffer


class _Reader(pickle._Unpickler):  # the one in Python: a damaged file cannot make it reserve memory
    def load_bytearray8(self) -> None:
        """Python's own reserves the memory before it reads."""
        self.append(self.read(int.from_bytes(self.read(8), "little")))

    dispatch = pickle._Unpickler.dispatch | {BYTE_ARRAY: load_bytearray8}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in STAND_INS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not allowed")
        return STAND_INS[module, name]


def load_plain(data: bytes) -> Any:
    """Read a pickle of dicts, lists, tuples, texts, numbers and NumPy arrays of these.

    Raises:
        pickle.UnpicklingError: it asks for anything else. A damaged pickle raises any exception.
    """
    return _plain(_Reader(io.BytesIO(data), encoding="latin1").load())


def _plain(value: Any) -> Any:
    if isinstance(value, _Array):
        return value.build()
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(item) for item in value)
    if value is None or isinstance(value, str | bytes | bool | int | float):
        return value
    raise pickle.UnpicklingError(f"a {type(value).__name__} is not allowed")
