"""From a photograph to a pose: boxes, cameras, and sentences for what cannot be used."""

import html
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.small import NETWORK, studio_batch
from volpose.__main__ import main
from volpose.decode import limb_lengths
from volpose.estimator import Estimator
from volpose.network import NetworkConfig
from volpose.predict import camera_of_file, predict, read_image
from volpose.skeleton import H36M_17

KEYS = {"joints", "pose_mm", "joints_px", "confidence", "root_depth_mm", "root_source"}
KEYS |= {"depth_doubt_mm"}
KEYS |= {"scale", "size_px", "camera_px", "camera_source", "up", "box_source", "weights", "notes"}


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


def with_focal(path, size, millimeters, orientation=1):
    """A photograph as a phone writes it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif.get_ifd(0x8769)[0xA405] = millimeters  # FocalLengthIn35mmFilm
    Image.new("RGB", size, "gray").save(path, exif=exif)


def test_the_focal_length_of_a_photograph_is_in_its_tags(tmp_path):
    path = tmp_path / "photo.jpg"
    with_focal(path, (360, 240), 50)
    camera, words = camera_of_file(path, 360, 240)
    assert camera == pytest.approx([500, 500, 180, 120], abs=0.1)  # film is 36 x 24 mm
    assert "50 mm" in words
    with_focal(path, (360, 240), 50, orientation=6)
    height, width = read_image(path).shape[1:]
    assert camera_of_file(path, width, height)[0] == pytest.approx([500, 500, 120, 180], abs=0.1)
    for unknown in (0, 60000):
        with_focal(path, (360, 240), unknown)
        assert camera_of_file(path, 360, 240) is None
    Image.new("RGB", (9, 9)).save(path)
    assert camera_of_file(path, 9, 9) is None


def test_what_apple_writes_is_to_be_converted(tmp_path):
    (tmp_path / "a.HEIC").write_bytes(b"\0\0\0\x24ftypheic" + bytes(90))
    with pytest.raises(ValueError, match=r"a\.HEIC: not a readable image .*; convert it to JPEG"):
        read_image(tmp_path / "a.HEIC")


# A person who fills a picture of 400 x 400 px.
PERSON = dict(
    zip(
        H36M_17.joints,
        [
            *([200, 200], [180, 200], [180, 270], [180, 340], [220, 200], [220, 270], [220, 340]),
            *([200, 160], [200, 120], [200, 100], [200, 70]),
            *([230, 120], [240, 160], [245, 200], [170, 120], [160, 160], [155, 200]),
        ],
        strict=True,
    )
)


def joints(*missing, dx=0, dy=0):
    at = [None if name in missing else [x + dx, y + dy] for name, (x, y) in PERSON.items()]
    return {"format": "h36m17", "joints_px": at}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in, a picture, and untrained networks as files."""
    monkeypatch.chdir(tmp_path)
    config = NetworkConfig("lift", (8,), 16, 2, 1, 64, 1.0)
    Estimator(config, config.build(), {"mean_limbs_mm": [250.0] * 16}).save("lift.safetensors")
    Estimator(NETWORK, NETWORK.build(), {"mean_limbs_mm": [200.0] * 16}).save("look.safetensors")
    Image.new("RGB", (400, 400), "gray").save("photo.png")
    return tmp_path


def predicted(capsys, *arguments, joints2d=None):
    """What a command writes as JSON, and its notes."""
    if joints2d is not None:
        Path("joints.json").write_text(json.dumps(joints2d))
        arguments = (*arguments, "--joints2d", "joints.json", "--lift", "lift.safetensors")
    assert main(["predict", *arguments, "--json", "out.json"]) == 0
    return json.loads(Path("out.json").read_text()), capsys.readouterr().err


def test_the_focal_length_is_taken_unless_one_is_given(here, everybody, capsys):
    with_focal("phone.jpg", (400, 400), 28)
    content, notes = predicted(capsys, "phone.jpg", joints2d=joints())
    assert content["camera_px"][0] == pytest.approx(28 / 43.27 * 400 * 2**0.5, abs=0.01)
    assert content["camera_source"].startswith("EXIF: focal length 28 mm")
    assert "EXIF: focal length 28 mm" in notes
    given = ["--camera", "700,700,200,200"]
    content, notes = predicted(capsys, "phone.jpg", *given, joints2d=joints())
    assert content["camera_px"] == [700, 700, 200, 200]
    assert content["camera_source"] == "given"
    assert "EXIF" not in notes
    content, notes = predicted(capsys, "phone.jpg", "--weights", "look.safetensors")
    assert content["camera_source"].startswith("EXIF: focal length 28 mm")
    content, notes = predicted(capsys, "photo.png", joints2d=joints())
    assert content["camera_source"].startswith("guessed")


def test_up_is_in_the_record_and_null_without(here, capsys):
    assert predicted(capsys, "photo.png", joints2d=joints())[0]["up"] is None
    content, _ = predicted(capsys, "photo.png", "--up", "0,-1,0.5", joints2d=joints())
    assert content["up"] == [0, -1, 0.5]
    content, _ = predicted(capsys, ".", "--up", "0,-1,0.5", joints2d={"photo.png": joints()})
    assert content["photo.png"]["up"] == [0, -1, 0.5]
    for wrong in ("0,0,0", "0,1", "nan,0,1", "inf,0,0", "up"):
        with pytest.raises(SystemExit):
            main(["predict", "photo.png", "--up", wrong])
        assert f"expected a direction X,Y,Z, got '{wrong}'" in capsys.readouterr().err


