"""2D joints of any detector end up on the right side of the right body."""

import json
import math
import re

import pytest
import torch

from volpose.lift.formats import FORMATS, LEAST, joints_of, read_joints, to_h36m
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
PARTS = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
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
@pytest.mark.parametrize("name", [n for n in FACING if n.endswith(PARTS)])
def test_a_joint_astray_is_left_out_before_others_are_put_together(format, name):
    joints, sure = seen(format)
    joints[FORMATS[format].index(name)] = torch.tensor([900.0, -500.0])
    points = [point if point[0] == point[0] else None for point in joints.tolist()]
    frame = {"format": format, "joints_px": points, "confidence": sure.tolist()}
    found = joints_of(frame)
    assert (found.confidence[0] == 0).nonzero()[:, 0].tolist() == lost_with(format, name)
    assert bool((found.joints.abs() < 100).all())


def lost_with(format, name):
    """Joints that are not found when one of a format is not."""
    joints, sure = seen(format)
    sure[FORMATS[format].index(name)] = 0
    return (to_h36m(joints, sure, format).confidence == 0).nonzero()[:, 0].tolist()


@every_format
def test_a_person_seen_from_behind_has_the_left_on_the_left(format):
    behind = {name: (-x, y) for name, (x, y) in FACING.items()}
    joints = to_h36m(*seen(format, behind), format).joints
    assert joints[H36M_17.index("left_hip"), 0] < joints[H36M_17.index("right_hip"), 0]
    assert joints[H36M_17.index("left_wrist"), 0] < joints[H36M_17.index("right_wrist"), 0]


# The joints in their makers' own words, in the order that they publish.
PUBLISHED = {
    # VideoPose3D and the many that followed it: Hip, RHip, ..., of Human3.6M's 32 those that move
    "h36m17": """Hip RHip RKnee RFoot LHip LKnee LFoot Spine Thorax Neck/Nose Head
        LShoulder LElbow LWrist RShoulder RElbow RWrist""",
    # "keypoints" of the category in COCO's person_keypoints_val2017.json
    "coco17": """nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow
        right_elbow left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle
        right_ankle""",
    # annorect.annopoints.point.id of MPII's readme, 0 to 15
    "mpii16": """r_ankle r_knee r_hip l_hip l_knee l_ankle pelvis thorax upper_neck head_top r_wrist
        r_elbow r_shoulder l_shoulder l_elbow l_wrist""",
    # POSE_BODY_25_BODY_PARTS of OpenPose
    "body25": """Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist MidHip RHip RKnee RAnkle
        LHip LKnee LAnkle REye LEye REar LEar LBigToe LSmallToe LHeel RBigToe RSmallToe RHeel""",
    # PoseLandmarker's list, 0 to 32
    "mediapipe33": """nose left_eye_(inner) left_eye left_eye_(outer) right_eye_(inner) right_eye
        right_eye_(outer) left_ear right_ear mouth_(left) mouth_(right) left_shoulder right_shoulder
        left_elbow right_elbow left_wrist right_wrist left_pinky right_pinky left_index right_index
        left_thumb right_thumb left_hip right_hip left_knee right_knee left_ankle right_ankle
        left_heel right_heel left_foot_index right_foot_index""",
}
OTHER_WORDS = {
    "Hip": "pelvis",
    "MidHip": "pelvis",
    "Neck/Nose": "nose",
    "Head": "head_top",
    "Neck": "thorax",
    "upper_neck": "neck",
    "LFoot": "left_ankle",
    "RFoot": "right_ankle",
}


def in_our_words(name: str) -> str:
    """LBigToe, l_big_toe and left_big_toe are left_big_toe."""
    if name in OTHER_WORDS:
        return OTHER_WORDS[name]
    name = re.sub("(?<!^)(?=[A-Z])", "_", name).lower().replace("(", "").replace(")", "")
    return re.sub("^l_", "left_", re.sub("^r_", "right_", name))


