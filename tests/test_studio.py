"""The studio: reproducible pictures, plausible bodies, exact labels, files that survive."""

import json
from collections import Counter
from dataclasses import replace

import pytest
import torch

from volpose.crop import crop_camera, to_crop
from volpose.skeleton import H36M_17
from volpose.studio import (
    ACTIONS,
    TEST_SUBJECTS,
    TRAIN_SUBJECTS,
    Studio,
    Variation,
    paint,
    write_h36m,
)
from volpose.studio.look import FRAME_HEIGHT, FRAME_WIDTH, stack_looks
from volpose.studio.plan import film
from volpose.studio.variation import VARIATIONS

SIZE = 48
QUICK = {name: replace(Variation.named(name), supersample=1) for name in VARIATIONS}
JOINT = {name: number for number, name in enumerate(H36M_17.joints)}


@pytest.fixture(scope="module")
def studio():
    return Studio("train", size=SIZE, count=1200, variation=QUICK["default"])


@pytest.fixture(scope="module")
def wild():
    return Studio("train", size=SIZE, count=1200, variation=QUICK["wild"])


def actors_of(studio, shots):
    painter = studio.stage.painter
    looks = [painter.draw(s.subject, s.take, s.camera, s.key, s.moment) for s in shots]
    look = stack_looks(looks, "cpu")
    return look, studio.stage.act(shots, look)


def pose_world(studio, indices):
    return actors_of(studio, [studio.shot(index) for index in indices])[1]


@pytest.mark.parametrize("variation", VARIATIONS)
def test_a_sample_does_not_depend_on_its_batch(variation):
    studio = Studio("train", size=SIZE, count=1200, variation=QUICK[variation])
    order = [7, 3, 36, 9]
    together = studio.batch(range(3, 37))
    other = Studio("train", size=SIZE, count=600, variation=QUICK[variation]).batch(order)
    alone = [studio[index] for index in order]
    for row, index in enumerate(order):
        reference = together[index - 3]
        for sample in (other[row], alone[row]):
            assert (reference.image.int() - sample.image.int()).abs().max() <= 2
            assert torch.allclose(reference.pose, sample.pose, atol=1e-3)
            assert (reference.subject, reference.action) == (sample.subject, sample.action)
            assert sample.index == index


def test_seeds_and_splits_are_different_worlds(studio):
    index = 4
    others = [Studio("train", SIZE, seed=1), Studio("test", SIZE), Studio("val", SIZE)]
    for other in others:
        assert not torch.allclose(other[index].pose, studio[index].pose, atol=1.0)


def test_every_run_of_samples_is_balanced(studio):
    shots = [studio.shot(index) for index in range(300)]
    assert set(Counter((s.subject, s.action, s.camera) for s in shots).values()) == {1}
    for prefix in (15, 47, 200):
        counts = Counter(shot.action for shot in shots[:prefix])
        assert max(counts.values()) - min(counts[action] for action in ACTIONS) <= 1


def test_splits_share_no_actor_or_take():
    splits = {name: Studio(name, count=3000) for name in ("train", "val", "test")}
    shots = {name: [s.shot(i) for i in range(3000)] for name, s in splits.items()}
    names = {name: {shot.subject for shot in rows} for name, rows in shots.items()}
    assert names["train"] == names["val"] == set(TRAIN_SUBJECTS)
    assert names["test"] == set(TEST_SUBJECTS)
    takes = {name: {shot.take for shot in rows} for name, rows in shots.items()}
    assert not takes["train"] & takes["val"]


def test_limbs_keep_their_lengths(studio):
    lengths = {}
    for subject in ("S1", "S8"):
        shots = [shot for a in ACTIONS for shot in film(subject, a, 3, 0, 4, fps=0.5)]
        joints = actors_of(studio, shots)[1].joints
        # the spine bends between its joints, so only the limbs proper are rigid
        for joint in ("knee", "ankle", "elbow", "wrist"):
            child = JOINT[f"left_{joint}"]
            bone = (joints[:, child] - joints[:, H36M_17.parents[child]]).norm(dim=-1)
            assert bone.max() - bone.min() < 0.01
            lengths[subject, joint] = bone[0]
    assert lengths["S1", "knee"] != lengths["S8", "knee"]
    assert 380 < lengths["S1", "knee"] < 520