def test_a_joint_astray_is_left_out_and_named(here, capsys):
    off = joints()
    off["joints_px"][H36M_17.index("left_wrist")] = [2000, 3000]
    content, notes = predicted(capsys, "photo.png", joints2d=off)
    assert "not given, or too far from all others, so guessed: left_wrist" in notes
    without, _ = predicted(capsys, "photo.png", joints2d=joints("left_wrist"))
    assert content["pose_mm"] == without["pose_mm"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--joints2d", "."], ".: is a folder, expected one JSON file with all joints"),
        (["--camera", "700,700,1e9,200"], "principal point must lie within 3 focal lengths of the"),
    ],
)
def test_what_cannot_be_is_refused(here, capsys, options, words):
    lift = [] if "--camera" in options else ["--lift", "lift.safetensors"]
    weights = ["--weights", "look.safetensors"] if "--camera" in options else []
    assert main(["predict", "photo.png", *options, *lift, *weights]) == 2
    assert words in capsys.readouterr().err


def test_doubts_about_joints_are_said(here, capsys):
    notes = predicted(capsys, "photo.png", joints2d=joints())[1]
    assert "outside" not in notes
    assert "not given" not in notes
    notes = predicted(capsys, "photo.png", joints2d=joints("left_knee", "right_ankle"))[1]
    assert "so guessed: right_ankle, left_knee" in notes
    upside_down = "--up points down in the picture, where y grows"
    assert upside_down in predicted(capsys, "photo.png", "--up", "0,1,0", joints2d=joints())[1]
    assert upside_down not in predicted(capsys, "photo.png", "--up", "1,1,0", joints2d=joints())[1]
    notes = predicted(capsys, "photo.png", joints2d=joints(dy=150))[1]  # legs, hips and hands
    assert "of the 2D joints lie outside of the picture of 400 x 400 px" in notes
    assert "outside" not in predicted(capsys, "photo.png", joints2d=joints(dy=70))[1]  # two feet
    assert "confidence 0.0" in notes  # the network is not trained


@pytest.fixture
def everybody(monkeypatch):
    """An untrained network sees somebody."""
    monkeypatch.setattr("volpose.lift.picture.SOMEBODY", 0.0)


def test_doubts_are_in_the_record_and_on_the_page(here, everybody, capsys):
    content, told = predicted(capsys, "photo.png", "--weights", "look.safetensors")
    assert content["notes"]
    assert all(note in told for note in content["notes"])
    assert content["camera_source"] in told
    assert content["camera_source"] not in content["notes"]  # it has a place of its own
    page = ["--weights", "look.safetensors", "--html", "page.html"]
    assert main(["predict", "photo.png", *page]) == 0
    text = Path("page.html").read_text()
    assert all(f"<li>{html.escape(note)}</li>" in text for note in content["notes"])
    boxed = ["--box", "0,0,400,400", "--camera", "400,400,200,200"]
    if not predicted(capsys, "photo.png", "--weights", "look.safetensors", *boxed)[0]["notes"]:
        assert main(["predict", "photo.png", *page, *boxed]) == 0
        assert '<ul class="doubts"' not in Path("page.html").read_text()


def test_without_a_box_the_answer_is_called_a_guess(here, everybody, capsys):
    words = "give --box X,Y,W,H, 2D joints with --joints2d FILE, or --detect"
    assert words in predicted(capsys, "photo.png", "--weights", "look.safetensors")[1]
    box = ["--box", "0,0,400,400"]
    assert words not in predicted(capsys, "photo.png", "--weights", "look.safetensors", *box)[1]
    assert words not in predicted(capsys, "photo.png", joints2d=joints())[1]


@pytest.fixture
def folder(here):
    for name in ("img10.png", "img2.png", "img1.png"):
        Path("pictures").mkdir(exist_ok=True)
        shutil.copy("photo.png", Path("pictures") / name)
    return "pictures"


def test_pictures_are_in_the_order_of_their_numbers(folder, capsys):
    given = [joints(dx=dx) for dx in (-100, 0, 100)]
    content, _ = predicted(capsys, folder, joints2d=given)
    assert list(content) == ["img1.png", "img2.png", "img10.png"]
    at = [sum(x for x, _ in one["joints_px"]) / 17 for one in content.values()]
    assert at[0] < at[1] - 50 < at[2] - 100
    by_name = {"img10.png": given[2], "img1.png": given[0], "img2.png": given[1]}
    assert predicted(capsys, folder, joints2d=by_name)[0] == content
    Path("joints.json").write_text(json.dumps({"img1.png": given[0], "img2.png": given[1]}))
    options = ["--joints2d", "joints.json", "--lift", "lift.safetensors"]
    assert main(["predict", folder, *options]) == 2
    assert "expected joints of img10.png, or null, found none (1 of 3" in capsys.readouterr().err


def test_what_is_no_picture_is_named_and_hidden_files_are_not_counted(folder, capsys):
    for name in ("._img1.png", "clip.mp4", "phone.heic", "IMG.HEIC"):
        (Path(folder) / name).write_bytes(b"none")
    Image.new("P", (400, 400)).save(Path(folder) / "img3.gif")
    content, notes = predicted(capsys, folder, joints2d=[joints()] * 4)
    assert list(content) == ["img1.png", "img2.png", "img3.gif", "img10.png"]
    assert "skipped IMG.HEIC, clip.mp4, phone.heic: no pictures; convert HEIC to JPEG; " in notes
    assert "._img1" not in notes
    assert notes.count("guessed: focal length") == 1
    assert "img1.png, img2.png, img3.gif, img10.png: guessed: focal length" in notes
