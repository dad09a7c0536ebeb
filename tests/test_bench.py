"""The benchmark: contestants take turns, ratios are of medians, plain forms do the same work."""

import itertools
import json
from dataclasses import replace

import pytest
import torch

from tests.small import CONFIG
from volpose import bench
from volpose.augment import PAPER
from volpose.bench import kernels, memory, timing, training
from volpose.bench.kernels import Volumes
from volpose.bench.remote import Remote
from volpose.bench.timing import Effort

SMALL = Volumes(2, (3, 4, 8, 6), "fp32", "channels-last")
TINY = replace(
    CONFIG,
    network=replace(CONFIG.network, z_bins=(1, 4), features=8, hourglass_depth=1),
    batch_size=4,
)
PLAN = bench.Plan(
    product=64,
    copy_mib=1,
    losses=(SMALL, replace(SMALL, dtype="bf16")),
    decoded=(SMALL,),
    forward=(("small", 2),),
    steps=("small",),
    memory=(),
    memory_losses=(),
    memory_forms=("plain", "ours"),
    waiting=("small", 4, 50),
    render=(32,),
    rendered=2,
    effort=Effort(seconds=0.0, rounds=2),
    runs={"small": TINY},
)


class Clock:
    """A clock that stands still but for what contestants take; they also note their turns."""

    def __init__(self) -> None:
        self.now, self.turns = 0.0, ""

    def contestant(self, name, durations, result=None):
        """One that takes these durations, in turn."""
        left = iter(durations)

        def work():
            self.turns += name
            self.now += next(left)
            return result

        return work


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(timing, "perf_counter", lambda: clock.now)
    return clock


def test_contestants_take_turns_and_outliers_do_not_count(clock):
    works = {
        "a": clock.contestant("a", [99, 99, 6, 99, 6, 99, 60]),
        "b": clock.contestant("b", [99, 99, 2, 99, 40, 99, 3]),
        "c": clock.contestant("c", [99, 99, 1, 99, 1, 99, 1]),
    }
    entry = timing.compare("work", works, Effort(0.0, 3))
    assert clock.turns == "abc" + "aabbcc" * 3  # a look at the answers, then the race
    assert entry["baseline"] == "a"
    assert entry["faster"] == {"b": 2.0, "c": 6.0}
    expected = {"median_s": 3, "fastest_s": 2, "quartiles_s": [2.5, 21.5], "rounds": 3}
    assert entry["times"]["b"] == expected


def test_a_race_lasts_for_its_seconds_and_at_least_its_rounds(clock):
    works = {"a": clock.contestant("a", [2] * 99), "b": clock.contestant("b", [3] * 99)}
    assert timing.race(works, Effort(41.0, 1))["a"]["rounds"] == 5
    assert timing.race(works, Effort(1.0, 4))["b"]["rounds"] == 4


@pytest.mark.parametrize("wrong", [[1.0, 2.1], [1.0, torch.nan], [1.0]])
def test_contestants_that_disagree_are_not_compared(clock, wrong):
    works = {
        "a": clock.contestant("a", [1] * 9, torch.tensor([1.0, 2.0])),
        "idle": clock.contestant("i", [1] * 9),
        "b": clock.contestant("b", [1] * 9, torch.tensor(wrong)),
    }
    with pytest.raises(ValueError, match="work: b"):
        timing.compare("work", works, Effort(0.0, 1), tolerance=0.04)
    works["b"] = clock.contestant("b", [1] * 9, torch.tensor([1.0, 2.05]))
    assert timing.compare("work", works, Effort(0.0, 1), tolerance=0.04)["faster"]["b"] == 1


@pytest.mark.parametrize("form", ["channels-last", "fused loss", "flat weights"])
def test_every_form_of_a_step_trains_the_same_network(form):
    # at a low rate: Adam's first steps turn noise in a gradient of zero into whole steps
    config = replace(CONFIG, near_zero=False, augmentation=PAPER, learning_rate=3e-4)
    config = training.comparable(config)
    plain, other = (training.step_work(name, config, "cpu") for name in ("plain", form))
    losses = torch.stack([plain() for _ in range(3)])
    assert losses[2].sum() < 0.95 * losses[0].sum()  # it learns, so the weights took part
    torch.testing.assert_close(torch.stack([other() for _ in range(3)]), losses, rtol=1e-3, atol=0)


