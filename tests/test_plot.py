"""The figures: what they say, how large they are, and that they need no network."""

import json
import re
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch

import volpose.plot
from volpose.action_table import ActionTable
from volpose.camera import Camera
from volpose.crop import Box, crop_person, to_image
from volpose.grid import Grid
from volpose.plot import (
    film_figure,
    first_light,
    pose_figure,
    prediction_page,
    slices_figure,
    stages_figure,
    uncertainty_figure,
    volume_figure,
    volumes_figure,
)
from volpose.plot.style import COLORS
from volpose.predict import Prediction
from volpose.skeleton import H36M_17
from volpose.targets import coarse_to_fine_targets, gaussian_volume

GRID = Grid((64, 64, 64), 256.0)
WRIST = H36M_17.index("left_wrist")
POSE = torch.tensor(
    [
        (0, 0, 0), (-130, 0, 20), (-140, 440, 60), (-140, 880, 90), (130, 0, -20), (140, 440, -90),
        (140, 880, 30), (0, -230, 10), (0, -480, 0), (0, -590, -40), (0, -700, -30),
        (150, -460, -30), (200, -190, -90), (220, 50, -300), (-150, -460, 40), (-200, -190, 90),
        (-220, 50, 10),
    ]
).float()  # fmt: skip
PLACES = torch.cat([POSE[:, :2] * 0.12 + torch.tensor([128.0, 115.0]), POSE[:, 2:]], dim=-1)
VOXELS = GRID.to_voxels(PLACES)
VOLUMES = gaussian_volume(VOXELS, GRID)
IMAGE = (torch.arange(3 * 32 * 32) % 251).byte().view(3, 32, 32)


@cache
def all_figures():
    volume = VOLUMES[WRIST]
    inside = {"voxels": VOXELS, "image": IMAGE}
    return {
        "pose": pose_figure(POSE, H36M_17, "A pose.", truth=POSE + 20),
        "volume": volume_figure(volume, GRID, "A volume.", skeleton=H36M_17, **inside),
        "volumes": volumes_figure(VOLUMES, GRID, H36M_17, "All volumes.", **inside),
        "slices": slices_figure(volume, GRID, "Slices."),
        "first": first_light(IMAGE, VOLUMES, POSE, GRID, PLACES, H36M_17, "All of it."),
    }


def a_prediction(volume=True, **changes):
    grid = Grid((16, 16, 16), 64.0)
    image = (torch.arange(3 * 60 * 80) % 251).byte().view(3, 60, 80)
    box = Box.from_corner(10, 5, 40, 50)
    places = PLACES * torch.tensor([0.25, 0.25, 1.0])
    fields = {
        "skeleton": H36M_17,
        "pose_mm": POSE,
        "joints_px": to_image(places[:, :2], box, 64.0),
        "confidence": torch.linspace(0.2, 1, 17),
        "root_depth_mm": 5123.0,
        "root_source": "mean limb lengths",
        "camera_source": "guessed",
        "box_source": "given",
        "weights": "tiny",
        "image": image,
        "crop": crop_person(image, box, 64),
        "volume": gaussian_volume(grid.to_voxels(places), grid) if volume else None,
        "box": box,
        "camera": Camera.guess(80, 60),
    }
    return Prediction(**fields | changes)


def own_part(page):
    """The page without the source of plotly.js."""
    return re.sub(r"(?s)<script>/\*\*.*?</script>", "", page, count=1)


def data_of(page):
    return json.loads(re.search(r'(?s)id="prediction"[^>]*>(.*?)</script>', page).group(1))


def test_figures_are_small_described_and_the_same_every_time():
    limits = {"pose": 15, "volume": 200, "volumes": 250, "slices": 250, "first": 400}  # kB
    again = all_figures.__wrapped__()
    for name, figure in all_figures().items():
        text = figure.to_json()
        assert len(text) < 1000 * limits[name], name
        assert text == again[name].to_json(), name
        assert figure.layout.meta["alt"].endswith("."), name
        assert figure.layout.title.text is None, name


def test_a_flat_noisy_volume_stays_small():
    noise = torch.rand(17, 64, 64, 64)
    figure = first_light(IMAGE, noise, POSE, GRID, PLACES, H36M_17, "Noise.")
    assert len(figure.to_json()) < 700_000


def test_a_description_is_required():
    with pytest.raises(ValueError, match="alt"):
        pose_figure(POSE, H36M_17, alt=" ")