def test_actors_stand_on_the_floor(studio):
    indices = range(150)
    lowest = pose_world(studio, indices).vertices[..., 2].amin(1)
    seated = torch.tensor([studio.shot(index).action == "Sitting" for index in indices])
    assert (lowest.abs()[~seated] < 0.1).all()
    assert (lowest[seated] > -0.1).all()
    assert (lowest[seated] < 40).all()


def test_left_is_left_of_the_actor(studio):
    actors = pose_world(studio, range(150))
    yaw = actors.yaw * torch.pi / 180
    facing = torch.stack([yaw.sin(), -yaw.cos(), torch.zeros_like(yaw)], dim=-1)
    up = torch.tensor([0.0, 0.0, 1.0]).double()
    to_left = torch.linalg.cross(up.expand_as(facing), facing)
    pelvis, joints = actors.joints[:, 0], actors.joints
    for side, sign in (("left", 1.0), ("right", -1.0)):
        hip = joints[:, JOINT[f"{side}_hip"]] - pelvis
        assert (sign * (hip * to_left).sum(-1) > 50).all()
    nose = joints[:, JOINT["nose"]] - joints[:, JOINT["head_top"]]
    assert ((nose * facing).sum(-1) > 0).float().mean() > 0.9  # heads turn


def test_knees_and_elbows_bend_the_right_way(studio):
    actors = pose_world(studio, range(13, 600, 15))  # Walking
    yaw = actors.yaw * torch.pi / 180
    facing = torch.stack([yaw.sin(), -yaw.cos(), torch.zeros_like(yaw)], dim=-1)
    for side in ("left", "right"):
        hip, knee, ankle = (
            actors.joints[:, JOINT[f"{side}_{j}"]] for j in ("hip", "knee", "ankle")
        )
        bulge = ((knee - (hip + ankle) / 2) * facing).sum(-1)
        assert (bulge > 0).all()


def test_walkers_walk_where_they_look(studio):
    shots = film("S5", "Walking", 2, 0, 20, fps=10)
    actors = actors_of(studio, shots)[1]
    step = actors.joints[1:, 0] - actors.joints[:-1, 0]
    yaw = actors.yaw[1:] * torch.pi / 180
    forward = step[:, 0] * yaw.sin() - step[:, 1] * yaw.cos()
    speed = forward * 10 / 1000  # m/s
    assert (speed > 0.5).all()
    assert (speed < 2.5).all()


@pytest.mark.parametrize("kind", ["studio", "wild"])
def test_labels_agree_with_each_other(kind, request):
    batch = request.getfixturevalue(kind).batch(range(60))
    joints = batch.joints
    relative = batch.pose[..., 2] - batch.root_depth[:, None]
    assert relative.abs().max() < 1000
    if kind == "studio":
        assert (joints >= 0).all()
        assert (joints <= torch.tensor([FRAME_WIDTH, FRAME_HEIGHT])).all()
        crop = to_crop(joints, batch.box, SIZE)
        assert ((crop > 0) & (crop < SIZE)).all()
    places = batch.places(256)
    crop_joints = crop_camera(batch.camera, batch.box, 256).project(batch.pose)
    assert torch.allclose(places[..., :2], crop_joints, atol=1e-2)
    assert torch.allclose(places[..., 2], relative)
    assert batch.image.shape == (60, 3, SIZE, SIZE)
    assert batch.image.dtype == torch.uint8
    world = batch.camera.to_world(batch.pose)
    assert torch.allclose(batch.camera.to_camera(world), batch.pose, atol=0.1)


