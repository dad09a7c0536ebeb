"""Videos and pictures whose 2D joints are known: lifted, written, and read back by others."""

import json
from contextlib import contextmanager
from dataclasses import replace
from itertools import repeat
from pathlib import Path

import jsonschema
import pytest
import torch
from PIL import Image
from referencing import Registry

from tests.test_animate import read_back
from volpose import pretrained
from volpose.__main__ import main
from volpose.animate import rest_directions
from volpose.camera import Camera
from volpose.commands import film as film_command
from volpose.commands import predict
from volpose.crop import Box
from volpose.decode import limb_lengths
from volpose.estimator import Estimator
from volpose.lift import film as films
from volpose.lift.faults import Found, somebody
from volpose.lift.film import lift_film
from volpose.lift.formats import FORMATS, joints_of, read_joints
from volpose.lift.heatmaps import framed
from volpose.lift.lifter import Lifter, Placed
from volpose.lift.picture import Look, first_look, lift_picture, own_joints, windows
from volpose.metrics import root_relative
from volpose.network import NetworkConfig
from volpose.plot import film_page as film_pages
from volpose.plot.frames import draw_on_picture
from volpose.predict import read_image
from volpose.skeleton import H36M_17
from volpose.studio import Studio
from volpose.video import Video, write_video

REAL = Path(__file__).parents[1] / "book" / "images" / "real"
SCHEMAS = Path(films.__file__).parents[1] / "schemas"
FRAMES, FPS = 12, 25.0


@pytest.fixture(scope="module")
def film():
    return Studio("test", size=32).sequence("S9", "Walking", frames=FRAMES, fps=FPS)


@pytest.fixture(scope="module")
def lifter(film):
    """The shipped network, that knows how long these limbs are."""
    lengths = limb_lengths(film.pose, H36M_17.limbs).mean(0)
    card = {"mean_limbs_mm": lengths.tolist()}
    return Lifter(replace(pretrained.load("lift-mocap"), card=card))


@pytest.fixture(scope="module")
def found(film):
    return Found(film.joints, torch.ones(FRAMES, H36M_17.num_joints))


def true_places(film, found, lifter):
    """Stands for the network: the places as they are."""
    camera = film.camera[0]
    _, view, _ = framed(found, camera, lifter.grid.crop_size)
    turned = view.to_camera(film.pose)
    depth = turned[..., 2] - turned[:, :1, 2]

    def places(self, crop, *_, **__):
        places = torch.cat([crop.joints, depth[..., None]], -1)
        return Placed(places, crop.confidence, torch.zeros_like(crop.confidence))

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
    torch.testing.assert_close(whole[5], torch.lerp(whole[4], whole[7], 1 / 3), atol=15, rtol=0)
    torch.testing.assert_close(whole[0], whole[1], atol=1, rtol=0)
    line = torch.lerp(whole[4], whole[7], 1 / 3)
    for parent, joint in H36M_17.limbs:
        ours, theirs = (p[joint] - p[parent] for p in (whole[5], line))
        assert torch.cosine_similarity(ours, theirs, dim=0) > 0.999
    lengths = limb_lengths(whole, H36M_17.limbs)
    torch.testing.assert_close(lengths, lengths[:1].expand_as(lengths), atol=0.1, rtol=0)
    assert (motion.confidence[~motion.seen] == 0).all()


def test_another_person_who_is_found_for_a_moment_is_left_out(film, found, lifter):
    joints = found.joints.clone()
    joints[4] += 700
    joints[8] = joints[8].mean(0) + 2 * (joints[8] - joints[8].mean(0))
    motion = lift_film(Found(joints, found.confidence), film.camera[0], lifter, FPS)
    assert motion.seen.tolist() == [k not in (4, 8) for k in range(FRAMES)]


