"""Videos and pictures whose 2D joints are known: lifted, written, and read back by others."""

import json
from contextlib import contextmanager
from pathlib import Path

import jsonschema
import pytest
import torch
from PIL import Image

from tests.test_animate import read_back
from volpose.__main__ import main
from volpose.animate import rest_directions
from volpose.commands import predict
from volpose.decode import limb_lengths
from volpose.estimator import Estimator
from volpose.lift import film as films
from volpose.lift.faults import Found
from volpose.lift.film import lift_film
from volpose.lift.heatmaps import framed
from volpose.lift.lifter import Lifter
from volpose.lift.picture import own_joints
from volpose.metrics import root_relative
from volpose.network import NetworkConfig
from volpose.plot.frames import draw_on_picture
from volpose.skeleton import H36M_17
from volpose.studio import Studio
from volpose.video import Video, write_video

SCHEMAS = Path(films.__file__).parents[1] / "schemas"
FRAMES, FPS = 12, 25.0


@pytest.fixture(scope="module")
def film():
    return Studio("test", size=32).sequence("S9", "Walking", frames=FRAMES, fps=FPS)


@pytest.fixture(scope="module")
def lifter(film):
    """An untrained network that knows how long limbs are."""
    torch.manual_seed(0)
    config = NetworkConfig("lift", (8,), 16, 2, 1, 64, 1.0)
    lengths = limb_lengths(film.pose, H36M_17.limbs).mean(0)
    return Lifter(Estimator(config, config.build(), {"mean_limbs_mm": lengths.tolist()}))


@pytest.fixture(scope="module")
def found(film):
    return Found(film.joints, torch.ones(FRAMES, H36M_17.num_joints))


def true_places(film, found, lifter):
    """Stands for the network: the places as they are."""
    camera = film.camera[0]
    _, view, _ = framed(found, camera, lifter.grid.crop_size)
    turned = view.to_camera(film.pose)
    depth = turned[..., 2] - turned[:, :1, 2]

    def places(self, crop, *_):
        return torch.cat([crop.joints, depth[..., None]], -1), crop.confidence

    return places


def test_a_film_is_where_it_was(film, found, lifter, monkeypatch):
    monkeypatch.setattr(Lifter, "places", true_places(film, found, lifter))
    motion = lift_film(found, film.camera[0], lifter, FPS)
    away = (motion.pose_mm - root_relative(film.pose)).norm(dim=-1)
    assert away.mean() < 12
    assert away[2:-2].max() < 40  # a foot that swings is smoothed
    off = (motion.root_mm - film.pose[:, 0]).norm(dim=-1)
    assert off.mean() < 0.02 * film.pose[:, 0, 2].mean()
    px = (motion.joints_px - film.joints).norm(dim=-1)  # of a picture of 1000 px
    assert px.mean() < 3
    assert px[2:-2].max() < 10
    assert motion.seen.all()


def test_frames_without_anybody_lie_between_their_neighbors(film, found, lifter):
    sure = found.confidence.clone()
    sure[0], sure[5:7] = 0, 0
    motion = lift_film(Found(found.joints, sure), film.camera[0], lifter, FPS)
    assert motion.seen.tolist() == [k not in (0, 5, 6) for k in range(FRAMES)]
    whole = motion.whole_mm
    torch.testing.assert_close(whole[5], torch.lerp(whole[4], whole[7], 1 / 3), atol=0.1, rtol=0)
    torch.testing.assert_close(whole[0], whole[1])
    assert (motion.confidence[~motion.seen] == 0).all()


def test_another_person_who_is_found_for_a_moment_is_left_out(film, found, lifter):
    joints = found.joints.clone()
    joints[4] += 700
    joints[8] = joints[8].mean(0) + 2 * (joints[8] - joints[8].mean(0))
    motion = lift_film(Found(joints, found.confidence), film.camera[0], lifter, FPS)
    assert motion.seen.tolist() == [k not in (4, 8) for k in range(FRAMES)]


def test_a_gap_takes_its_time(film, found, lifter, monkeypatch):
    """A person who glides on evenly does so through frames where nobody was found."""
    glide = film.joints[:1] + 5 * torch.arange(FRAMES)[:, None, None]
    sure = found.confidence.clone()
    sure[4:9] = 0
    monkeypatch.setattr(films, "STRIDE", films.CALM)
    camera = film.camera[0]

    def places(self, crop, *_):
        return torch.cat([crop.joints, torch.zeros_like(crop.joints[..., :1])], -1), crop.confidence

    monkeypatch.setattr(Lifter, "places", places)
    whole = lift_film(Found(glide, sure), camera, lifter, FPS)
    gone = lift_film(Found(glide, found.confidence), camera, lifter, FPS)
    torch.testing.assert_close(whole.joints_px, gone.joints_px, atol=0.3, rtol=0)