def test_the_actor_is_drawn_at_its_joints(monkeypatch):
    quiet = Studio("train", 96, variation=Variation(noise=(0.0, 0.0), exposure=0.0))
    shine = 9.0 * torch.ones(3)
    monkeypatch.setattr(paint, "shade", lambda hits, *_: shine.expand(len(hits.pixel), 3))
    batch = quiet.batch(range(30))
    drawn = (batch.image == 255).all(1)
    places = batch.places(96)[..., :2].long().clamp(0, 95)
    inner = [JOINT[name] for name in ("spine", "thorax", "left_knee", "right_knee", "left_elbow")]
    hit = [drawn[k, y, x] for k in range(30) for x, y in places[k, inner].tolist()]
    assert torch.stack(hit).all()
    assert 0.02 < drawn.float().mean() < 0.4


def test_a_chair_hides_part_of_the_seated_actor(studio):
    quiet = Studio("train", 96, variation=Variation(noise=(0.0, 0.0)))
    indices = [index for index in range(300) if quiet.shot(index).action == "Sitting"]
    with_chair = quiet.batch(indices)
    chair = with_chair.image
    act = quiet.stage.act

    def act_without_chair(shots, look):
        return replace(act(shots, look), seated=torch.zeros(len(shots)).double())

    quiet.stage.act = act_without_chair
    bare = quiet.batch(indices).image
    differs = ((chair.int() - bare.int()).abs().sum(1) > 6).flatten(1).float().mean(1)
    assert (differs > 0.03).all()
    hips = with_chair.places(96)[:, [JOINT["pelvis"], JOINT["spine"]], :2].long()
    hidden = [
        ((chair[k, :, y, x].int() - bare[k, :, y, x].int()).abs().sum() > 6)
        for k in range(len(indices))
        for x, y in hips[k].tolist()
    ]
    assert 0.1 < torch.stack(hidden).float().mean() < 0.9


def test_wild_pictures_vary_more(studio, wild):
    usual, varied = studio.batch(range(30)), wild.batch(range(30))
    assert len({tuple(row) for row in usual.camera.position.tolist()}) == 4
    assert len({tuple(row) for row in varied.camera.position.tolist()}) == 30
    assert varied.camera.focal[:, 0].max() > 1.5 * varied.camera.focal[:, 0].min()
    height = varied.camera.position[:, 2]
    assert height.min() >= 500
    assert height.max() <= 3000
    brightness = [batch.image.float().mean((1, 2, 3)).std() for batch in (usual, varied)]
    assert brightness[1] > 2 * brightness[0]
    knee = varied.pose[:, JOINT["left_knee"]] - varied.pose[:, JOINT["left_hip"]]
    assert len(set(knee.norm(dim=-1).round().tolist())) > 10


def test_boxes_from_anywhere_miss_the_actor_or_show_him_small_and_the_rest_stays(wild):
    anywhere = Studio("train", size=SIZE, count=1200, variation=QUICK["anywhere"])
    usual, astray = wild.batch(range(60)), anywhere.batch(range(60))
    assert torch.equal(usual.pose, astray.pose)
    assert torch.equal(usual.camera.position, astray.camera.position)
    away = ~torch.isclose(usual.box.side, astray.box.side)
    assert 0.2 < away.float().mean() < 0.6
    assert torch.equal(usual.image[~away], astray.image[~away])
    crop = to_crop(astray.camera.project(astray.pose), astray.box, 1.0)
    inside = ((crop > 0) & (crop < 1)).all(-1).float().mean(1)
    assert (inside[~away] > 0.7).all()
    assert (inside[away] < 0.3).any()
    extent = (crop.amax(1) - crop.amin(1)).amax(-1)
    assert (extent[away & (inside == 1)] < 0.5).any()


def test_hard_poses_leave_their_actions_and_stay_possible(studio):
    hard = Studio("train", size=SIZE, count=1200, variation=QUICK["hard"])
    shots = [studio.shot(index) for index in range(60)]
    usual, wide = (actors_of(s, shots)[1].joints for s in (studio, hard))
    usual, wide = (joints - joints[:, :1] for joints in (usual, wide))
    apart = [(p - p.mean(0)).norm(dim=-1).mean() for p in (usual, wide)]
    assert apart[1] > 1.05 * apart[0]
    again = actors_of(hard, shots)[1]
    assert torch.equal(again.joints - again.joints[:, :1], wide)
    assert (again.vertices[..., 2].amin(1) > -1).all()  # nobody sinks into the floor
    # smooth in time: a film at 25 frames a second moves, and does not jump
    moved = hard.sequence("S1", "Posing", frames=8, fps=25).pose.diff(dim=0).norm(dim=-1)
    assert moved.mean() > 0.1
    assert moved.max() < 250


