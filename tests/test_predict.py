"""From a photograph to a pose: boxes, cameras, and sentences for what cannot be used."""

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from tests.small import NETWORK, studio_batch
from volpose.decode import limb_lengths
from volpose.estimator import Estimator
from volpose.predict import predict, read_image

KEYS = {"joints", "pose_mm", "joints_px", "confidence", "root_depth_mm", "root_source"}
KEYS |= {"scale", "size_px", "camera_px", "camera_source", "box_source", "weights"}


@pytest.fixture(scope="module")
def estimator():
    batch = studio_batch()
    limbs = Estimator.untrained(NETWORK).skeleton.limbs
    card = {"mean_limbs_mm": limb_lengths(batch.pose, limbs).mean(0).tolist()}
    return Estimator(NETWORK, NETWORK.build(), card)


@pytest.fixture
def photograph():
    return torch.randint(0, 256, (3, 120, 200), dtype=torch.uint8)


def test_the_record_is_complete_and_plain(estimator, photograph):
    result = predict(photograph, estimator, (20, 10, 60, 100), (300, 300, 100, 60), "mine")
    record = json.loads(json.dumps(result.to_json()))
    assert set(record) == KEYS
    assert len(record["joints"]) == len(record["pose_mm"]) == len(record["joints_px"]) == 17
    assert record["pose_mm"][0] == [0, 0, 0]
    assert record["camera_source"] == record["box_source"] == "given"
    assert record["weights"] == "mine"
    assert record["size_px"] == [200, 120]
    assert record["camera_px"] == [300, 300, 100, 60]
    assert all(math.isfinite(x) for row in record["pose_mm"] for x in row)
    assert result.crop.shape == (3, 32, 32)
    assert result.volume.shape == (17, 8, 8, 8)


def test_what_is_not_given_is_named_as_guessed(estimator, photograph):
    result = predict(photograph, estimator)
    assert result.box_source == "whole image"
    assert result.camera_source.startswith("guessed")
    assert result.camera.focal.tolist() == [200, 200]
    assert float(result.box.side) == 200


def test_the_pose_lies_on_the_rays_of_its_pixels(estimator, photograph):
    result = predict(photograph, estimator, (20, 10, 60, 100), (300, 310, 100, 60))
    pose = result.pose_mm.clone()
    root = result.camera.back_project(result.joints_px[:1], torch.tensor([result.root_depth_mm]))
    torch.testing.assert_close(
        result.camera.project(pose + root), result.joints_px, atol=1e-2, rtol=0
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"box": (500, 0, 50, 50)}, "box must overlap the image of 200 x 120 px"),
        ({"box": (0, 0, -5, 20)}, "box width and height must be finite and positive"),
        ({"box": (0, 0, 5)}, "box must be four numbers"),
        ({"box": (math.nan, 0, 5, 5)}, "box"),
        ({"camera": (math.nan, 300, 100, 60)}, "camera focal must be finite and positive"),
        ({"camera": (300, 0, 100, 60)}, "camera focal must be finite and positive"),
        ({"camera": (300, 300, math.inf, 60)}, "camera center must be finite"),
        ({"camera": (300, 300)}, "camera must be four numbers"),
    ],
)
def test_unusable_boxes_and_cameras_are_refused(estimator, photograph, arguments, message):
    with pytest.raises(ValueError, match=message):
        predict(photograph, estimator, **arguments)


def test_images_of_every_mode_become_rgb(tmp_path):
    for mode in ("RGB", "L", "RGBA", "P", "1", "CMYK", "I;16"):
        path = tmp_path / f"{mode.replace(';', '')}.{'jpg' if mode == 'CMYK' else 'png'}"
        Image.new(mode, (7, 5)).save(path)
        assert read_image(path).shape == (3, 5, 7)


def test_exif_rotation_is_followed(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    Image.new("RGB", (7, 5)).save(tmp_path / "turned.jpg", exif=exif)
    assert read_image(tmp_path / "turned.jpg").shape == (3, 7, 5)


def test_missing_truncated_and_foreign_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.jpg: no such image file"):
        read_image(tmp_path / "absent.jpg")
    path = tmp_path / "cut.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(ValueError, match=r"cut\.jpg: not a readable image"):
        read_image(path)
    for content in (b"", b"hello", b"\x89PNG\r\n\x1a\n", bytes(1000)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"cut\.jpg: not a readable image"):
            read_image(path)
