"""The paper's tables as experiments: plans, rates, intervals, and the committed runs."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tests.made_up import COMMITTED, made_up
from volpose import recipe
from volpose.reproduce import experiment as experiments
from volpose.reproduce.experiment import FAMILIES, RATES, RMSPROP, SETTINGS, Experiment, family
from volpose.reproduce.intervals import Interval, paired, verdict
from volpose.reproduce.measure import result_of
from volpose.reproduce.plan import (
    beside_cliff,
    chosen_rate,
    equal_time_runs,
    half_rate_runs,
    question_runs,
    rate_runs,
    row_runs,
)
from volpose.reproduce.tables import ROWS, TABLES


def test_the_tables_are_the_papers():
    numbers = {name: [row.paper_mm for row in table.rows] for name, table in TABLES.items()}
    assert numbers["table1"] == [112.41, 92.23, 85.82]
    assert len(numbers["table2"]) == 8
    assert (min(numbers["table2"]), max(numbers["table2"])) == (64.76, 80.14)
    assert numbers["table3"] == [78.10, 69.77, None]
    for table in TABLES.values():
        assert table.clock in [row.name for row in table.rows]
        for claim in table.claims:
            better, worse = ROWS[claim.better].paper_mm, ROWS[claim.worse].paper_mm
            assert worse is None or better < worse, claim
    # the six actions of Table 3 with their improvement
    assert all(high > low for high, low in TABLES["table3"].actions.values())


@pytest.mark.parametrize("preset", experiments.SAMPLES)
@pytest.mark.parametrize("row", ROWS)
def test_every_row_has_a_recipe_at_every_preset(preset, row):
    config = Experiment(preset, "hard", row, 5, 1e-3).recipe()
    depth = recipe.PRESETS[preset].network.z_bins[-1]
    finer = {"volume 16": 4, "volume 32": 2}.get(row, 1)
    assert config.network.z_bins[-1] == depth // finer
    assert (config.seed, config.variation, config.learning_rate) == (5, "hard", 1e-3)
    config.network.build()


def test_rates_are_searched_once_a_family_and_never_on_the_test_subjects(tmp_path):
    runs = rate_runs("laptop", "default", ROWS, tmp_path)
    assert len(runs) == len(FAMILIES) * len(RATES["laptop"])
    assert {run.split for run in runs} == {"val"}
    assert {family(run.row) for run in runs} == set(FAMILIES)
    assert all(run.recipe().samples == experiments.SAMPLES["laptop"] for run in runs)


def test_names_tell_runs_apart(tmp_path):
    for table in TABLES:
        made_up(tmp_path, table)
    runs = rate_runs("laptop", "hard", ROWS, tmp_path)
    runs += row_runs("laptop", "hard", ROWS, 3, tmp_path)
    for table in TABLES:
        runs += equal_time_runs("laptop", "hard", table, 3, tmp_path)
    runs += question_runs("laptop", "hard", 3, tmp_path)
    runs += rate_runs("laptop", "hard", ["1-64"], tmp_path, RMSPROP)
    different = {(run.name, json.dumps(run.recipe().to_json())) for run in runs}
    assert len({name for name, _ in different}) == len(different)
    assert all(re.fullmatch(r"[\w.-]+", run.name) for run in runs)
    # one folder, one recipe; the search and the row with the chosen rate share theirs
    trainings = {(run.training, json.dumps(run.recipe().to_json())) for run in runs}
    assert len({name for name, _ in trainings}) == len(trainings) < len(different)


def test_the_rate_is_the_best_on_validation(tmp_path):
    assert chosen_rate("laptop", "hard", "1-64", tmp_path) is None
    made_up(tmp_path, "table2")
    errors = {
        run.rate: result_of(run, tmp_path)["mean_of_frames"]["MPJPE mm"]
        for run in rate_runs("laptop", "hard", ["64-64"], tmp_path)
    }
    assert errors[chosen_rate("laptop", "hard", "64-64", tmp_path)] == min(errors.values())


def test_rows_are_refused_with_advice_if_a_new_search_chooses_another_rate(tmp_path):
    made_up(tmp_path, "table2")
    rows = row_runs("laptop", "hard", ["1-4-64"], 3, tmp_path)
    before = rows[0].rate
    assert all(result_of(run, tmp_path) for run in rows)
    kept = {}
    for run in rate_runs("laptop", "hard", ["1-4-64"], tmp_path):  # searched in 1-2-64
        path = run.folder(tmp_path) / f"{run.name}.json"
        kept[path] = path.read_text()
        if run.rate == before:
            made_elsewhere = json.loads(kept[path])
            made_elsewhere["mean_of_frames"]["MPJPE mm"] += 99
            path.write_text(json.dumps(made_elsewhere))
    made_up(tmp_path, "table2")  # where the search goes on beyond an edge
    rows = row_runs("laptop", "hard", ["1-4-64"], 3, tmp_path)
    assert rows[0].rate == chosen_rate("laptop", "hard", "1-4-64", tmp_path) != before
    for run in (rows[0], replace(rows[0], samples=12_000), replace(rows[0], budget="time")):
        path = run.folder(tmp_path) / f"{run.name}.json"
        if not path.exists():
            old = {"card": {"recipe": replace(run, rate=before).recipe().to_json()}}
            path.write_text(json.dumps(old))
        words = rf"learning_rate is {before}, expected {run.rate}.*1-2-32-rate-\*-seed-0.json: put"
        with pytest.raises(ValueError, match=words):
            result_of(run, tmp_path)
    for path, text in kept.items():
        path.write_text(text)
    rows = row_runs("laptop", "hard", ["1-4-64"], 3, tmp_path)
    assert all(result_of(run, tmp_path) for run in rows)


def test_another_optimizer_has_a_search_of_its_own(tmp_path):
    made_up(tmp_path, "table2")

    def asked():
        return [r for r in question_runs("laptop", "hard", 3, tmp_path) if r.change == RMSPROP]

    assert asked() == []  # until its rate is known
    search = rate_runs("laptop", "hard", ["1-64"], tmp_path, RMSPROP)
    for run, mm in zip(search, (70.0, 60.0, 65.0), strict=True):
        folder = run.folder(tmp_path)
        result = {"card": {"recipe": run.recipe().to_json()}, "mean_of_frames": {"MPJPE mm": mm}}
        (folder / f"{run.name}.json").write_text(json.dumps(result))
    usual = row_runs("laptop", "hard", ["1-64"], 3, tmp_path)
    assert [run.rate for run in asked()] == [search[1].rate] * 3
    for run, before in zip(asked(), usual, strict=True):
        changed, kept = run.recipe(), before.recipe()
        assert changed.optimizer == "rmsprop"
        rest = {"optimizer": kept.optimizer, "learning_rate": kept.learning_rate}
        assert replace(changed, **rest) == kept


@pytest.mark.parametrize("preset", ["tiny", "laptop", "paper"])
def test_a_cliff_is_looked_for_at_the_next_higher_rate(preset, tmp_path):
    usual = Experiment(preset, "hard", "1-64", 0, 1.0, "rate")
    lowest, *others = RATES[preset]
    usual.folder(tmp_path).mkdir(parents=True)
    for rate, mm in ({lowest / 2: 90.0, lowest: 60.0} | dict.fromkeys(others, 80.0)).items():
        run = replace(usual, rate=rate)
        result = {"card": {"recipe": run.recipe().to_json()}, "mean_of_frames": {"MPJPE mm": mm}}
        (run.folder(tmp_path) / f"{run.name}.json").write_text(json.dumps(result))
    assert beside_cliff(preset, "hard", "1-64", tmp_path)
    assert beside_cliff(preset, "hard", "64-64", tmp_path) is None


def test_half_the_rate_is_asked_only_beside_a_cliff(tmp_path):
    made_up(tmp_path, "table2")
    where, found = ("laptop", "hard"), rate_runs("laptop", "hard", ["1-64"], tmp_path)
    best = chosen_rate(*where, "1-64", tmp_path)
    files = {run.rate: run.folder(tmp_path) / f"{run.name}.json" for run in found}
    error = json.loads(files[best].read_text())["mean_of_frames"]["MPJPE mm"]

    def asked(times):
        for row in FAMILIES.values():  # no family but one may have a say
            rate = chosen_rate(*where, row, tmp_path)
            for run in rate_runs(*where, [row], tmp_path) if rate else ():
                path = run.folder(tmp_path) / f"{run.name}.json"
                result = json.loads(path.read_text())
                higher = row == "1-64" and run.rate == 2 * rate
                kept = error if run.rate == rate else error * (times if higher else 1.2)
                result["mean_of_frames"]["MPJPE mm"] = kept
                path.write_text(json.dumps(result))
        return half_rate_runs(*where, 3, tmp_path)

    assert asked(1.2) == []
    runs = asked(1.3)
    assert {(run.row, run.seed) for run in runs} == {
        (row.name, seed) for row in TABLES["table2"].rows for seed in range(3)
    }
    for run in runs:
        assert run.rate == chosen_rate(*where, run.row, tmp_path) / 2 == run.recipe().learning_rate
        assert run.name.endswith(f"-half-the-rate-seed-{run.seed}")


def test_equal_time_is_samples_in_proportion_to_speed(tmp_path):
    assert equal_time_runs("laptop", "hard", "table1", 3, tmp_path) == []  # no costs, no lengths
    made_up(tmp_path, "table1")
    runs = equal_time_runs("laptop", "hard", "table1", 3, tmp_path)
    assert {run.row for run in runs} == {"coordinate regression", "volume 32"}
    steps = json.loads((tmp_path / "costs-laptop.json").read_text())["steps"]
    for run in runs:
        ratio = steps["volume 64"]["median_s"] / steps[run.row]["median_s"]
        assert run.recipe().samples == pytest.approx(48_000 * ratio, abs=1)
    assert len({(run.row, run.seed) for run in runs}) == len(runs) == 6


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=9))
def test_the_interval_is_students(values):
    interval = Interval.of(values)
    spread = np.std(values, ddof=1) / math.sqrt(len(values))
    half = stats.t.ppf(0.975, len(values) - 1) * spread
    assert interval.mean == pytest.approx(np.mean(values), abs=1e-9)
    assert interval.half == pytest.approx(half, abs=1e-9)


def test_a_verdict_needs_an_interval_without_zero():
    better, worse = {0: 50.0, 1: 52.0, 2: 54.0}, {0: 60.0, 1: 61.5, 2: 64.5, 7: 0.0}
    difference = paired(better, worse)
    assert difference.count == 3
    assert difference.mean == pytest.approx(10.0)
    assert verdict(difference) == "holds"
    assert verdict(paired(worse, better)) == "does not hold"
    assert verdict(paired(better, better)) == "cannot tell"
    assert verdict(paired({0: 1.0}, {0: 9.0})) == "cannot tell"  # one seed says nothing
    two = paired({0: 1.0, 1: 1.1}, {0: 9.0, 1: 9.1})  # and two next to nothing, however equal
    assert two.low > 0
    assert verdict(two) == "cannot tell"
    assert verdict(paired({0: 1.0, 1: 1.1, 2: 1.2}, {0: 9.0, 1: 9.1, 2: 9.3})) == "holds"
    assert paired({0: 1.0}, {1: 2.0}) is None
    with pytest.raises(ValueError, match="at least one value"):
        Interval.of([])


def test_runs_of_a_row_are_equally_long():
    for setting in SETTINGS:
        lengths = {}
        for path in (COMMITTED / f"laptop-{setting}").glob("*.json"):
            result = json.loads(path.read_text())
            row = re.sub(r"-seed-\d+$", "", result["name"])
            lengths.setdefault(row, []).append(result["card"]["recipe"]["samples"])
        assert lengths
        apart = {row: set(n) for row, n in lengths.items() if max(n) - min(n) > 1}
        assert not apart, f"{setting}: runs of one row saw other numbers of samples: {apart}"


def planned(setting, seeds=9):
    """All runs that tables and questions ask of the laptop preset, as far as rates are known."""
    where = "laptop", setting
    runs = rate_runs(*where, ROWS, COMMITTED) + row_runs(*where, ROWS, seeds, COMMITTED)
    runs += rate_runs(*where, ["1-64"], COMMITTED, RMSPROP)
    for table in TABLES:
        runs += equal_time_runs(*where, table, seeds, COMMITTED)
    return runs + question_runs(*where, seeds, COMMITTED)


@pytest.mark.parametrize("setting", SETTINGS)
def test_committed_results_are_planned_and_have_the_recipe_of_today(setting):
    files = {path.stem for path in (COMMITTED / f"laptop-{setting}").glob("*.json")}
    made = {run.name for run in planned(setting) if result_of(run, COMMITTED)}
    assert files
    assert sorted(files - made) == []