@pytest.mark.parametrize("parts", [("knee", "ankle", "hip"), ("shoulder", "elbow", "wrist"), ("",)])
def test_sides_that_were_exchanged_for_a_moment_are_changed_back(film, found, parts):
    seen = torch.ones(FRAMES, dtype=torch.bool)
    kept = films._own_sides(found, seen, FPS)
    assert torch.equal(kept.joints, found.joints)
    joints, sure = found.joints.clone(), found.confidence.clone()
    sure[:, H36M_17.index("left_knee")] = 0.5
    rows = [j for j, name in enumerate(H36M_17.joints) if name.endswith(parts)]
    twins = [H36M_17.mirror[j] for j in rows]
    wrong, doubts = joints.clone(), sure.clone()
    for k in (2, 3, 8):
        wrong[k, rows], doubts[k, rows] = joints[k, twins], sure[k, twins]
    back = films._own_sides(Found(wrong, doubts), seen, FPS)
    torch.testing.assert_close(back.joints, joints)
    torch.testing.assert_close(back.confidence, sure)
    hidden = torch.zeros_like(sure)
    hidden[:, 0], hidden[:, 7:11] = 1, 1  # neither arms nor legs
    assert torch.equal(films._own_sides(Found(joints, hidden), seen, FPS).joints, joints)


def test_too_little_for_a_film_is_said(film, found, lifter):
    sure = torch.zeros_like(found.confidence)
    sure[3] = 1
    with pytest.raises(ValueError, match="two frames with at least 4 joints of a person, got 1"):
        lift_film(Found(found.joints, sure), film.camera[0], lifter, FPS)
    with pytest.raises(ValueError, match="fps must be positive"):
        lift_film(found, film.camera[0], lifter, 0.0)


@pytest.fixture
def files(film, found, lifter, tmp_path, monkeypatch):
    """A video, its joints, and the network, as files."""
    monkeypatch.chdir(tmp_path)
    gray = torch.full((3, 64, 96), 90, dtype=torch.uint8)
    write_video("walk.mp4", [gray] * FRAMES, FPS)
    lifter.network.save("lift.safetensors")
    frames = [{"format": "h36m17", "joints_px": j.tolist()} for j in found.joints]
    frames[4] = None
    Path("joints.json").write_text(json.dumps(frames))
    Path("one.json").write_text(json.dumps(frames[0]))
    Image.new("RGB", (1000, 1002), "gray").save("photo.png")
    return tmp_path


def of_schema(name, path):
    content = json.loads(Path(path).read_text())
    jsonschema.validate(content, json.loads((SCHEMAS / name).read_text()))
    return content


def test_a_video_comes_out_in_every_form(files):
    options = ["--joints2d", "joints.json", "--lift", "lift.safetensors"]
    outputs = [f"--{kind}=out.{kind}" for kind in ("json", "html", "bvh", "csv")]
    assert main(["predict", "walk.mp4", *options, *outputs, "--draw", "out.mp4"]) == 0
    content = of_schema("film.json", "out.json")
    assert content["fps"] == FPS
    assert [frame["seen"] for frame in content["frames"]] == [k != 4 for k in range(FRAMES)]
    assert content["joints_source"] == "joints.json"
    whole = torch.tensor([f["root_mm"] for f in content["frames"]], dtype=torch.float64)[:, None]
    whole = whole + torch.tensor([f["pose_mm"] for f in content["frames"]])
    torch.testing.assert_close(read_back(Path("out.bvh"))[:, 0], whole[:, 0], atol=0.2, rtol=0)
    assert len(Path("out.csv").read_text().splitlines()) == FRAMES + 1
    assert len(list(Video("out.mp4"))) == FRAMES
    page = Path("out.html").read_text()
    assert "In 1 of 12 frames nobody was found" in page
    assert "http" not in page.split("<script>")[0].replace("http-equiv", "")


def test_a_picture_with_joints(files):
    options = ["--joints2d", "one.json", "--lift", "lift.safetensors"]
    outputs = ["--json", "out.json", "--html", "out.html", "--draw", "out.png"]
    assert main(["predict", "photo.png", *options, *outputs]) == 0
    content = of_schema("prediction.json", "out.json")
    assert content["box_source"] == "around the 2D joints (one.json)"
    assert Image.open("out.png").size == (1000, 1002)