@pytest.mark.parametrize("side", ["left", "right", "middle"])
def test_sides_have_their_color_and_only_their_limbs(side):
    figure = pose_figure(POSE, H36M_17, "A pose.")
    trace = next(t for t in figure.data if t.name == side)
    assert trace.line.color == COLORS[side]
    assert trace.line.dash == ("dash" if side == "right" else "solid")
    inside = [*H36M_17.joints].index(f"{side}_wrist" if side != "middle" else "head_top")
    x, y, z = POSE[inside].tolist()
    drawn = list(zip(trace.x, trace.y, trace.z, strict=True))
    assert (x, z, y) in drawn
    for other in ("left_wrist", "right_wrist", "head_top"):
        if H36M_17.index(other) != inside:
            x, y, z = POSE[H36M_17.index(other)].tolist()
            assert (x, z, y) not in drawn


def test_the_person_stands_and_is_not_mirrored():
    figure = pose_figure(POSE, H36M_17, "A pose.")
    for scene in (figure.layout.scene, figure.layout.scene2):
        # y grows down, so plotly's vertical axis runs from large to small
        assert scene.zaxis.range[0] > scene.zaxis.range[1]
        assert scene.xaxis.range[0] < scene.xaxis.range[1]
        assert scene.yaxis.range[0] < scene.yaxis.range[1]
    # the camera stands at small depth and looks along it
    assert figure.layout.scene.camera.eye.y < -1
    assert abs(figure.layout.scene2.camera.eye.x) > 1


def test_equal_aspect():
    figures = all_figures()
    for name, scene in (("pose", "scene"), ("pose", "scene2"), ("first", "scene2")):
        box = figures[name].layout[scene]
        lengths = [abs(np.ptp(box[axis].range)) for axis in ("xaxis", "yaxis", "zaxis")]
        assert lengths == pytest.approx([lengths[0]] * 3), name
        assert box.aspectratio.x == box.aspectratio.y == box.aspectratio.z, name
        for points in (POSE[:, 0], POSE[:, 2], POSE[:, 1]):
            assert float(points.max() - points.min()) < lengths[0]


def test_unknown_joints_are_not_drawn():
    pose = POSE.clone()
    pose[WRIST] = torch.nan
    figure = pose_figure(pose, H36M_17, "A pose.")
    left = next(t for t in figure.data if t.name == "left")
    dots = next(t for t in figure.data if t.name == "joints")
    assert len(left.x) == 3 * 5 - 1  # six limbs on a side, one is missing
    assert "left wrist" not in dots.text
    assert len(dots.x) == 16
    assert "NaN" not in figure.to_json()
    with pytest.raises(ValueError, match="not NaN"):
        pose_figure(POSE * torch.nan, H36M_17, "Nothing.")


def test_a_shell_lies_around_its_joint_and_is_packed_small():
    blob = volume_figure(VOLUMES[WRIST], GRID, "A volume.").data[-1]
    assert blob.value.dtype == np.uint8
    assert blob.x.dtype == np.int8
    best = blob.value.argmax()
    at = torch.tensor([float(blob.x[best]), float(blob.z[best]), float(blob.y[best])])
    assert (at - VOXELS[WRIST]).abs().max() <= 0.5
    assert blob.value.max() == 255
    outside = blob.value.reshape(len(set(blob.z.tolist())), -1)
    assert outside[0].max() < 0.25 * 255  # closed: the lowest shell ends inside


def test_axes_of_the_volume_say_pixels_and_millimeters():
    scene = volume_figure(VOLUMES[WRIST], GRID, "A volume.").layout.scene
    assert "px" in scene.xaxis.title.text
    assert "mm" in scene.yaxis.title.text
    ticks = dict(zip(scene.yaxis.ticktext, scene.yaxis.tickvals, strict=True))
    assert ticks["0"] == 31.5
    assert dict(zip(scene.xaxis.ticktext, scene.xaxis.tickvals, strict=True))["256"] == 63.5


def test_slices_start_at_the_peak_and_keep_it():
    figure = slices_figure(VOLUMES[WRIST], GRID, "Slices.", max_slices=20)
    assert len(figure.frames) <= 22
    assert figure.data[0].z.max() == VOLUMES[WRIST].max().mul(255).round()
    active = figure.layout.sliders[0].steps[figure.layout.sliders[0].active]
    assert float(active.label) == pytest.approx(float(PLACES[WRIST, 2]), abs=16)