def test_no_spread_is_the_action_itself(studio):
    still = Studio("train", size=SIZE, count=1200, variation=replace(QUICK["default"]))
    wide = replace(QUICK["default"], pose_spread=0.5)
    wide = Studio("train", size=SIZE, count=1200, variation=wide)
    assert torch.equal(still[4].pose, studio[4].pose)
    assert not torch.allclose(wide[4].pose, studio[4].pose, atol=1.0)


def test_a_sequence_is_a_film(studio):
    batch = studio.sequence("S9", "Greeting", take=2, camera=1, frames=6, fps=25)
    assert batch.subject == ["S9"] * 6
    assert batch.action == ["Greeting"] * 6
    assert (batch.camera.position == batch.camera.position[0]).all()
    moved = (batch.pose[1:] - batch.pose[:-1]).norm(dim=-1)
    assert moved.max() < 200
    assert moved.mean() > 0.5
    longer = studio.sequence("S9", "Greeting", take=2, camera=1, frames=8, fps=25)
    assert torch.equal(longer.image[:6], batch.image)


def test_batches_cover_the_split():
    studio = Studio("val", size=16, count=10)
    batches = list(studio.batches(4))
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert [i for batch in batches for i in batch.index] == list(range(10))
    with pytest.raises(IndexError, match="below 10"):
        studio[10]
    assert len(list(studio)) == 10


def test_bad_arguments_are_named(studio):
    for arguments, words in (
        ({"split": "dev"}, "split must be one of train, val, test"),
        ({"size": 0}, "size must be 16 to 1024"),
        ({"seed": -1}, "seed must not be negative"),
        ({"count": 0}, "count must be at least 1"),
        ({"variation": "tame"}, "variation must be one of default, hard, wild"),
    ):
        with pytest.raises(ValueError, match=words):
            Studio(**arguments)
    for arguments, words in (
        (("S1", "Dancing"), "action must be one of Directions"),
        (("S2", "Walking"), "subject must be one of S1"),
        (("S1", "Walking", 0, 4), "camera must be 0 to 3"),
        (("S1", "Walking", 0, 0, 0), "frames and fps must be positive"),
    ):
        with pytest.raises(ValueError, match=words):
            studio.sequence(*arguments)
    with pytest.raises(ValueError, match="must name at least one sample"):
        studio.batch([])
    with pytest.raises(ValueError, match="blur must not be negative"):
        Variation(blur=-1.0)
    with pytest.raises(ValueError, match="must be \\(low, high\\)"):
        Variation(noise=(0.2, 0.1))
    with pytest.raises(ValueError, match="fixed cameras"):
        write_h36m(Studio(variation="wild"), "unused", [0])


def test_variation_survives_json():
    for name in VARIATIONS:
        variation = Variation.named(name)
        assert Variation.from_json(json.loads(json.dumps(variation.to_json()))) == variation


def test_supersampling_keeps_the_picture():
    plain = Studio("train", 64, variation=Variation(supersample=1)).batch(range(8))
    fine = Studio("train", 64, variation=Variation(supersample=2)).batch(range(8))
    assert torch.equal(plain.pose, fine.pose)
    assert (plain.image.float() - fine.image.float()).abs().mean() < 4
    assert Studio("train", 64).variation.supersample == 2
    assert Studio("train", 128).variation.supersample == 1


def test_body_knows_where_it_comes_from(studio):
    provenance = json.loads(studio.stage.body.provenance)
    assert provenance["script"] == "tools/bake_body.py"
    assert "CC0" in provenance["licence"]
