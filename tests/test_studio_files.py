"""What the studio writes: splits that survive an interruption, and Human3.6M's layout."""

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image

from volpose.studio import CachedSplit, Studio, write_h36m, write_split
from volpose.studio import cache as cache_module
from volpose.studio.look import FRAME_HEIGHT, FRAME_WIDTH
from volpose.studio.variation import Variation


def test_cache_resumes_where_it_was_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(cache_module, "CHUNK", 15)
    studio = Studio("test", size=24, count=40)
    write = cache_module._write_chunk

    def stop_at_the_last(studio, folder, chunk):
        if chunk == 2:
            raise KeyboardInterrupt
        write(studio, folder, chunk)

    monkeypatch.setattr(cache_module, "_write_chunk", stop_at_the_last)
    with pytest.raises(KeyboardInterrupt):
        write_split(studio, tmp_path, workers=0, progress=False)
    with pytest.raises(ValueError, match="unfinished"):
        CachedSplit(tmp_path)
    written = []
    monkeypatch.setattr(cache_module, "_write_chunk", lambda *a: (written.append(a[2]), write(*a)))
    split = write_split(studio, tmp_path, workers=0, progress=False)
    assert written == [2]
    everything = studio.batch(range(40))
    stored = split.batch(range(40))
    assert (stored.image.int() - everything.image.int()).abs().max() <= 2
    assert torch.allclose(stored.pose, everything.pose, atol=1e-3)
    assert torch.allclose(stored.joints, everything.joints, atol=1e-2)
    assert stored.action == everything.action
    assert split[-1].index == 39
    assert sum(len(batch) for batch in split.batches(16)) == 40
    write_split(studio, tmp_path, workers=0, progress=False)
    assert written == [2]


def test_cache_written_by_other_processes_is_the_same(tmp_path):
    studio = Studio("train", size=16, count=30)
    split = write_split(studio, tmp_path, workers=1, progress=False)
    difference = split.batch(range(30)).image.int() - studio.batch(range(30)).image.int()
    assert difference.abs().max() <= 2


def test_cache_refuses_what_is_not_its_own(tmp_path):
    studio = Studio("test", size=16, count=15)
    write_split(studio, tmp_path / "a", workers=0, progress=False)
    with pytest.raises(ValueError, match="another configuration; seed differs"):
        write_split(Studio("test", size=16, count=15, seed=3), tmp_path / "a", workers=0)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds other files"):
        write_split(studio, tmp_path / "b", workers=0)
    with pytest.raises(FileNotFoundError, match="holds no split"):
        CachedSplit(tmp_path / "b")


def test_a_split_of_an_older_version_is_not_rendered_again(tmp_path):
    studio = Studio("test", size=16, count=15)
    write_split(studio, tmp_path, workers=0, progress=False)
    header = tmp_path / "studio.json"
    old = json.loads(header.read_text())
    del old["variation"]["astray"]
    header.write_text(json.dumps(old))
    before = (tmp_path / "images.npy").stat().st_mtime_ns
    assert len(write_split(studio, tmp_path, workers=0, progress=False)) == 15
    assert (tmp_path / "images.npy").stat().st_mtime_ns == before
    astray = replace(Variation.named("default", 16), astray=0.4)
    with pytest.raises(ValueError, match="another configuration; variation differs"):
        write_split(Studio("test", size=16, count=15, variation=astray), tmp_path, workers=0)


def test_h36m_layout_is_consistent(tmp_path):
    studio = Studio("test", size=64, count=100)
    indices = [6, 8, 9]
    write_h36m(studio, tmp_path, indices)
    batch = studio.batch(indices)
    names = (tmp_path / "annot" / "valid_images.txt").read_text().split()
    assert len(names) == 3
    assert names[0].startswith(f"{batch.subject[0]}_Posing_")
    with h5py.File(tmp_path / "annot" / "valid.h5") as stored:
        part, scale, zind, pose = (np.array(stored[k]) for k in ("part", "scale", "zind", "S"))
        center = np.array(stored["center"])
    order = [0, 4, 5, 6, 1, 2, 3, *range(7, 17)]  # left leg first
    assert np.allclose(pose, batch.pose[:, order].numpy(), atol=1e-2)
    assert np.allclose(part, batch.joints[:, order].numpy(), atol=1e-2)
    assert (zind[:, 0] == 33).all()
    assert ((zind >= 1) & (zind <= 64)).all()
    annot = scipy.io.loadmat(tmp_path / "annot" / "valid.mat", simplify_cells=True)["annot"]
    assert list(annot["imgname"]) == names
    assert annot["S"].shape == (3, 3, 17)
    projected = np.einsum("ij,jk->ik", annot["K"][0], annot["S"][0])
    assert np.allclose((projected[:2] / projected[2]).T, part[0], atol=1e-2)
    image = np.asarray(Image.open(tmp_path / "images" / names[0]))
    assert image.shape == (FRAME_HEIGHT, FRAME_WIDTH, 3)
    # the crop of the whole frame shows what the studio's crop shows
    side = 200 * scale[0]
    left, top = center[0] - side / 2
    cut = Image.fromarray(image).resize((64, 64), box=(left, top, left + side, top + side))
    difference = np.asarray(cut, np.float32) - batch.image[0].permute(1, 2, 0).numpy()
    assert np.abs(difference).mean() < 12