def test_who_is_half_hidden_stays_the_same_person(film, found, lifter):
    many = 60
    joints = found.joints.repeat(many // FRAMES, 1, 1)
    joints += 4 * torch.arange(many)[:, None, None]  # walks through the picture
    sure = torch.ones(many, H36M_17.num_joints)
    hidden = [j for j, name in enumerate(H36M_17.joints) if name.endswith(("knee", "ankle"))]
    sure[20:30, hidden] = 0
    motion = lift_film(Found(joints, sure), film.camera[0], lifter, FPS)
    assert motion.seen.all()
    joints[25] += 700  # somebody else, half hidden too, and somebody larger
    joints[28] = joints[28].mean(0) + 2 * (joints[28] - joints[28].mean(0))
    joints[45, :8] += 700  # of somebody else only hips and legs
    sure[45, 8:] = 0
    motion = lift_film(Found(joints, sure), film.camera[0], lifter, FPS)
    assert (~motion.seen).nonzero()[:, 0].tolist() == [25, 28, 45]


def test_in_a_real_walk_somebody_else_is_left_out():
    """In four frames the detector found one of the other people in the street."""
    found = read_joints(REAL / "walk.json")
    seen = somebody(found)
    left_out = seen & ~films._same_person(found, seen, 30.0)
    assert left_out.nonzero()[:, 0].tolist() == [10, 42, 43, 80]


def test_which_way_is_up_reaches_the_network(film, found, lifter, monkeypatch):
    told = []

    def places(self, crop, mirror, up=None, **_):
        told.append(up)
        places = torch.cat([crop.joints, torch.zeros_like(crop.joints[..., :1])], -1)
        return Placed(places, crop.confidence, torch.zeros_like(crop.confidence))

    monkeypatch.setattr(Lifter, "places", places)
    lift_film(found, film.camera[0], lifter, FPS)
    lift_film(found, film.camera[0], lifter, FPS, up=torch.tensor([0.0, -2.0, 0.0]))
    assert told[0] is None
    camera = Camera(film.camera[0].focal, film.camera[0].center)
    calm = films.calm_joints(found, torch.ones(FRAMES, dtype=torch.bool), FPS)
    _, view, _ = framed(calm, camera, lifter.grid.crop_size)
    torch.testing.assert_close(told[1], -view.rotation[..., 1])
    with pytest.raises(ValueError, match="up must be a direction"):
        lift_film(found, film.camera[0], lifter, FPS, up=torch.zeros(3))


def test_what_comes_to_lie_behind_the_camera_is_no_pose(film, found, lifter, monkeypatch):
    def places(self, crop, *_, **__):
        depth = torch.linspace(0, -9000, 17).expand(crop.confidence.shape)
        places = torch.cat([crop.joints, depth[..., None]], -1)
        return Placed(places, crop.confidence, torch.zeros_like(crop.confidence))

    monkeypatch.setattr(Lifter, "places", places)
    monkeypatch.setattr(Lifter, "root_depth", lambda _, at, *__: torch.full((len(at),), 3000.0))
    sentence = r"the camera \[900.0, 900.0, 500.0, 500.0\] lead to no finite pose"
    with pytest.raises(ValueError, match=sentence):
        lift_film(found, Camera.from_values(900, 900, 500, 500), lifter, FPS)
    one, image = Found(*(part[:1] for part in found)), torch.zeros(3, 1000, 1000).byte()
    with pytest.raises(ValueError, match=sentence):
        lift_picture(image, one, lifter, (900, 900, 500, 500))


def test_a_gap_takes_its_time(film, found, lifter, monkeypatch):
    """A person who glides on evenly does so through frames where nobody was found."""
    glide = film.joints[:1] + 5 * torch.arange(FRAMES)[:, None, None]
    sure = found.confidence.clone()
    sure[4:9] = 0
    monkeypatch.setattr(films, "STRIDE", films.CALM)
    camera = film.camera[0]

    def places(self, crop, *_, **__):
        places = torch.cat([crop.joints, torch.zeros_like(crop.joints[..., :1])], -1)
        return Placed(places, crop.confidence, torch.zeros_like(crop.confidence))

    monkeypatch.setattr(Lifter, "places", places)
    whole = lift_film(Found(glide, sure), camera, lifter, FPS)
    gone = lift_film(Found(glide, found.confidence), camera, lifter, FPS)
    torch.testing.assert_close(whole.joints_px, gone.joints_px, atol=0.3, rtol=0)


def test_joints_hear_the_frames_around_before_they_are_lifted(film, found):
    seen = torch.ones(FRAMES, dtype=torch.bool)
    wrist, knee = H36M_17.index("left_wrist"), H36M_17.index("left_knee")
    dice = torch.Generator().manual_seed(0)
    still = found.joints[:1].expand_as(found.joints)
    noisy = still + 5 * torch.randn(found.joints.shape, generator=dice)
    sure = found.confidence.clone()
    sure[5, wrist] = 0  # for one frame
    sure[2:, knee] = 0  # for good
    noisy[5, wrist], noisy[2:, knee] = torch.nan, 1e6
    calm = films.calm_joints(Found(noisy, sure), seen, 60.0)
    given = sure > 0
    off = [(j - still)[given].norm(dim=-1).mean() for j in (noisy, calm.joints)]
    assert off[1] < 0.6 * off[0]
    assert (calm.joints[5, wrist] - still[5, wrist]).norm() < 20
    assert 0.5 < calm.confidence[5, wrist] < 1
    assert calm.confidence[:3, knee].tolist() == [1, 1, pytest.approx(0.5, abs=0.3)]
    assert (calm.confidence[8:, knee] == 0).all()
    assert (calm.joints[:2, knee] - still[:2, knee]).norm(dim=-1).max() < 20
    untouched = films.calm_joints(found, seen, 1e-3)  # frames too far apart to hear each other
    torch.testing.assert_close(untouched.joints, found.joints)


@pytest.mark.parametrize("parts", [("knee", "ankle", "hip"), ("shoulder", "elbow", "wrist"), ("",)])
def test_sides_that_were_exchanged_for_a_moment_are_changed_back(film, found, parts):
    seen = torch.ones(FRAMES, dtype=torch.bool)
    kept, changed = films._own_sides(found, seen, FPS)
    assert torch.equal(kept.joints, found.joints)
    assert not changed.any()
    joints, sure = found.joints.clone(), found.confidence.clone()
    sure[:, H36M_17.index("left_knee")] = 0.5
    rows = [j for j, name in enumerate(H36M_17.joints) if name.endswith(parts)]
    twins = [H36M_17.mirror[j] for j in rows]
    wrong, doubts = joints.clone(), sure.clone()
    for k in (2, 3, 8):
        wrong[k, rows], doubts[k, rows] = joints[k, twins], sure[k, twins]
    back, changed = films._own_sides(Found(wrong, doubts), seen, FPS)
    assert changed.nonzero()[:, 0].tolist() == [2, 3, 8]
    torch.testing.assert_close(back.joints, joints)
    torch.testing.assert_close(back.confidence, sure)
    hidden = torch.zeros_like(sure)
    hidden[:, 0], hidden[:, 7:11] = 1, 1  # neither arms nor legs
    assert torch.equal(films._own_sides(Found(joints, hidden), seen, FPS)[0].joints, joints)


def test_a_joint_that_was_put_in_has_no_doubt(film, found, lifter):
    shipped = Lifter(pretrained.load("lift-mocap"))
    wrist, sure = H36M_17.index("left_wrist"), found.confidence.clone()
    sure[5:7, wrist] = 0
    motion = lift_film(Found(found.joints, sure), film.camera[0], shipped, FPS)
    assert (motion.confidence[5:7, wrist] > 0).all()  # there is one, between its neighbors
    assert motion.doubt_mm[:, wrist].isnan().nonzero()[:, 0].tolist() == [5, 6]
    assert motion.doubt_ends()[:, wrist].isnan().all(-1).all(-1).nonzero()[:, 0].tolist() == [5, 6]


def test_what_was_put_in_or_changed_is_told(film, found, lifter):
    joints, sure = found.joints.clone(), found.confidence.clone()
    joints[8] = joints[8, list(H36M_17.mirror)]
    sure[2:5] = 0
    motion = lift_film(Found(joints, sure), film.camera[0], lifter, FPS)
    gap, sides = film_command._repairs(motion)
    assert "in 3 of 12 frames, at most 0.12 s in a row" in gap
    assert "exchanged in 1 of 12 frames" in sides
    assert film_command._repairs(lift_film(found, film.camera[0], lifter, FPS)) == []


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
    gray = torch.full((3, 1002, 1000), 90, dtype=torch.uint8)
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
    schemas = {p.name: json.loads(p.read_text()) for p in SCHEMAS.glob("*.json")}
    known = Registry().with_contents(schemas.items())
    jsonschema.Draft202012Validator(schemas[name], registry=known).validate(content)
    return content


def test_a_video_comes_out_in_every_form(files):
    options = ["--joints2d", "joints.json", "--lift", "lift.safetensors"]
    outputs = [f"--{kind}=out.{kind}" for kind in ("json", "html", "bvh", "csv")]
    up = ["--up", "0,-1,0.25"]
    assert main(["predict", "walk.mp4", *options, *outputs, *up, "--draw", "out.mp4"]) == 0
    content = of_schema("film.json", "out.json")
    assert content["up"] == [0, -1, 0.25]
    assert content["fps"] == FPS
    assert [frame["seen"] for frame in content["frames"]] == [k != 4 for k in range(FRAMES)]
    assert content["joints_source"] == "joints.json"
    whole = torch.tensor([f["root_mm"] for f in content["frames"]], dtype=torch.float64)[:, None]
    whole = whole + torch.tensor([f["pose_mm"] for f in content["frames"]])
    paths = (poses[:, 0] for poses in (read_back(Path("out.bvh")), whole))
    gone = [(path - path[0]).norm(dim=-1) for path in paths]
    torch.testing.assert_close(*gone, atol=0.2, rtol=0)  # turned, for up is known
    table = [line.split(",") for line in Path("out.csv").read_text().splitlines()]
    assert [row[2] for row in table] == ["seen", *("01"[k != 4] for k in range(FRAMES))]
    assert len(list(Video("out.mp4"))) == FRAMES
    page = Path("out.html").read_text()
    (gap,) = content["notes"]
    assert gap.startswith("nobody, or somebody else, in 1 of 12 frames, at most 0.04 s in a row")
    assert gap in page
    assert page.count("0.16 s, filled in") > 0 == page.count("0.12 s, filled in")
    assert "focal length 1002 and 1002 px, principal point 500, 501 px, of 1000 x 1002 px" in page
    assert content["camera_px"] == [1002, 1002, 500, 501]
    assert "http" not in page.split("<script>")[0].replace("http-equiv", "")


def test_a_picture_with_joints(files):
    options = ["--joints2d", "one.json", "--lift", "lift.safetensors"]
    outputs = ["--json", "out.json", "--html", "out.html", "--draw", "out.png"]
    assert main(["predict", "photo.png", *options, *outputs]) == 0
    content = of_schema("prediction.json", "out.json")
    assert content["box_source"] == "around the 2D joints (one.json)"
    assert Image.open("out.png").size == (1000, 1002)


def test_a_long_film_is_thinned_on_its_page_and_says_so(film, found, lifter, monkeypatch):
    monkeypatch.setattr(film_pages, "MOST_FRAMES", 5)
    sure = found.confidence.clone()
    sure[3] = 0
    motion = lift_film(Found(found.joints, sure), film.camera[0], lifter, FPS)
    record = {"camera_px": [1, 1, 0, 0], "size_px": [9, 9], "up": None, "notes": []}
    record |= dict.fromkeys(("camera_source", "joints_source", "scale", "weights"), "x")
    page = film_pages.film_page(motion, record)
    assert "4 frames are shown, one of 3." in page
    assert "0.12 s, filled in" in page
    assert "frames are shown" not in film_pages.film_page(
        lift_film(Found(found.joints[:5], sure[:5]), film.camera[0], lifter, FPS), record
    )


@pytest.fixture
def folder(files):
    """Three pictures with the joints of two people, and the options for them."""
    Path("pictures").mkdir()
    for name in ("a.png", "a.jpg", "b.jpg"):
        Image.open("photo.png").save(Path("pictures") / name)
    Path("pictures", "folder.jpg").mkdir()
    joints = json.loads(Path("joints.json").read_text())
    Path("three.json").write_text(json.dumps([joints[0], None, joints[1]]))
    return ["pictures", "--joints2d", "three.json", "--lift", "lift.safetensors"]


def test_a_folder_of_pictures(folder, capsys):
    assert main(["predict", *folder, "--json", "out.json", "--draw", "drawn"]) == 0
    content = of_schema("folder.json", "out.json")
    assert list(content) == ["a.jpg", "a.png", "b.jpg"]
    assert "a.png, joints of three.json: expected a person" in content["a.png"]["error"]
    assert "a.png, joints of three.json: expected a person" in capsys.readouterr().err
    assert sorted(p.name for p in Path("drawn").iterdir()) == ["a.jpg", "b.jpg"]


def test_one_damaged_picture_leaves_the_others(folder):
    whole = Path("pictures/a.jpg").read_bytes()
    Path("pictures/a.jpg").write_bytes(whole[: len(whole) // 2])
    assert main(["predict", *folder, "--json", "out.json"]) == 0
    content = of_schema("folder.json", "out.json")
    assert [name for name in content if "error" not in content[name]] == ["b.jpg"]
    Path("pictures/b.jpg").write_bytes(b"")
    Path("out.json").unlink()
    assert main(["predict", *folder, "--json", "out.json"]) == 2
    assert not Path("out.json").exists()


@pytest.mark.parametrize(
    ("outputs", "sentence"),
    [
        (["--draw", "pictures"], "pictures: holds the pictures that would be overwritten"),
        (["--json", "pictures/b.jpg"], "b.jpg: is read by this command and would be overwritten"),
        (["--draw", "photo.png"], "photo.png is a file and no folder"),
        (["--box", "0,0,9,9"], "--box cannot be chosen for"),
        (["--precision", "bf16"], "--precision cannot be chosen for"),
    ],
)
def test_the_pictures_of_a_folder_are_never_touched(folder, capsys, outputs, sentence):
    before = {p: p.read_bytes() for p in Path("pictures").iterdir() if p.is_file()}
    assert main(["predict", *folder, *outputs]) == 2
    assert sentence in capsys.readouterr().err
    assert {p: p.read_bytes() for p in Path("pictures").iterdir() if p.is_file()} == before


GIVEN = ["--joints2d", "one.json"]
FILM = ["walk.mp4", "--joints2d", "joints.json"]


@pytest.mark.parametrize("wrong", ["coco17", "h36m17"])
def test_joints_in_the_order_of_another_format_are_doubted(wrong, tmp_path, capsys):
    given = json.loads((REAL / "walking.json").read_text())
    points = dict(zip(FORMATS[given["format"]], given["joints_px"], strict=True))
    mixed_up = {
        "coco17": joints_of(given).joints[0].tolist(),  # in the order of Human3.6M
        "h36m17": [points[name] for name in FORMATS["coco17"]],
    }
    listed = {"format": wrong, "joints_px": mixed_up[wrong]}
    for content, doubted in ((given, False), (listed, True)):
        (tmp_path / "joints.json").write_text(json.dumps(content))
        files = ["--joints2d", str(tmp_path / "joints.json"), "--json", str(tmp_path / "out.json")]
        assert main(["predict", str(REAL / "walking.jpg"), *files]) == 0
        told = "are they in the order of their format" in capsys.readouterr().err
        assert told == doubted


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["photo.png", "--joints2d", "joints.json"], "expected joints of 1 picture, found 12"),
        (["photo.png", *GIVEN, "--bvh", "a.bvh"], "--bvh cannot be chosen for"),
        (["photo.png", *GIVEN, "--detect"], "give one"),
        (["photo.png", *GIVEN, "--box", "0,0,9,9"], "--box cannot be chosen for 2D joints that"),
        (["photo.png", *GIVEN, "--weights", "x"], "--weights cannot be chosen for 2D joints"),
        (["photo.png", "--lift", "lift.safetensors"], "--lift cannot be chosen for pictures"),
        (["photo.png", "--up", "0,-1,0"], "--lift, --up cannot be chosen for pictures"),
        (["photo.png", *GIVEN, "--camera", "40,900,500,501"], "must be 50.1 to 100200 px for a"),
        ([*FILM, "--camera", "1e9,1e9,500,501"], "of 1000 x 1002 px, got 1e+09 and 1e+09 px"),
        (["photo.png", *GIVEN, "--json", "a", "--html", "a"], "two outputs"),
        (["photo.png", *GIVEN, "--json", "one.json/x.json"], "one.json is a file and no folder"),
        (["photo.png", *GIVEN, "--html", "a.html", "--draw", "a.psd"], "a.psd: a picture is"),
        (["photo.png", "--joints2d", "none.json"], "none.json: no such file"),
        (["photo.png", "--joints2d", "parts.json"], "parts.json: expected px of a picture of 1000"),
        (["photo.png", "--joints2d", "far.json"], "far.json: expected px of a picture of 1000"),
        (["photo.png", "--joints2d", "above.json"], "as its EXIF tag or the video's says"),
        (["photo.png", "--joints2d", "point.json"], "in different places, found all in one point"),
        (["walk.mp4", "--joints2d", "one.json"], "one.json: expected joints of 12 frames, found 1"),
        (["walk.mp4", "--joints2d", "nobody.json"], "joints of nobody.json: a film needs two"),
        (["nothing.mp4", "--joints2d", "joints.json"], "nothing.mp4: no such video"),
        ([*FILM, "--bvh", "a.bvh", "--draw", "a.avi"], "a.avi: a video is written as"),
        ([*FILM, "--bvh", "a.bvh", "--csv", "photo.png/a.csv"], "photo.png is a file and no"),
        ([".", "--joints2d", "two.json", "--csv", "a.csv"], "--csv cannot be chosen for a folder"),
    ],
)
def test_what_cannot_be_done_is_said_and_leaves_nothing(files, capsys, arguments, sentence):
    one = json.loads(Path("one.json").read_text())
    for name, changed in (
        ("parts", [[x / 1000, y / 1002] for x, y in one["joints_px"]]),
        ("far", [[x + 9000, y] for x, y in one["joints_px"]]),
        ("above", [[x, y - 1000] for x, y in one["joints_px"]]),
        ("point", [[500, 500]] * len(one["joints_px"])),
    ):
        Path(f"{name}.json").write_text(json.dumps(one | {"joints_px": changed}))
    Path("nobody.json").write_text(json.dumps([None] * FRAMES))
    before = sorted(files.iterdir())
    lift = [] if "--lift" in arguments else ["--lift", "lift.safetensors"]
    assert main(["predict", *arguments, *lift]) == 2
    assert sentence in capsys.readouterr().err
    assert sorted(files.iterdir()) == before


