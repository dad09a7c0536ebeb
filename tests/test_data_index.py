"""What took long to read is read once, and again when anything of it has changed."""

import dataclasses
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.twins import h36m, mocap, others
from volpose.data import index, opening
from volpose.data.people import People

DATA = {
    "h36m": ("test", h36m.write_json),
    "mocap": ("train", mocap.write_acclaim),
    "kth": ("test", others.write_kth),
    "mpii": ("train", lambda folder: others.write_mpii(folder, "json")),
}


@pytest.fixture
def counted(monkeypatch, tmp_path):
    """Everything counts as slow; the list grows with every reading."""
    monkeypatch.setattr(index, "SLOW", 0.0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    readings = []

    def counting(kind, read):
        return lambda *arguments: (readings.append(kind), read(*arguments))[1]

    readers = {kind: counting(kind, read) for kind, read in opening.READERS.items()}
    monkeypatch.setattr(opening, "READERS", readers)
    return readings


def written(folder: Path, write=mocap.write_acclaim) -> Path:
    """A twin that is old enough to be kept."""
    write(folder)
    time.sleep(0.05)
    return folder


def same(one: People, other: People) -> bool:
    for field in dataclasses.fields(People):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if field.name == "camera":
            assert type(a) is type(b)
            a, b = (torch.cat([v.flatten() for v in vars(c).values()]) for c in (a, b))
        if isinstance(a, torch.Tensor):
            assert torch.equal(a.nan_to_num(7.0), b.nan_to_num(7.0))
            assert a.dtype == b.dtype
        elif isinstance(a, np.ndarray):
            assert (a == b).all()
        else:
            assert a == b
    return True


@pytest.mark.parametrize("kind", DATA)
def test_the_second_opening_reads_nothing(counted, tmp_path, kind):
    split, write = DATA[kind]
    folder = written(tmp_path / "data", write)
    first = opening.read_people(kind, folder, split)
    assert same(first, opening.read_people(kind, folder, split))
    assert counted == [kind]
    opening.read_people(kind, folder, split, 2)
    assert len(counted) == 2
    names = sorted(path.name for path in (tmp_path / "cache" / "volpose").iterdir())
    assert len(names) == 2
    assert all(name.startswith("index-") and name.endswith(".npz") for name in names)


@pytest.fixture
def motions(counted, tmp_path):
    """A folder of motions that was read once, and a function that reads it again."""
    folder = written(tmp_path / "data")
    opening.read_people("mocap", folder, "train")

    def readings() -> int:
        before = len(counted)
        opening.read_people("mocap", folder, "train")
        return len(counted) - before

    assert readings() == 0
    return folder, readings


def older(path: Path) -> None:
    """Change nothing of a file but its time of change."""
    os.utime(path, ns=(0, path.stat().st_mtime_ns - 1_000_000_000))


def test_a_change_is_noticed(motions, tmp_path):
    folder, readings = motions
    older(folder / "09_01.amc")
    assert (readings(), readings()) == (1, 0)
    older(folder / "09.asf")
    assert (readings(), readings()) == (1, 0)
    text = (folder / "09_01.amc").read_text()
    changed = (folder / "09_01.amc").stat().st_mtime_ns
    (folder / "09_01.amc").write_text(text + "\n")
    os.utime(folder / "09_01.amc", ns=(0, changed))  # of another size, as old as before
    assert readings() == 1
    shutil.copy(folder / "09_01.amc", folder / "09_02.amc")
    assert readings() == 1
    time.sleep(0.05)
    assert (readings(), readings()) == (1, 0)
    (folder / "09_02.amc").unlink()
    assert readings() == 1


def test_a_damaged_cache_is_made_again(motions, tmp_path):
    _, readings = motions
    (cache,) = (tmp_path / "cache" / "volpose").iterdir()
    whole = cache.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"PK" + whole[100:]):
        cache.write_bytes(damaged)
        assert (readings(), readings()) == (1, 0)


def test_a_cache_that_cannot_be_written_costs_nothing(counted, tmp_path, monkeypatch):
    folder = written(tmp_path / "data")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    for _ in range(2):
        assert len(opening.read_people("mocap", folder, "train")) == 4
    assert counted == ["mocap"] * 2


def test_what_changes_while_it_is_read_is_not_kept(counted, tmp_path, monkeypatch):
    folder = written(tmp_path / "data")
    read = opening.READERS["mocap"]

    def meddled(*arguments):
        (folder / "09_01.amc").touch()
        return read(*arguments)

    monkeypatch.setitem(opening.READERS, "mocap", meddled)
    opening.read_people("mocap", folder, "train")
    assert not (tmp_path / "cache").exists()


def test_where_it_is_kept(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert index.cache_folder() == Path.home() / ".cache" / "volpose"