def test_the_stages_of_a_stack_end_at_the_joint():
    volumes = [t.volume() for t in coarse_to_fine_targets(VOXELS, GRID, (1, 4, 64))]
    figure = stages_figure(volumes, GRID, H36M_17, ("left_wrist", "nose"), "A stack.", image=IMAGE)
    assert [f.name for f in figure.frames] == ["1: d = 1", "2: d = 4", "3: d = 64"]
    assert len(figure.to_json()) < 350_000
    lengths = []
    for frame in figure.frames:
        wrist = frame.data[0]
        inside = wrist.y[wrist.value >= wrist.isomin]  # plotly's y is the depth
        lengths.append(int(inside.max()) - int(inside.min()) + 1)
        assert inside.min() <= VOXELS[WRIST, 2] <= inside.max()
    assert lengths[:2] == [64, 16]
    assert lengths[2] < 10
    with pytest.raises(ValueError, match="fit the grid"):
        stages_figure([VOLUMES[:, :, :32]], GRID, H36M_17, ("nose",), "A stack.")
    with pytest.raises(ValueError, match="none"):
        stages_figure([], GRID, H36M_17, ("nose",), "A stack.")


def test_the_menu_shows_one_joint_at_a_time():
    figure = all_figures()["first"]
    buttons = figure.layout.updatemenus[0].buttons
    assert [b.label.replace(" ", "_") for b in buttons] == list(H36M_17.joints)
    for button in buttons:
        shown = button.args[1]
        assert len(shown) == len(figure.data)
        blobs = [t for t, on in zip(figure.data, shown, strict=True) if on and "peak" in t.name]
        assert [t.name.split(",")[0] for t in blobs] == [button.label]


def test_an_ellipsoid_reaches_as_far_as_the_joint_may_be():
    way = torch.tensor([1.0, -2.0, 2.0]) / 3
    long, thin = 200.0, 10.0  # mm
    covariance = thin**2 * torch.eye(3) + (long**2 - thin**2) * way[:, None] * way
    covariances = covariance.repeat(17, 1, 1)
    covariances[0] = torch.nan  # the root is known
    figure = uncertainty_figure(POSE, covariances, H36M_17, "Doubts.", deviations=2.0)
    shells = [t for t in figure.data if t.type == "mesh3d"]
    assert len(shells) == 2 * 16
    assert len(figure.to_json()) < 120_000
    (wrist,) = (t for t in shells if t.name.startswith("left wrist") and t.scene == "scene")
    assert wrist.color == COLORS["left"]
    assert "400 mm" in wrist.hovertemplate
    corners = np.stack([wrist.x, wrist.z, wrist.y], -1) - POSE[WRIST].numpy()
    along = corners @ way.numpy()
    assert along.max() == pytest.approx(400, rel=1e-4)
    assert along.min() == pytest.approx(-400, rel=1e-4)
    across = np.linalg.norm(corners - along[:, None] * way.numpy(), axis=-1)
    assert across.max() == pytest.approx(20, rel=1e-3)
    # closed: each edge belongs to two triangles, in opposite directions
    faces = np.stack([wrist.i, wrist.j, wrist.k], -1)
    edges = [tuple(e) for f in faces.tolist() for e in zip(f, f[1:] + f[:1], strict=True)]
    assert len(edges) == len(set(edges))
    assert {(b, a) for a, b in edges} == set(edges)
    for scene in (figure.layout.scene, figure.layout.scene2):
        for points, axis in (("x", "xaxis"), ("y", "yaxis"), ("z", "zaxis")):
            low, high = sorted(scene[axis].range)
            assert all(low < v.min() and v.max() < high for v in (t[points] for t in shells))
    with pytest.raises(ValueError, match="covariances"):
        uncertainty_figure(POSE, covariances[:5], H36M_17, "Doubts.")