def test_a_full_disk_leaves_none_of_the_outputs(files, capsys):
    outputs = ["--html", "a.html", "--json", "a.json", "--draw", "/dev/full"]
    before = sorted(files.iterdir())
    assert main(["predict", "photo.png", *GIVEN, "--lift", "lift.safetensors", *outputs]) == 2
    options = [*GIVEN, "--lift", "lift.safetensors", "--json", "/dev/full"]
    assert main(["predict", "photo.png", *options]) == 2
    assert "/dev/full: cannot be written (No space left on device)" in capsys.readouterr().err
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


def looks(monkeypatch, heights, places=None):
    """Stands for a network for pictures: the mean height of the peaks, look after look."""
    heights = iter(heights)

    def seen(self, crops, *_):
        at = torch.zeros(1, 17, 3) if places is None else places
        sure = torch.tensor([next(heights) for _ in crops])
        return at.expand(len(crops), -1, -1), sure[:, None].expand(-1, 17)

    monkeypatch.setattr(Estimator, "places", seen)
    network = NetworkConfig(z_bins=(1, 8), features=16, hourglass_depth=2, image_size=64)
    return Estimator.untrained(network)


def test_frames_without_anybody_have_no_joints_and_keep_the_box(monkeypatch):
    at = torch.cat([10 + 44 * torch.rand(1, 17, 2), torch.zeros(1, 17, 1)], -1)
    network = looks(monkeypatch, [0.05, 0.3, 0.05, 0.05, 0.4], at)
    frames = torch.zeros(3, 3, 200, 300, dtype=torch.uint8)
    found = own_joints(frames, network, (100, 50, 80, 80))
    assert [bool(sure.any()) for sure in found.confidence] == [True, False, True]
    torch.testing.assert_close(found.joints[1], found.joints[2])  # the same box


