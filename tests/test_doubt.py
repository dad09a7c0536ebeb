"""How far off in depth a lifted joint may be: fitted, kept in a card, told and drawn."""

import json
import re
from dataclasses import replace

import pytest
import torch

from tests.test_lift import people, stream
from tests.test_plot import a_prediction, data_of, own_part
from volpose import pretrained
from volpose.crop import to_image
from volpose.grid import Grid
from volpose.lift.doubt import LEVELS, SHARE, Doubt, depth_spread
from volpose.lift.evaluate import measure_doubt
from volpose.lift.faults import Counted, Found
from volpose.lift.film import lift_film
from volpose.lift.lifter import Lifter
from volpose.lift.motions import Motions
from volpose.lift.people import seen_people
from volpose.lift.picture import lift_picture
from volpose.plot.film_page import film_page
from volpose.plot.page import prediction_page
from volpose.skeleton import H36M_17
from volpose.targets import gaussian_volume

KNOWN = Doubt((100.0, 200.0, 300.0), (10.0, 40.0, 200.0))


def joints_whose_error_grows(count, seed):
    generator = stream(seed)
    spread = 100 + 100 * torch.rand(count, generator=generator)
    return spread, ((spread - 90) * torch.randn(count, generator=generator)).abs()


def test_two_in_three_joints_are_within():
    doubt = Doubt.fit(*joints_whose_error_grows(20_000, 0))
    assert len(doubt.spread_mm) == LEVELS
    spread, error = joints_whose_error_grows(20_000, 1)
    for narrow in (spread < 120, spread > 180):
        within = error[narrow] <= doubt.at(spread[narrow])
        assert within.float().mean() == pytest.approx(SHARE, abs=0.03)


def test_a_doubt_lies_between_those_that_are_known_and_never_beyond():
    spread = torch.tensor([[0.0, 150.0], [250.0, 900.0]])
    assert torch.equal(KNOWN.at(spread), torch.tensor([[10.0, 25.0], [120.0, 200.0]]))


def test_a_doubt_goes_into_a_card_and_comes_back():
    assert Doubt.of_card({"doubt": KNOWN.to_json()}) == KNOWN
    assert Doubt.of_card({}) is None


@pytest.mark.parametrize(
    ("spread", "error"),
    [((1.0, 2.0), (1.0,)), ((1.0,), (1.0,)), ((2.0, 1.0), (1.0, 2.0)), ((1.0, 2.0), (2.0, 1.0))],
)
def test_other_lists_are_refused(spread, error):
    with pytest.raises(ValueError, match="two lists of one length whose numbers do not fall"):
        Doubt(spread, error)


def test_the_spread_of_a_target_is_its_sigma():
    grid = Grid((40, 16, 16), 64.0)
    voxels = torch.tensor([[8.0, 8.0, 20.0], [4.0, 9.0, 17.3]])
    spread = depth_spread(gaussian_volume(voxels, grid, sigma=1.5), voxels, grid)
    assert torch.allclose(spread, torch.tensor(1.5 * grid.voxel_size[2]), rtol=0.01)


def known_lifter():
    shipped = pretrained.load("lift-mocap")
    return Lifter(replace(shipped, card=shipped.card | {"doubt": KNOWN.to_json()}))


def a_person_walking_off(frames=4):
    pose = people(1).expand(frames, 17, 3)
    seen = seen_people(pose, Counted().find, stream(5), 256.0)
    return Found(to_image(seen.found.joints, seen.box)[:1], torch.ones(1, 17)), seen.view[0]


def test_the_network_tells_its_doubt_in_a_picture_and_in_a_film():
    found, view = a_person_walking_off()
    camera = [*view.focal.tolist(), *view.center.tolist()]
    image = torch.zeros(3, 256, 256, dtype=torch.uint8)
    told = lift_picture(image, found, known_lifter(), camera).to_json()["depth_doubt_mm"]
    assert told[H36M_17.root] == 0
    assert all(10 <= each <= 200 for joint, each in enumerate(told) if joint != H36M_17.root)
    joints, sure = found.joints.repeat(4, 1, 1), torch.ones(4, 17)
    sure[1] = 0
    film = lift_film(Found(joints, sure), view, known_lifter(), 25.0)
    frames = [frame["depth_doubt_mm"] for frame in film.to_json()["frames"]]
    assert frames[1] is None  # nobody was seen
    assert frames[0] == pytest.approx(told, abs=10)


def test_nothing_is_told_that_nobody_measured():
    found, view = a_person_walking_off()
    silent = Lifter.load("lift-perceptron")
    camera = [*view.focal.tolist(), *view.center.tolist()]
    image = torch.zeros(3, 256, 256, dtype=torch.uint8)
    answer = lift_picture(image, found, silent, camera)
    assert answer.to_json()["depth_doubt_mm"] is None
    assert answer.doubt_ends() is None
    one = Motions(people(4), torch.zeros(4).numpy(), "four")
    assert measure_doubt(silent, one) is None
    assert measure_doubt(known_lifter(), one)["left out"] == {}  # there is no other person


def test_the_page_draws_a_bar_along_the_line_of_sight():
    doubt = torch.linspace(0, 160, 17)
    prediction = a_prediction(doubt_mm=doubt)
    ends = prediction.doubt_ends()
    middle, off = ends.mean(1), ends[:, 1] - ends[:, 0]
    assert torch.allclose(middle, prediction.pose_mm, atol=0.1)
    assert torch.allclose(off.norm(dim=-1), 2 * doubt, atol=0.1)
    whole = ends + torch.tensor([0.0, 0.0, prediction.root_depth_mm])
    assert (off[1:, 2] > 0).all()
    assert whole.isfinite().all()
    page = prediction_page(prediction)
    traces = data_of(page)["figures"]["turned-view"]["data"]
    bars = next(trace for trace in traces if trace["name"] == "doubt")
    assert len(bars["x"]) == 3 * 17 - 1
    assert "depth ± (mm)" in own_part(page)
    assert "Bars:" in own_part(page)
    without = prediction_page(a_prediction())
    assert all(t["name"] != "doubt" for t in data_of(without)["figures"]["turned-view"]["data"])
    assert "depth ± (mm)" not in own_part(without)


def test_the_page_of_a_film_has_bars_where_somebody_was_seen():
    found, view = a_person_walking_off()
    sure = torch.ones(4, 17)
    sure[2] = 0
    film = lift_film(Found(found.joints.repeat(4, 1, 1), sure), view, known_lifter(), 25.0)
    ends = film.doubt_ends()
    assert torch.allclose(ends[film.seen].mean(-2), film.pose_mm[film.seen], atol=0.1)
    record = film.to_json() | {"size_px": [9, 9], "camera_px": [1, 1, 1, 1], "up": None}
    record |= {"camera_source": "", "joints_source": "", "weights": "", "notes": []}
    page = film_page(film, record)
    assert "Bars:" in own_part(page)
    data = json.loads(re.search(r'(?s)id="figure"[^>]*>(.*?)</script>', page).group(1))
    (bars, _) = [n for n, trace in enumerate(data["data"]) if trace["name"] == "doubt"]
    known = [sum(x is not None for x in f["data"][bars]["x"]) for f in data["frames"]]
    assert known == [34, 34, 0, 34]
    silent = lift_film(
        Found(found.joints.repeat(4, 1, 1), sure), view, Lifter.load("lift-perceptron"), 25.0
    )
    assert silent.doubt_ends() is None
    assert "Bars:" not in own_part(film_page(silent, record))