def test_a_film_has_a_frame_for_each_pose_and_moves_only_points():
    way = torch.tensor([0.0, 0.0, 100.0])
    truth = POSE + torch.arange(5.0)[:, None, None] * way
    films = {"before": truth + 20, "after": truth}
    figure = film_figure(films, H36M_17, "A film.", truth, fps=10)
    steps = figure.layout.sliders[0].steps
    assert [step.label for step in steps] == ["0.00 s", "0.10 s", "0.20 s", "0.30 s", "0.40 s"]
    assert [step.args[0][0] for step in steps] == [frame.name for frame in figure.frames]
    assert len({frame.name for frame in figure.frames}) == 5
    assert len(figure.to_json()) < 60_000
    for number, frame in enumerate(figure.frames):
        assert frame.traces == tuple(range(len(figure.data)))
        for trace, moved in zip(figure.data, frame.data, strict=True):
            shift = 100 * number  # plotly's y is the depth
            assert moved.x == trace.x
            for before, after in zip(trace.y, moved.y, strict=True):
                assert (before is None) == (after is None)
                assert before is None or after - before == pytest.approx(shift)
    ends = figure.layout.scene.yaxis.range
    assert ends == figure.layout.scene2.yaxis.range
    assert min(ends) < truth[..., 2].min()
    assert max(ends) > truth[..., 2].max()
    with pytest.raises(ValueError, match="length"):
        film_figure({"a": truth, "b": truth[1:]}, H36M_17, "A film.")
    with pytest.raises(ValueError, match="length"):
        film_figure({}, H36M_17, "A film.")
    with pytest.raises(ValueError, match="17 joints"):
        film_figure({"a": truth[:, :5]}, H36M_17, "A film.")
    with pytest.raises(ValueError, match="marks must be one a frame, 5, got 2"):
        film_figure({"a": truth}, H36M_17, "A film.", marks=["", "lost"])