def test_a_film_without_anybody_is_not_searched_frame_by_frame(monkeypatch):
    searched = []

    def nobody(image, *_):
        searched.append(image)
        return Look(torch.zeros(17, 2), torch.zeros(17), Box.from_corner(0, 0, 10, 10))

    monkeypatch.setattr("volpose.lift.picture.first_look", nobody)
    found = own_joints(torch.zeros(100, 3, 8, 8, dtype=torch.uint8), looks(monkeypatch, []))
    assert found.confidence.shape == (100, 17)
    assert not found.confidence.any()
    assert len(searched) == 10  # frames 0, 1, 3, 7, 15, and then every 16th


def test_joints_in_one_point_stop_no_film(monkeypatch):
    network = looks(monkeypatch, repeat(0.5))
    frames = torch.zeros(3, 3, 200, 300, dtype=torch.uint8)
    assert own_joints(frames, network).joints.shape == (3, 17, 2)


def test_of_a_few_looks_the_best_is_taken(monkeypatch):
    at = torch.cat([10 + 44 * torch.rand(1, 17, 2), torch.zeros(1, 17, 1)], -1)
    image = torch.zeros(3, 200, 300, dtype=torch.uint8)
    whole = (0, 0, 300, 200)
    boxes = [first_look(image, looks(monkeypatch, h, at), whole).box.side for h in HEIGHTS]
    assert boxes[0] == 300
    assert boxes[1] < 300
    assert boxes[2] < boxes[1]


