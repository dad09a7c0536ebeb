"""2D joints of any detector end up on the right side of the right body."""

import json

import pytest
import torch

from volpose.lift.formats import FORMATS, LEAST, read_joints, to_h36m
from volpose.skeleton import H36M_17

# A person who faces the camera (x right, y down): the left of the body is at x > 0.
FACING = {
    "head_top": (0, -78),
    "nose": (0, -64),
    "neck": (0, -55),
    "left_eye": (3, -67),
    "left_ear": (7, -65),
    "mouth_left": (2, -61),
    "left_shoulder": (18, -45),
    "left_elbow": (25, -20),
    "left_wrist": (27, 5),
    "left_hip": (12, 0),
    "left_knee": (13, 45),
    "left_ankle": (14, 88),
    "pelvis": (0, 0),
    "spine": (0, -22.5),
    "thorax": (0, -45),
}
FACING |= {n.replace("left", "right"): (-x, y) for n, (x, y) in FACING.items() if "left" in n}
every_format = pytest.mark.parametrize("format", FORMATS)


def seen(format: str, person: dict = FACING) -> tuple[torch.Tensor, torch.Tensor]:
    joints = torch.tensor([person.get(n, (torch.nan,) * 2) for n in FORMATS[format]]).float()
    return joints, torch.linspace(0.6, 0.9, len(joints))


@every_format
def test_the_body_stays_the_body(format):
    found = to_h36m(*seen(format), format)
    assert bool((found.confidence >= 0.6).all())
    place = dict(zip(H36M_17.joints, found.joints.tolist(), strict=True))
    for name, (x, _) in place.items():
        side = 1 if name.startswith("left") else -1 if name.startswith("right") else 0
        assert (x > 5) - (x < -5) == side, name
    for side in ("left", "right"):
        for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
            assert place[f"{side}_{part}"] == pytest.approx(FACING[f"{side}_{part}"])
    column = ("head_top", "nose", "thorax", "spine", "pelvis", "left_knee", "left_ankle")
    heights = [place[name][1] for name in column]
    assert heights == sorted(heights)
    assert place["pelvis"] == pytest.approx((0, 0))
    assert place["head_top"][1] == pytest.approx(FACING["head_top"][1], abs=4)


@every_format
def test_a_person_seen_from_behind_has_the_left_on_the_left(format):
    behind = {name: (-x, y) for name, (x, y) in FACING.items()}
    joints = to_h36m(*seen(format, behind), format).joints
    assert joints[H36M_17.index("left_hip"), 0] < joints[H36M_17.index("right_hip"), 0]
    assert joints[H36M_17.index("left_wrist"), 0] < joints[H36M_17.index("right_wrist"), 0]


def test_numbers_that_the_makers_publish():
    assert FORMATS["body25"][8] == "pelvis"
    assert FORMATS["body25"][4] == "right_wrist"
    assert FORMATS["mediapipe33"][15] == "left_wrist"
    assert FORMATS["mediapipe33"][28] == "right_ankle"
    assert [len(names) for names in FORMATS.values()] == [17, 17, 16, 25, 33]


@every_format
def test_what_rests_on_a_missing_joint_is_missing(format):
    joints, sure = seen(format)
    for name in ("left_hip", "pelvis", "spine"):
        if name in FORMATS[format]:
            sure[FORMATS[format].index(name)] = 0
    found = to_h36m(joints, sure, format)
    for name in ("left_hip", "pelvis", "spine"):
        assert found.confidence[H36M_17.index(name)] == 0
    assert found.confidence[H36M_17.index("thorax")] > 0
    assert bool(found.joints.isfinite().all())


@pytest.mark.parametrize("hidden", [["left_ear"], ["right_ear"], ["left_ear", "right_ear"]])
def test_in_profile_one_ear_or_the_eyes_give_the_crown(hidden):
    joints, sure = seen("coco17")
    sure[[FORMATS["coco17"].index(name) for name in hidden]] = 0
    found = to_h36m(joints, sure, "coco17")
    crown = H36M_17.index("head_top")
    assert found.confidence[crown] > 0
    assert found.joints[crown, 1] == pytest.approx(FACING["head_top"][1], abs=6)


def test_a_joint_put_together_is_as_certain_as_its_least_certain_part():
    joints, sure = seen("coco17")
    sure[:] = 0.9
    sure[FORMATS["coco17"].index("right_hip")] = 0.3
    found = to_h36m(joints, sure, "coco17")
    assert found.confidence[H36M_17.root] == pytest.approx(0.3)
    assert found.confidence[H36M_17.index("thorax")] == pytest.approx(0.9)


def frame(**changes) -> dict:
    joints = [[float(i), float(-i)] for i in range(17)]
    return {"format": "coco17", "joints_px": joints, "confidence": [0.5] * 17} | changes


def test_a_joint_that_the_detector_hardly_believes_in_is_missing():
    joints, sure = torch.full((17, 2), 50.0), torch.full((17,), 0.8)
    sure[[3, 5]] = torch.tensor([LEAST / 2, LEAST])
    found = to_h36m(joints, sure, "h36m17")
    assert (found.confidence > 0).tolist() == [joint != 3 for joint in range(17)]


def test_pictures_and_videos_are_read(tmp_path):
    path = tmp_path / "joints.json"
    path.write_text(json.dumps(frame()))
    one = read_joints(path)
    path.write_text(json.dumps([frame(), frame(confidence=None), frame(joints_px=[None] * 17)]))
    three = read_joints(path)
    assert one.joints.shape == (1, 17, 2)
    assert three.joints.shape == (3, 17, 2)
    assert torch.equal(three.joints[0], one.joints[0])
    assert three.confidence[1].max() == 1
    assert three.confidence[2].max() == 0


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "joints.json: damaged, or not a JSON file"),
        ("[]", "expected at least one frame, found none"),
        ("3", "expected an object with format and joints_px, found int"),
        (frame(format="coco"), "format: expected one of .*coco17.*, found 'coco'"),
        (frame(format=None), "format: expected one of .*, found None"),
        (
            frame(joints_px=[[0, 0]]),
            "joints_px of coco17: expected a list of 17, found a list of 1",
        ),
        (frame(joints_px=None), "joints_px of coco17: expected a list of 17, found nothing"),
        (frame(joints_px=[[0, "a"]] * 17), r"joints_px\[0\]: expected \[x, y\] in px or null"),
        (frame(joints_px=[[0, 1e300]] * 17), r"joints_px\[0\]: expected px within"),
        (frame(joints_px=[[0, 10**400]] * 17), r"joints_px\[0\]: expected px within"),
        (frame(confidence=[1.0]), "confidence of coco17: expected a list of 17, found a list of 1"),
        (frame(confidence=[-1] * 17), r"confidence\[0\]: expected a number from 0 to 1, found -1"),
        ([frame(), frame(confidence=[True] * 17)], r"frame 1: confidence\[0\]: .* found True"),
    ],
)
def test_bad_files_are_refused_in_one_sentence(tmp_path, content, sentence):
    path = tmp_path / "joints.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ValueError, match=sentence) as error:
        read_joints(path)
    assert str(error.value).startswith(str(path))


def test_unknown_formats_and_counts_are_refused():
    with pytest.raises(ValueError, match="format must be one of h36m17"):
        to_h36m(torch.zeros(17, 2), torch.ones(17), "kinect")
    with pytest.raises(ValueError, match="body25 has 25 joints, got 17"):
        to_h36m(torch.zeros(17, 2), torch.ones(17), "body25")