def widths(traces):
    """Of all lines: how wide, and how many limbs."""
    lines = [t for t in traces if t["mode"] == "lines" and t["name"] != "doubt"]
    return [(t["line"]["width"], sum(x is not None for x in t["x"]) // 2) for t in lines]


def test_limbs_that_end_in_a_guess_are_thin():
    doubt = torch.full((17,), 30.0)
    doubt[[3, 16]] = torch.nan  # right ankle and wrist
    one = a_prediction(doubt_mm=doubt, volume=False)
    page = prediction_page(one)
    assert page.count('class="right guess"') == 2
    assert "Thin limbs end in a joint that was not given" in page
    figure = data_of(page)["figures"]["turned-view"]
    thin = sum(limbs for width, limbs in widths(figure["data"]) if width < 5)
    assert thin == 2
    assert sum(limbs for _, limbs in widths(figure["data"])) == len(H36M_17.limbs)
    whole = prediction_page(a_prediction(doubt_mm=torch.full((17,), 30.0), volume=False))
    assert ' guess"' not in whole
    assert "Thin limbs" not in whole
    poses, guessed = POSE.repeat(3, 1, 1), torch.zeros(3, 17, dtype=torch.bool)
    guessed[1] = doubt.isnan()
    film = film_figure({"": poses}, H36M_17, "A film.", guessed=guessed)
    for number, frame in enumerate(film.frames):
        drawn = zip(film.data, frame.data, strict=True)
        traces = [look.to_plotly_json() | {"x": moved.x} for look, moved in drawn]
        thin = sum(limbs for width, limbs in widths(traces) if width < 5)
        assert thin == (2 if number == 1 else 0)
        assert sum(limbs for _, limbs in widths(traces)) == len(H36M_17.limbs)


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="grid's shape"):
        volume_figure(VOLUMES[WRIST], Grid((32, 64, 64)), "A volume.")
    with pytest.raises(ValueError, match="skeleton"):
        volume_figure(VOLUMES[WRIST], GRID, "A volume.", voxels=VOXELS)
    with pytest.raises(ValueError, match="17 joints"):
        pose_figure(POSE[:5], H36M_17, "A pose.")
    with pytest.raises(ValueError, match="views"):
        pose_figure(POSE, H36M_17, "A pose.", views=("above",))


def test_the_page_needs_no_network():
    page = prediction_page(a_prediction(), "photo.jpg")
    mine = own_part(page)
    assert len(mine) < 700_000
    assert len(page) > 3_000_000  # plotly.js is inside
    loads = re.findall(r"""(?:src|href|srcset|action)\s*=\s*["']?([^"'\s>]{0,20})""", mine)
    assert loads
    assert all(address.startswith("data:") for address in loads)
    assert not re.search(r"https?:|//cdn|@import|url\(", mine)
    assert "default-src 'none'" in mine


def test_the_page_escapes_every_name():
    evil = '</script><img src=x onerror="alert(1)">&.jpg'
    page = own_part(prediction_page(a_prediction(weights=evil, box_source=evil), evil))
    assert "<img" not in page
    assert "&lt;/script&gt;&lt;img src=x onerror=&quot;alert(1)&quot;&gt;&amp;.jpg" in page
    assert page.count("</script>") == 2


def test_the_page_shows_everything():
    page = prediction_page(a_prediction(), "photo.jpg")
    figures = data_of(page)["figures"]
    assert set(figures) == {"camera-view", "turned-view", "volume-view"}
    for key, figure in figures.items():
        assert figure["layout"]["meta"]["alt"]
        switched = [t["meta"]["joint"] for t in figure["data"] if "meta" in t]
        assert switched == list(range(17)), key
    for words in ("guessed", "given", "mean limb lengths", "tiny", "5.12 m", "photo.jpg"):
        assert words in page
    assert own_part(page).count("<tr data-joint") == 17
    assert page == prediction_page(a_prediction(), "photo.jpg")


def test_the_page_without_a_volume_leaves_it_out():
    page = prediction_page(a_prediction(volume=False))
    assert set(data_of(page)["figures"]) == {"camera-view", "turned-view"}
    assert 'id="volume-view"' not in page


def test_the_page_with_an_unknown_joint():
    prediction = a_prediction()
    pose, joints = prediction.pose_mm.clone(), prediction.joints_px.clone()
    pose[WRIST], joints[WRIST] = torch.nan, torch.nan
    page = own_part(prediction_page(a_prediction(pose_mm=pose, joints_px=joints)))
    assert "nan" not in re.sub(r'"bdata":"[^"]*"|base64,[^"]*', "", page).lower()
    assert page.count("<circle") == 16


def test_only_the_flat_figures_need_matplotlib():
    for path in Path(volpose.plot.__file__).parent.glob("*.py"):
        imports = re.findall(r"(?m)^\s*(?:import|from) matplotlib", path.read_text())
        assert bool(imports) == (path.name in ("figures2d.py", "findings.py", "gallery.py")), (
            path.name
        )
    assert callable(volpose.plot.stack_figure)  # found when it is first asked for
    with pytest.raises(AttributeError):
        volpose.plot.no_such_figure  # noqa: B018


@pytest.fixture(name="flat")
def _flat():
    matplotlib.use("Agg")
    from volpose.plot import figures2d

    yield figures2d
    figures2d.plt.close("all")


def test_flat_forest(flat):
    rows = ["one", "a claim that is far too long for a single line of a label"]
    series = {"default": [(3.0, 2.0), None], "hard": [(-1.0, float("inf")), (2.0, 900.0)]}
    figure = volpose.plot.forest(rows, {"equal samples": series}, "mm", paper=[5.0, None])
    (ax,) = figure.axes
    assert "\n" in ax.get_yticklabels()[1].get_text()
    bars = [line.get_xdata() for line in ax.lines if len(line.get_xdata()) == 2]
    bars = [ends for ends in bars if tuple(ends) != (0, 0)]
    assert len(bars) == 3  # what was not run is left out
    low, high = ax.get_xlim()
    assert low < -1
    assert 5 < high < 50  # one wild interval does not flatten the others
    assert [line.get_marker() for line in ax.lines].count(">") == 1
    assert not ax.texts  # its mean is within the scale
    (ax,) = volpose.plot.forest(rows, {"": series}, "mm", whole=True).axes
    assert ax.get_xlim()[1] > 902
    assert ">" not in [line.get_marker() for line in ax.lines]
    with pytest.raises(ValueError, match="2 entries"):
        volpose.plot.forest(rows, {"": {"default": [None]}}, "mm")


def test_flat_forest_far_mean(flat):
    values = [(float(mean), 1.0) for mean in (*range(8), -400)]
    figure = volpose.plot.forest([str(mean) for mean, _ in values], {"": {"all": values}}, "mm")
    (ax,) = figure.axes
    assert [text.get_text() for text in ax.texts] == ["\N{MINUS SIGN}400"]
    assert [line.get_marker() for line in ax.lines].count("<") == 1
    assert ax.get_xlim()[0] > -100


def test_flat_pose_rows_and_views(flat):
    images, shifted = IMAGE[None].expand(2, -1, -1, -1), POSE[None].expand(2, -1, -1) + 30
    places = PLACES[None].expand(2, -1, -1)
    figure = volpose.plot.pose_rows(
        images, places, shifted, H36M_17, (places, shifted - 30), ("a", "b"), crop_size=256.0
    )
    assert len(figure.axes) == 6
    for ax in figure.axes[1:3]:  # both views of a row on one scale, standing upright
        assert abs(np.ptp(ax.get_xlim())) == pytest.approx(abs(np.ptp(ax.get_ylim())))
        assert ax.get_ylim()[0] > ax.get_ylim()[1]
    volume = coarse_to_fine_targets(VOXELS, GRID, (64,))[0].volume()
    figure = volpose.plot.pose_rows(
        images,
        places,
        shifted,
        H36M_17,
        (places, shifted - 30),
        crop_size=256.0,
        volumes=(volume[None].expand(2, -1, -1, -1, -1), GRID),
    )
    *panels, bar = figure.axes
    assert len(panels) == 10
    assert bar.get_xlabel() == "likelihood"
    assert [ax.get_xlabel()[:10] for ax in panels[5:8]] == ["picture", "from the f", "from above"]
    for ax, axis in ((panels[1], 1), (panels[2], 2)):  # the likeliest is at a cross of the truth
        values, (left, right, low, high) = ax.images[0].get_array(), ax.images[0].get_extent()
        assert ax.images[0].origin == ("lower" if axis == 2 else "upper")
        row, column = np.unravel_index(values.argmax(), values.shape)
        low, high = (low, high) if axis == 2 else (high, low)
        found = np.array([left + (right - left) * (column + 0.5) / 64, row])
        found[1] = low + (high - low) * (row + 0.5) / 64
        crosses = ax.lines[0].get_xydata()
        apart = np.abs(crosses - found) / ((right - left) / 64, (high - low) / 64)
        assert apart.max(1).min() < 1
        assert np.allclose(crosses, PLACES[:, [0, axis]])
    stages = [t.volume()[WRIST] for t in coarse_to_fine_targets(VOXELS, GRID, (1, 64))]
    named = dict(zip(("heatmap", "volume"), stages, strict=True))
    views = volpose.plot.volume_views(IMAGE, named, GRID, PLACES[WRIST])
    assert len(views.axes) == 4  # a heatmap has no view from above
    assert views.axes[3].lines[0].get_ydata() == [PLACES[WRIST, 2]]


def test_flat_pose(flat):
    joints = PLACES[:, :2].clone()
    joints[WRIST] = torch.nan
    figure = flat.image_with_pose(IMAGE, joints, H36M_17, truth_px=joints + 3, crop_size=256.0)
    (ax,) = figure.axes
    assert len(ax.lines) == 2 * 15
    assert ax.get_ylim() == (256, 0)
    assert {line.get_color() for line in ax.lines} > {COLORS["left"], COLORS["right"]}
    assert ax.collections[0].get_offsets().shape == (16, 2)


def test_flat_sheet_and_stack(flat):
    images = IMAGE[None].expand(3, -1, -1, -1)
    poses = PLACES[None, :, :2].expand(3, -1, -1)
    sheet = flat.image_grid(images, poses, H36M_17, ["a", "b", "c"], columns=2, crop_size=256.0)
    assert [ax.get_xlabel() for ax in sheet.axes] == ["a", "b", "c", ""]
    with pytest.raises(ValueError, match="labels"):
        flat.image_grid(images, labels=["a"])
    stages = [t.volume()[WRIST] for t in coarse_to_fine_targets(VOXELS, GRID, (1, 4, 64))]
    figure = flat.stack_figure(stages, GRID)
    top = figure.axes[5].images[0]
    assert top.get_extent() == [0, 256, -1000, 1000]
    row, column = np.unravel_index(top.get_array().argmax(), (64, 64))
    assert abs(GRID.to_places(torch.tensor([column, 0.0, row]))[2] - PLACES[WRIST, 2]) < 16


def test_flat_curves(flat, tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("step,images,seconds,cpu_seconds,loss_0,loss_1\n1,8,1,1,2.0,3.0\n2,16,2,2,1,2\n")
    (ax,) = flat.loss_curve(log).axes
    assert [line.get_ydata().tolist() for line in ax.lines] == [[2, 1], [3, 2]]
    with pytest.raises(FileNotFoundError):
        flat.loss_curve(tmp_path / "none.csv")
    log.write_text("step\n")
    with pytest.raises(ValueError, match="no losses"):
        flat.loss_curve(log)


def test_flat_bars(flat):
    errors = {"MPJPE (mm)": torch.tensor([50.0, 70.0, 90.0])}
    actions = ["Eating", "Eating", "Walking"]
    table = ActionTable.from_samples(errors, actions, "truth", "truth", "test")
    tables = {"ours": table, "again": table.to_json()}
    (ax,) = flat.action_bars(tables, "MPJPE (mm)").axes
    assert [bar.get_height() for bar in ax.patches] == [60, 90, 60, 90]
    with pytest.raises(ValueError, match="metric"):
        flat.action_bars(tables, "PCK")
