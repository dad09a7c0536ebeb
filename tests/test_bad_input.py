"""What once went wrong in silence: damaged splits, replaced inputs, NaN weights, odd images."""

import os
import stat
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from tests.small import CONFIG, NETWORK, studio_batch
from volpose.__main__ import main
from volpose.decode import argmax_voxel
from volpose.estimator import Estimator
from volpose.metrics import mpjpe
from volpose.predict import predict, read_image
from volpose.recipe import TrainConfig
from volpose.storage import alone, complete_or_absent, write_text
from volpose.studio import CachedSplit, Studio, write_split


@pytest.fixture
def split(tmp_path):
    return write_split(Studio("test", size=16, count=6), tmp_path / "split", 0, progress=False)


def test_pictures_that_are_gone_are_rendered_again(split):
    before = split.batch([0, 5]).image
    (split.folder / "images.npy").unlink()
    with pytest.raises(ValueError, match="damaged, expected 6 pictures of 16 px"):
        CachedSplit(split.folder)
    again = write_split(Studio("test", size=16, count=6), split.folder, 0, progress=False)
    assert torch.equal(again.batch([0, 5]).image, before)


@pytest.mark.parametrize("name", ["labels.npz", "studio.json"])
@pytest.mark.parametrize("content", [b"", b"{}", b"[]", bytes(200)])
def test_damaged_files_of_a_split_are_named(split, name, content):
    (split.folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=name):
        CachedSplit(split.folder)


def test_two_writers_do_not_share_a_folder(tmp_path):
    with alone(tmp_path), pytest.raises(ValueError, match="is being written by another process"):
        write_split(Studio("test", size=16, count=6), tmp_path, 0, progress=False)


def test_a_pipe_is_written_to_and_a_link_followed(tmp_path):
    pipe, target, link = (tmp_path / name for name in ("pipe", "target", "link"))
    os.mkfifo(pipe)
    with complete_or_absent(pipe) as path:
        assert path == pipe
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    link.symlink_to(target)
    write_text(link, "hello")
    assert link.is_symlink()
    assert target.read_text() == "hello"


def test_inputs_are_not_overwritten(tmp_path, capsys):
    photo = tmp_path / "photo.png"
    Image.new("RGB", (40, 40)).save(photo)
    before = photo.read_bytes()
    assert main(["predict", str(photo), "--json", str(photo)]) == 2
    assert "would be overwritten" in capsys.readouterr().err
    assert photo.read_bytes() == before
    out = str(tmp_path / "out")
    assert main(["predict", str(photo), "--json", out, "--html", out]) == 2
    assert main(["predict", str(photo), "--json", str(tmp_path)]) == 2
    assert not (tmp_path / "out").exists()


def test_16_bit_gray_keeps_its_values(tmp_path):
    path = tmp_path / "deep.png"
    Image.fromarray(np.linspace(0, 65535, 64, dtype=np.uint16).reshape(8, 8)).save(path)
    image = read_image(path)
    assert image.float().mean().item() == pytest.approx(127.5, abs=1)
    path = tmp_path / "float.tiff"
    Image.fromarray(np.ones((4, 4), np.float32)).save(path)
    with pytest.raises(ValueError, match="expected 8 or 16 bits a channel"):
        read_image(path)


def test_nan_weights_give_no_pose():
    estimator = Estimator.untrained(NETWORK)
    estimator.model.stages[-1].head.bias.data[0] = torch.nan
    with pytest.raises(ValueError, match="volume is not finite: its weights are damaged"):
        estimator.places(studio_batch().image[:2])


@pytest.mark.parametrize("lengths", [None, 5, [1.0] * 15, [0.0] * 16, [float("nan")] * 16])
def test_unusable_limb_lengths_are_refused(lengths):
    estimator = Estimator(NETWORK, NETWORK.build(), {"mean_limbs_mm": lengths})
    with pytest.raises(ValueError, match="must name 16 positive mean_limbs_mm"):
        estimator.mean_limbs()


@pytest.mark.parametrize("focal", [1e-30, 1, 1e9])
def test_a_camera_that_is_none_of_such_a_picture_is_refused(focal):
    estimator = Estimator(NETWORK, NETWORK.build(), {"mean_limbs_mm": [200.0] * 16})
    with pytest.raises(ValueError, match="must be 2 to 4000 px for a picture of 40 x 40 px, got"):
        predict(torch.zeros(3, 40, 40, dtype=torch.uint8), estimator, None, (focal, focal, 20, 20))


def test_a_box_over_the_left_edge_can_be_given_with_a_space(tmp_path):
    photo = tmp_path / "photo.png"
    Image.new("RGB", (40, 40)).save(photo)
    weights = tmp_path / "w.safetensors"
    Estimator(NETWORK, NETWORK.build(), {"mean_limbs_mm": [200.0] * 16}).save(weights)
    out = tmp_path / "p.json"
    arguments = ["predict", str(photo), "--weights", str(weights), "--json", str(out)]
    assert main([*arguments, "--box", "-5,-5,50,50"]) == 0
    assert out.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer": "adamw"}, "optimizer must be one of"),
        ({"schedule": "cosin"}, "schedule must be one of"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"samples": 1}, "must be at least one batch"),
    ],
)
def test_impossible_recipes_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **change)
    assert TrainConfig(NETWORK).steps > 0


def test_a_masked_joint_gives_no_nan_gradient():
    truth = torch.zeros(17, 3)
    truth[3] = torch.nan
    predicted = torch.ones(17, 3, requires_grad=True)
    mpjpe(predicted, truth, truth.isfinite().all(-1)).backward()
    assert predicted.grad.isfinite().all()


def test_voxels_of_a_bf16_volume_are_exact():
    volume = torch.zeros(1, 64, 2, 2, dtype=torch.bfloat16)
    volume[0, 47, 1, 0] = 1
    voxel = argmax_voxel(volume)
    assert voxel.dtype == torch.float32
    assert voxel.tolist() == [[0, 1, 47]]