def test_a_step_of_unknown_form_is_refused():
    with pytest.raises(ValueError, match="form must be one of"):
        training.step_work("magic", CONFIG, "cpu")


def test_operations_of_a_network_are_those_of_its_convolutions():
    model, seen = TINY.network.build(), []
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(
                lambda m, _, out: seen.append(2 * m.weight[0].numel() * out.numel())
            )
    model(torch.rand(1, 3, TINY.network.image_size, TINY.network.image_size))
    assert kernels.flops(TINY.network) == sum(seen)
    assert kernels.flops(TINY.network, backward=True) == 3 * sum(seen) - seen[0]


def _take(mebibytes):
    """Work that needs this much memory for a moment."""
    return lambda: torch.ones(mebibytes * 2**18).sum()


@pytest.mark.skipif(not memory.measurable("cpu"), reason="needs Linux's /proc")
def test_peak_memory_is_that_of_the_largest_moment():
    # each in a process of its own: this one may hold freed memory, which would not count
    few, many = (memory._peak(_take, [(1,), (size,)], "cpu") for size in (40, 140))
    assert 80 < many - few < 120


def test_a_contestant_in_another_process_keeps_what_it_has_built():
    with Remote(_counter, 5) as remote:
        threads = torch.get_num_threads()
        assert [remote().tolist() for _ in range(3)] == [[threads, n] for n in (6, 7, 8)]


def _counter(start):
    numbers = itertools.count(start + 1)
    return lambda: torch.tensor([torch.get_num_threads(), next(numbers)])


class Here:
    """Stands in for `Remote`: starting six processes takes long."""

    def __init__(self, make, *arguments):
        self.work = make(*arguments)

    def __enter__(self):
        return self.work

    def __exit__(self, *_):
        pass


@pytest.fixture(scope="module")
def result():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "Remote", Here)
        return {"quick": True} | bench.measure(PLAN)


def test_everything_is_measured_in_plain_numbers(result):
    assert json.loads(json.dumps(result)) == result
    assert min(result["limits"].values()) > 0
    fused = {"naive", "naive in fp32", "fused", "copy"}
    assert [set(e["times"]) for e in result["loss"]] == [fused - {"naive in fp32"}, fused]
    assert {e["name"].split(",")[0] for e in result["decode"]} == {"argmax", "peak"}
    (step,) = result["step"]
    assert tuple(step["times"])[:5] == training.FORMS
    assert step["ours"] == training.best_form(TINY, "cpu")
    assert result["wait"]["steps"] == 25
    assert 0 <= result["wait"]["share"] < 1


def test_report_puts_ratios_first(result):
    entry = {
        "name": "work",
        "baseline": "naive",
        "times": {"naive": {"median_s": 2.0}, "fused": {"median_s": 0.5}},
        "faster": {"fused": 4.0},
        "ours": "fused",
        "limit_s": 0.1,
    }
    peaks = {"naive": 200.0, "fused": 50.0}
    room = {"name": "room", "baseline": "naive", "peak_mib": peaks, "saved": {"fused": 0.75}}
    text = bench.report(result | {"loss": [entry], "memory": [room | {"ours": "fused"}]})
    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert "2.00 s work: naive" in rows
    assert "4.00 x 20% 500 ms -> fused" in rows
    assert "75% 50 MiB -> fused" in rows
    assert result["machine"] in rows[0]


def test_result_is_named_after_the_hardware(result, tmp_path):
    path = bench.write(result | {"threads": 2}, tmp_path / "new")
    assert path == tmp_path / "new" / "cpu-2-threads-quick.json"
    assert json.loads(path.read_text())["limits"] == result["limits"]
    gpu = {"device": "cuda", "machine": "NVIDIA H200 (MIG)", "threads": 16, "quick": False}
    assert bench.write(result | gpu, tmp_path).name == "nvidia-h200-mig-16-threads.json"


def test_threads_are_set_for_the_benchmark_only(monkeypatch):
    seen = []
    monkeypatch.setattr(
        bench, "measure", lambda *_: {"threads": seen.append(torch.get_num_threads())}
    )
    before = torch.get_num_threads()
    assert bench.bench(quick=True, threads=before + 1)["quick"] is True
    assert (seen, torch.get_num_threads()) == ([before + 1], before)
    with pytest.raises(ValueError, match="threads must be at least 1, got 0"):
        bench.bench(threads=0)
