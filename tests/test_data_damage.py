"""Damaged files: every one is refused in a sentence, or what is left of it is right."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.twins import h36m, mocap, others
from volpose.data.opening import open_data

CASES = 100
VIEWS = 3
CLOSE_MM = 25.0  # below what the files' own checks can see, far below a wrong pose
TWINS: dict[str, tuple[str, str, Callable[[Path], Path]]] = {
    "authors": ("h36m", "test", h36m.write_authors),
    "authors-h5": ("h36m", "test", lambda folder: h36m.write_authors(folder, struct=False)),
    "mmpose": ("h36m", "test", h36m.write_mmpose),
    "h36m-fetch": ("h36m", "test", h36m.write_processed),
    "subjects-json": ("h36m", "test", h36m.write_json),
    "humaneva": ("humaneva", "test", others.write_humaneva),
    "kth": ("kth", "test", others.write_kth),
    "mpii-mat": ("mpii", "train", lambda folder: others.write_mpii(folder, "mat")),
    "mpii-json": ("mpii", "train", lambda folder: others.write_mpii(folder, "json")),
    "mpii-h5": ("mpii", "train", lambda folder: others.write_mpii(folder, "h5")),
    "videopose": ("mocap", "test", h36m.write_videopose),
    "bvh": ("mocap", "train", mocap.write_bvh),
    "acclaim": ("mocap", "train", mocap.write_acclaim),
}
PICTURES = (".jpg", ".png")
UNCHECKED = ("mpii-mat", "mpii-json", "mpii-h5", "videopose")  # photographs, or poses alone


class Twin:
    """A written twin: its annotation files as they were, and what they say."""

    def __init__(self, name: str, folder: Path) -> None:
        kind, self.split, write = TWINS[name]
        self.folder = write(folder / name)
        self.spec = f"{kind}:{self.folder}"
        files = sorted(p for p in self.folder.rglob("*") if p.is_file())
        self.files = {p: p.read_bytes() for p in files if p.suffix not in PICTURES}
        self.truth = self.read()

    def read(self) -> dict[tuple, torch.Tensor]:
        """Where the joints are, px and mm, by everything that names a person."""
        people = open_data(self.spec, self.split).people
        frame = people.frame * people.metric  # a number in the list says nothing
        names = zip(people.picture, people.view, frame, strict=True)
        joints = torch.cat([people.joints, people.pose], -1)
        return {tuple(map(str, key)): row for key, row in zip(names, joints, strict=True)}

    def restore(self) -> None:
        for path, data in self.files.items():
            path.write_bytes(data)


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    written: dict[str, Twin] = {}

    def twin(name: str) -> Twin:
        if name not in written:
            written[name] = Twin(name, tmp_path_factory.mktemp("damage"))
        return written[name]

    return twin


def damage_bytes(data: bytes, how: str, rng: np.random.Generator) -> bytes:
    """A file as a full disk, a lost connection or a wrong program leaves it."""
    cut = int(rng.integers(len(data))) if data else 0
    if how == "empty":
        return b""
    if how == "truncate":
        return data[:cut]
    if how == "zeros":
        return data[:cut] + bytes(len(data) - cut)
    if how == "noise":
        return rng.bytes(int(rng.integers(1, 2000)))
    if how == "page":
        return b"<!DOCTYPE html><html><body>404 Not Found</body></html>\n"
    words = data.split(b"\n")  # "shuffle": lines of a text, pieces of anything else
    return b"\n".join(words[k] for k in rng.permutation(len(words)))


def damage_array(values: np.ndarray, how: str, rng: np.random.Generator) -> np.ndarray:
    """An array as a program with a mistake writes it."""
    values = np.array(values)
    if how == "text":
        return np.full(values.shape, "x", dtype="S1")
    if how == "nan" and values.dtype.kind == "f":
        values.reshape(-1)[rng.integers(values.size, size=max(1, values.size // 7))] = np.nan
        return values
    if how == "meters" and values.dtype.kind == "f":
        return values / 1000
    if values.ndim == 0 or how == "flat":
        return values.reshape(-1)
    if how == "shorter":
        return values[:-1]
    if how == "rows" and len(values) == VIEWS:  # swapped cameras: only their pictures would tell
        return values[:, rng.permutation(values.shape[1])]
    if how == "rows":
        return values[rng.permutation(len(values))]
    if how == "joints" and values.ndim > 1:
        return values[:, rng.permutation(values.shape[1])]
    if how == "turned":
        return values.T
    return values[:0]


BYTES = ("empty", "truncate", "zeros", "noise", "page", "shuffle", "gone", "folder")
ARRAYS = ("text", "nan", "meters", "flat", "shorter", "rows", "joints", "turned", "none", "missing")


def damage_inside(path: Path, how: str, rng: np.random.Generator) -> None:
    """Change one array of a file and leave the file whole."""

    def chosen(names):
        return sorted(names)[int(rng.integers(len(names)))]

    if path.suffix == ".h5":
        with h5py.File(path, "r+") as stored:
            names: list[str] = []
            stored.visititems(lambda n, item: names.append(n) if hasattr(item, "shape") else None)
            name = chosen(names)
            values = damage_array(stored[name][()], how, rng)
            del stored[name]
            if how != "missing":
                stored[name] = values
    elif path.name == "data_3d_h36m.npz":
        with np.load(path, allow_pickle=True) as stored:
            people = stored["positions_3d"].item()
        values = damage_array(people["S9"].pop("Walking 1"), how, rng)
        people["S9"] |= {} if how == "missing" else {"Walking 1": values}
        np.savez(path, positions_3d=people)
    elif path.suffix == ".json":
        stored = json.loads(path.read_text())
        place = stored
        while place:  # one step down, as long as there is one
            key = chosen(place) if isinstance(place, dict) else int(rng.integers(len(place)))
            if not isinstance(place[key], dict | list) or rng.random() < 0.2:
                break
            place = place[key]
        if how in ("missing", "none", "shorter") or not place:
            place.clear()
        else:
            place[key] = {"text": "x", "nan": None, "flat": [], "turned": {}}.get(how, "1e999")
        path.write_text(json.dumps(stored))
    elif path.suffix == ".npz":
        with np.load(path) as stored:
            arrays = dict(stored)
        name = chosen([n for n in arrays if n != "imgname"])
        arrays[name] = damage_array(arrays[name], how, rng)
        if how == "missing":
            del arrays[name]
        np.savez(path, **arrays)
    elif path.suffix == ".mat":
        arrays = {k: v for k, v in scipy.io.loadmat(path).items() if not k.startswith("__")}
        inside = next(iter(arrays.values()))
        if inside.dtype.names:
            name = chosen(inside.dtype.names)
            inside[name][0, 0] = damage_array(inside[name][0, 0], how, rng)
        else:
            name = chosen(arrays)
            arrays[name] = damage_array(arrays[name], how, rng)
        scipy.io.savemat(path, arrays)
    elif path.suffix == ".pkl":
        cameras = pickle.loads(path.read_bytes())
        camera = cameras[sorted(cameras)[int(rng.integers(len(cameras)))]]
        name = chosen(["R", "T", "f", "c"])
        camera[name] = damage_array(camera[name], how, rng)
        path.write_bytes(pickle.dumps(cameras, protocol=3))


def damage(twin: Twin, inside: bool, how: str, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    path = list(twin.files)[int(rng.integers(len(twin.files)))]
    if inside and (path.suffix in (".h5", ".npz", ".mat", ".pkl") or "Human36M" in path.name):
        damage_inside(path, how, rng)
    elif how in ("gone", "folder", "missing"):
        path.unlink()
    else:
        way = how if how in BYTES else BYTES[seed % 6]
        path.write_bytes(damage_bytes(twin.files[path], way, rng))
    return path


@pytest.mark.parametrize("name", TWINS)
def test_damage_is_seen(twins, name, jaxtyping_disabled):
    twin = twins(name)
    assert len(twin.truth) in (4, 12)
    read = {"whole": 0, "refused": 0}

    @settings(
        max_examples=CASES, suppress_health_check=list(HealthCheck), database=None, derandomize=True
    )
    @given(
        st.one_of(
            st.tuples(st.just(False), st.sampled_from(BYTES)),
            st.tuples(st.just(True), st.sampled_from(ARRAYS)),
        ),
        st.integers(0, 10**6),
    )
    def check(kind, seed):
        if kind[0] and kind[1] in ("rows", "joints") and name in UNCHECKED:
            return  # nothing in them can be checked against another
        try:
            damage(twin, *kind, seed)
            found = twin.read()
        except (ValueError, OSError) as error:
            sentence = str(error)
            assert "\n" not in sentence
            assert str(twin.folder) in sentence
            read["refused"] += 1
            return
        finally:
            twin.restore()
        read["whole"] += 1
        for key, joints in found.items():
            assert key in twin.truth
            off = (joints - twin.truth[key]).nan_to_num(0.0).abs().max().item()
            assert off < CLOSE_MM, f"{kind}: {key} is off by {off:.0f}"

    check()
    assert read["refused"] > CASES / 4