@every_format
def test_the_orders_are_those_that_the_makers_publish(format):
    assert list(FORMATS[format]) == [in_our_words(name) for name in PUBLISHED[format].split()]


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


def test_zero_zero_is_no_joint_unless_it_has_a_confidence(tmp_path):
    """OpenPose and COCO put the joints there that they did not find."""
    path = tmp_path / "joints.json"
    joints = [[x + 1, y + 1] for x, y in (FACING[name] for name in H36M_17.joints)]
    joints[2], joints[3], joints[4] = [0, 0], [0.0, 0.0], [0, 0.5]
    one = {"format": "h36m17", "joints_px": joints}
    path.write_text(json.dumps(one))
    assert (read_joints(path).confidence[0] == 0).nonzero()[:, 0].tolist() == [2, 3]
    path.write_text(json.dumps(one | {"confidence": [0.7] * 17}))
    assert bool((read_joints(path).confidence > 0).all())


def test_nan_and_null_are_joints_that_were_not_found(tmp_path):
    path = tmp_path / "joints.json"
    joints = [[100.0 + i, 200.0] for i in range(17)]
    joints[1], joints[2], joints[5] = [math.nan, math.nan], [3.0, math.nan], None
    sure = [0.9] * 17
    sure[5], sure[6], sure[12] = None, None, math.nan
    path.write_text(json.dumps({"format": "h36m17", "joints_px": joints, "confidence": sure}))
    assert "NaN" in path.read_text()
    found = read_joints(path)
    assert (found.confidence[0] == 0).nonzero()[:, 0].tolist() == [1, 2, 5, 6, 12]
    assert bool(found.joints.isfinite().all())


def test_peaks_a_little_over_1_and_the_visibilities_of_coco_are_confidences():
    sure = [0.5] * 16 + [1.04]
    assert joints_of(frame(format="h36m17", confidence=sure)).confidence[0, -1] == 1
    seen = joints_of(frame(confidence=[0, 1, 2] + [2] * 14))
    assert seen.confidence.unique().tolist() == [0, 1]
    assert seen.confidence[0, H36M_17.index("left_wrist")] == 1


def test_joints_by_the_names_of_pictures(tmp_path):
    path = tmp_path / "joints.json"
    first, second = frame(), frame(confidence=[0.9] * 17)
    path.write_text(json.dumps({"b.jpg": second, "c.jpg": None, "a.jpg": first}))
    found = read_joints(path, ["a.jpg", "b.jpg", "c.jpg"])
    assert [float(sure.max()) for sure in found.confidence] == pytest.approx([0.5, 0.9, 0])
    sentence = r"joints.json: expected joints of d.jpg, or null, found none \(2 of 3 pictures"
    with pytest.raises(ValueError, match=sentence):
        read_joints(path, ["a.jpg", "d.jpg", "e.jpg"])
    path.write_text(json.dumps({"a.jpg": frame(format="coco")}))
    with pytest.raises(ValueError, match=r"joints.json: a.jpg: format: expected one of"):
        read_joints(path, ["a.jpg"])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "joints.json: damaged, or not a JSON file"),
        ("[]", "expected at least one frame, found none"),
        ("3", "expected an object with format and joints_px, found int"),
        (frame(format="coco"), "format: expected one of .*coco17.*, found 'coco'"),
        (frame(format=None), "format: expected one of .*, found nothing"),
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
        (frame(confidence=[90] * 17), r"confidence\[0\]: expected a number from 0 to 1, found 90"),
        (frame(confidence=[2] * 16 + [0.5]), r"confidence\[0\]: .* found 2"),
        (frame(format="h36m17", confidence=[2] * 17), r"confidence\[0\]: .* found 2"),
        (frame(confidence=[math.inf] * 17), r"confidence\[0\]: .* found inf"),
        (frame(joints_px=[[0, math.inf]] * 17), r"joints_px\[0\]: expected \[x, y\] in px or null"),
        ("{}", "format: expected one of .*, found nothing"),
        ({"a.jpg": frame()}, "format: expected one of .*, found nothing"),
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
