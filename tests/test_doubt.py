"""How far off in depth a lifted joint may be: fitted, kept in a card, told and drawn."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.made_up import COMMITTED
from tests.test_lift import people, stream
from tests.test_plot import a_prediction, data_of, own_part
from volpose import pretrained
from volpose.crop import to_image
from volpose.decode import peak_voxel
from volpose.lift.doubt import LEVELS, PARTS, SHARE, Doubt
from volpose.lift.evaluate import measure_doubt
from volpose.lift.faults import Counted, Found
from volpose.lift.film import lift_film
from volpose.lift.lifter import Lifter
from volpose.lift.motions import Motions
from volpose.lift.people import seen_people
from volpose.lift.picture import lift_picture
from volpose.plot.film_page import film_page
from volpose.plot.page import prediction_page
from volpose.predict import predict
from volpose.refine import spread
from volpose.skeleton import H36M_17
from volpose.studio import Studio

TABLE = {"spread_mm": [100.0, 200.0, 300.0], "error_mm": [10.0, 40.0, 200.0]}
KNOWN = Doubt(dict.fromkeys(PARTS.values(), TABLE))
LIMBS = list(PARTS)


def joints_whose_error_grows(count, seed):
    """Spread and error (count, 17); a knee errs three times as much as another joint."""
    generator = stream(seed)
    spread = 100 + 100 * torch.rand(count, 17, generator=generator)
    error = ((spread - 90) * torch.randn(count, 17, generator=generator)).abs()
    error[:, [j for j, part in PARTS.items() if part == "knee"]] *= 3
    return spread, error


def test_two_in_three_of_each_joint_are_within():
    doubt = Doubt.fit(*joints_whose_error_grows(6_000, 0))
    assert all(len(doubt.tables[part]["spread_mm"]) == LEVELS for part in PARTS.values())
    spread, error = joints_whose_error_grows(6_000, 1)
    for narrow in (spread < 125, spread > 175):
        within = (error <= doubt.at(spread)) & narrow
        shares = (within.sum(0) / narrow.sum(0))[LIMBS]
        assert torch.allclose(shares, torch.tensor(SHARE), atol=0.06)


def test_a_doubt_lies_between_those_that_are_known_and_never_beyond():
    spread = torch.tensor([0.0, 150.0, 250.0, 900.0])[:, None].expand(4, 17)
    told = KNOWN.at(spread)
    assert torch.equal(told[:, LIMBS], torch.tensor([[10.0], [25], [120], [200]]).expand(4, 16))
    assert (told[:, H36M_17.root] == 0).all()


@pytest.mark.parametrize(
    "table",
    [
        None,
        "text",
        {},
        3,
        {"spread_mm": [1.0, 2.0]},
        {"spread_mm": [1.0, 2.0], "error_mm": [1.0]},
        {"spread_mm": [1.0], "error_mm": [1.0]},
        {"spread_mm": [2.0, 1.0], "error_mm": [1.0, 2.0]},
        {"spread_mm": [1.0, 2.0], "error_mm": [2.0, 1.0]},
        {"spread_mm": [1.0, 2.0], "error_mm": [-2.0, 1.0]},
        {"spread_mm": [1.0, 2.0], "error_mm": [1.0, math.inf]},
        {"spread_mm": ["a", "b"], "error_mm": [1.0, 2.0]},
    ],
)
def test_a_damaged_card_is_refused_at_once(table):
    shipped = pretrained.load("lift-mocap")
    for damaged in (table, KNOWN.tables | {"knee": table}):
        if damaged is not None:
            with pytest.raises(ValueError, match="card must have for every part of the body"):
                Lifter(replace(shipped, card=shipped.card | {"doubt": damaged}))


def test_too_few_people_are_refused():
    with pytest.raises(ValueError, match="at least 10 poses, all finite, got 9"):
        Doubt.fit(*joints_whose_error_grows(9, 0))
    spread, error = joints_whose_error_grows(20, 0)
    error[3, 4] = torch.nan
    with pytest.raises(ValueError, match="all finite"):
        Doubt.fit(spread, error)


def known_lifter():
    shipped = pretrained.load("lift-mocap")
    return Lifter(replace(shipped, card=shipped.card | {"doubt": KNOWN.tables}))


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


def test_a_network_that_sees_pictures_tells_its_doubt_if_its_card_does():
    shipped = pretrained.load("studio-laptop-anywhere")
    batch = Studio("test", size=64, variation="wild").batch(range(4))
    for image in batch.image:
        answer = predict(image, shipped)
        wide = spread(answer.volume, peak_voxel(answer.volume), shipped.grid)[..., 2, 2].sqrt()
        expected = Doubt.of_card(shipped.card).at(wide)
        torch.testing.assert_close(answer.doubt_mm, expected)
        assert answer.doubt_mm[H36M_17.root] == 0 < answer.doubt_mm[1:].min()
        assert len(answer.to_json()["depth_doubt_mm"]) == 17
        assert answer.doubt_ends().isfinite().all()
    silent = {k: v for k, v in shipped.card.items() if k != "doubt"}
    assert predict(batch.image[0], replace(shipped, card=silent)).doubt_mm is None


def test_the_shipped_doubt_is_the_measured_one_and_true_of_new_people():
    name = "studio-laptop-anywhere"
    shipped = pretrained.load(name)
    result = json.loads((COMMITTED.parent / f"laptop/{name}-doubt.json").read_text())
    assert shipped.card["doubt"] == result["tables"]
    batch = Studio("test", size=64, variation="wild").batch(range(0, 120, 2))
    volume = shipped.volume(batch.image, mirror=True)
    voxels = peak_voxel(volume)
    told = Doubt.of_card(shipped.card).at(spread(volume, voxels, shipped.grid)[..., 2, 2].sqrt())
    off = (shipped.grid.to_places(voxels) - batch.places(64.0))[..., 2].abs()
    assert float((off <= told)[:, LIMBS].float().mean()) == pytest.approx(SHARE, abs=0.06)


def test_a_joint_that_was_not_given_has_no_doubt():
    found, view = a_person_walking_off()
    found.confidence[0, H36M_17.index("left_ankle")] = 0
    image = torch.zeros(3, 256, 256, dtype=torch.uint8)
    camera = [*view.focal.tolist(), *view.center.tolist()]
    answer = lift_picture(image, found, known_lifter(), camera)
    told = answer.to_json()["depth_doubt_mm"]
    assert [j for j, each in enumerate(told) if each is None] == [H36M_17.index("left_ankle")]
    assert answer.doubt_ends()[H36M_17.index("left_ankle")].isnan().all()
    assert "nan" not in own_part(prediction_page(answer)).lower()


def test_each_person_is_judged_by_the_others():
    pose = people(24)
    subject = np.repeat(["a", "b", "c"], 8)
    found = measure_doubt(known_lifter(), Motions(pose, subject, "24"))
    assert Doubt.of_card({"doubt": found["tables"]}).tables == found["tables"]
    within = found["within"]
    assert within["subject"].keys() == {"a", "b", "c"}
    assert within["part"].keys() == set(PARTS.values())
    assert within["all"][""] == pytest.approx(np.mean([*within["subject"].values()]), abs=2e-3)
    alone = measure_doubt(known_lifter(), Motions(pose, np.repeat("a", 24), "24"))
    assert alone["within"] == {}


def test_the_page_draws_a_bar_along_the_line_of_sight():
    doubt = torch.linspace(0, 160, 17)
    prediction = a_prediction(doubt_mm=doubt)
    ends = prediction.doubt_ends()
    middle, off = ends.mean(1), ends[:, 1] - ends[:, 0]
    assert torch.allclose(middle, prediction.pose_mm, atol=0.1)
    rays = prediction.camera.back_project(prediction.joints_px, torch.ones(17))
    axis = torch.nn.functional.normalize(rays[H36M_17.root], dim=-1)
    assert torch.allclose(off @ axis, 2 * doubt, atol=0.1)  # in depth
    assert torch.cosine_similarity(off, rays, dim=-1)[1:].min() > 0.9999  # the picture stays
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