def test_a_folder_of_pictures(files):
    folder = Path("pictures")
    folder.mkdir()
    for name in ("a.png", "b.jpg"):
        Image.open("photo.png").save(folder / name)
    joints = json.loads(Path("joints.json").read_text())
    Path("two.json").write_text(json.dumps(joints[:2]))
    options = ["--lift", "lift.safetensors", "--json", "out.json", "--draw", "drawn"]
    assert main(["predict", "pictures", "--joints2d", "two.json", *options]) == 0
    assert list(json.loads(Path("out.json").read_text())) == ["a.png", "b.jpg"]
    assert sorted(p.name for p in Path("drawn").iterdir()) == ["a.png", "b.png"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["photo.png", "--joints2d", "joints.json"], "expected joints of 1 pictures, found 12"),
        (["photo.png", "--joints2d", "one.json", "--bvh", "a.bvh"], "--bvh cannot be chosen for"),
        (["photo.png", "--joints2d", "one.json", "--detect"], "give one"),
        (["photo.png", "--joints2d", "one.json", "--json", "a", "--html", "a"], "two outputs"),
        (["photo.png", "--joints2d", "none.json"], "none.json: no such file"),
        (["walk.mp4", "--joints2d", "one.json"], "a film needs two frames"),
        (["nothing.mp4", "--joints2d", "joints.json"], "nothing.mp4: no such video"),
        ([".", "--joints2d", "two.json", "--csv", "a.csv"], "--csv cannot be chosen for a folder"),
    ],
)
def test_what_cannot_be_done_is_said_and_leaves_nothing(files, capsys, arguments, sentence):
    before = sorted(files.iterdir())
    assert main(["predict", *arguments, "--lift", "lift.safetensors"]) == 2
    assert sentence in capsys.readouterr().err
    assert sorted(files.iterdir()) == before


def test_the_box_follows_the_joints(monkeypatch):
    def places(self, crop, *_):
        at = 10 + 44 * torch.rand(1, 17, 2)  # joints fill two thirds of every box
        return torch.cat([at, torch.zeros(1, 17, 1)], -1), torch.ones(1, 17)

    monkeypatch.setattr(Estimator, "places", places)
    network = NetworkConfig(z_bins=(1, 8), features=16, hourglass_depth=2, image_size=64)
    torch.manual_seed(0)
    frames = torch.zeros(3, 3, 200, 300, dtype=torch.uint8)
    found = own_joints(frames, Estimator.untrained(network), (100, 50, 80, 80))
    assert found.joints.shape == (3, 17, 2)
    extent = (found.joints.amax(1) - found.joints.amin(1)).amax(-1)
    assert extent.max() < 80
    assert ((found.joints.mean(1) - torch.tensor([140.0, 90.0])).norm(dim=-1) < 40).all()


def test_limbs_are_drawn_where_the_joints_are():
    image = torch.zeros(3, 300, 300, dtype=torch.uint8)
    directions = torch.from_numpy(rest_directions(H36M_17)[:, :2])
    joints = torch.full((H36M_17.num_joints, 2), 150.0, dtype=torch.float64)
    for parent, joint in sorted(H36M_17.limbs, key=lambda limb: limb[1]):
        joints[joint] = joints[parent] + 30 * directions[joint] * torch.tensor([1.0, -1.0])
    drawn = draw_on_picture(image, joints, H36M_17)
    assert not image.any()
    for side, color in (("left", (0xD5, 0x5E, 0x00)), ("right", (0x00, 0x9E, 0x73))):
        knee, ankle = (joints[H36M_17.index(f"{side}_{part}")] for part in ("knee", "ankle"))
        x, y = torch.lerp(knee, ankle, 0.06).round().int().tolist()
        assert tuple(drawn[:, y, x].tolist()) == color


@pytest.mark.parametrize(
    ("options", "model"),
    [(["--detect"], None), (["--detector", "full.task"], Path("full.task"))],
)
def test_an_installed_detector_finds_the_joints(files, monkeypatch, options, model):
    used = []

    @contextmanager
    def detector(model):
        used.append(model)
        yield lambda image: json.loads(Path("one.json").read_text())

    monkeypatch.setattr(predict, "Detector", detector)
    outputs = ["--lift", "lift.safetensors", "--json", "out.json"]
    assert main(["predict", "photo.png", *options, *outputs]) == 0
    assert of_schema("prediction.json", "out.json")["box_source"].endswith("(MediaPipe)")
    assert main(["predict", "walk.mp4", *options, *outputs]) == 0
    assert of_schema("film.json", "out.json")["joints_source"] == "MediaPipe"
    assert used == [model, model]