@pytest.mark.parametrize("size", [(300, 300), (1920, 1080), (480, 3000)])
def test_windows_of_all_sizes_lie_all_over_the_picture(size):
    high, found = torch.tensor(size, dtype=torch.float32), windows(*size)
    centers, sides = (torch.stack([getattr(w, k) for w in found]) for k in ("center", "side"))
    assert ((centers >= 0) & (centers <= high)).all()
    for point in high * torch.rand(50, 2):
        for side in sides.unique():
            least = torch.minimum(high - side / 2, point.clamp_min(float(side) / 2))
            nearest = torch.where(high > side, least, high / 2)
            some = centers[sides == side]
            assert ((some - nearest).abs() <= 0.16 * side).all(-1).any()


def test_a_look_does_not_leave_the_picture():
    joints = torch.stack([torch.linspace(-60, -20, 17), torch.linspace(10, 50, 17)], -1)
    seen = Look(joints, torch.ones(17), Box(torch.tensor([20.0, 30.0]), torch.tensor(90.0)))
    assert seen.next_box(100, 100) is seen.box
    assert seen.around().center[0] == pytest.approx(-40)
    assert Look(joints + 60, seen.sure, seen.box).next_box(100, 100).side == pytest.approx(50)


def test_a_person_is_found_wherever_she_stands(monkeypatch):
    """A network that sees bright spots must look at them, in a window of their size."""

    def places(self, crops, *_):
        light = crops.mean(1).flatten(1)
        at, side = light.argmax(1), crops.shape[-1]
        x, y = (at % side).float(), (at // side).float()
        fan = torch.linspace(-12, 12, 17)
        joints = torch.stack([x[:, None] + fan, y[:, None] + fan, torch.zeros(len(x), 17)], -1)
        share = (light > 0.5).float().mean(1)
        return joints, (1 - (share - 0.25).abs()).clamp(0, 1)[:, None].expand(-1, 17)

    monkeypatch.setattr(Estimator, "places", places)
    network = NetworkConfig(z_bins=(1, 8), features=16, hourglass_depth=2, image_size=64)
    image = torch.zeros(3, 600, 1000, dtype=torch.uint8)
    image[:, 350:450, 700:800] = 255
    box = first_look(image, Estimator.untrained(network)).box
    assert 150 < box.side < 260
    assert (box.center - torch.tensor([750.0, 400.0])).abs().max() < 60


def test_noise_is_nobody_and_a_walker_in_her_box_is_somebody():
    network, real = pretrained.load("studio-laptop-anywhere"), Path(__file__).parents[1]
    noise = torch.randint(0, 256, (2, 3, 300, 400), dtype=torch.uint8)
    assert not any(first_look(image, network).somebody for image in noise)
    image = read_image(real / "book/images/real/walking.jpg")
    at = read_joints(real / "book/images/real/walking.json").joints[0]
    (x, y), (width, height) = at.amin(0).tolist(), (at.amax(0) - at.amin(0)).tolist()
    assert first_look(image, network, (x, y, width, height)).somebody


HEIGHTS = ([0.9, 0.3, 0.4], [0.3, 0.9, 0.4], [0.3, 0.3, 0.9])


def test_a_photograph_without_anybody_is_doubted(files, monkeypatch, capsys):
    at = torch.cat([10 + 44 * torch.rand(1, 17, 2), torch.zeros(1, 17, 1)], -1)
    looks(monkeypatch, repeat(0.05), at)
    photo = ["predict", "photo.png", "--weights", "studio-tiny", "--json", "a.json"]
    assert main(photo) == 2
    assert "photo.png: nobody was found in it; give --box" in capsys.readouterr().err
    assert not Path("a.json").exists()
    assert main([*photo, "--box", "100,50,80,80"]) == 0
    assert "hardly a trace of a person" in capsys.readouterr().err
    looks(monkeypatch, repeat(0.3), at)
    assert main(photo) == 0
    assert "perhaps nobody" in capsys.readouterr().err
    assert of_schema("prediction.json", "a.json")["box_source"] == "found by studio-tiny"
    looks(monkeypatch, repeat(0.6), at)
    assert main(photo) == 0
    assert "perhaps nobody" not in capsys.readouterr().err
    looks(monkeypatch, repeat(0.05), at)
    film = ["walk.mp4", "--lift", "lift.safetensors", "--weights", "studio-tiny"]
    assert main(["predict", *film, "--json", "b.json"]) == 2
    error = capsys.readouterr().err
    assert "a film needs two frames" in error
    assert "give --box X,Y,W,H, 2D joints with --joints2d FILE, or --detect" in error
    assert not Path("b.json").exists()


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
    guessed = torch.tensor([name.endswith(("knee", "ankle")) for name in H36M_17.joints])
    thin = draw_on_picture(image, joints, H36M_17, guessed)
    legs = slice(round(float(joints[H36M_17.index("left_hip"), 1])) + 8, None)
    assert 0 < (thin[:, legs] > 0).any(0).sum() < 0.5 * (drawn[:, legs] > 0).any(0).sum()
    head = slice(0, 120)
    assert torch.equal(thin[:, head], drawn[:, head])


@pytest.mark.parametrize(
    ("options", "used"),
    [
        (["--detect"], (None, None)),
        (["--detector", "full.task"], (Path("full.task"), None)),
        (["--detect", "--box", "1,2,30,40"], (None, [1, 2, 30, 40])),
    ],
)
def test_an_installed_detector_finds_the_joints(files, capsys, monkeypatch, options, used):
    seen = []

    @contextmanager
    def detector(model, box, fps=None):
        seen.append((model, box))
        yield lambda image: json.loads(Path("one.json").read_text())

    for module in (predict, film_command):
        monkeypatch.setattr(module, "Detector", detector)
    outputs = ["--lift", "lift.safetensors", "--json", "out.json"]
    assert main(["predict", "photo.png", *options, *outputs]) == 0
    assert of_schema("prediction.json", "out.json")["box_source"].endswith("(MediaPipe)")
    assert "people were found" not in capsys.readouterr().err
    one = json.loads(Path("one.json").read_text())
    Path("one.json").write_text(json.dumps(one | {"people": 2}))
    assert main(["predict", "photo.png", *options, *outputs]) == 0
    crowd = "2 people were found, this is the largest; --box chooses"
    assert (crowd in capsys.readouterr().err) == ("--box" not in options)
    assert main(["predict", "walk.mp4", *options, *outputs]) == 0
    assert of_schema("film.json", "out.json")["joints_source"] == "MediaPipe"
    assert seen == [used] * 3
