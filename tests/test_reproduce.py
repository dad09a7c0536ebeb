"""The paper's tables as experiments: plans, intervals, and every printed number made again."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from volpose import recipe
from volpose.__main__ import main
from volpose.reproduce import experiment as experiments
from volpose.reproduce.experiment import FAMILIES, RATES, SETTINGS, Experiment, family
from volpose.reproduce.intervals import Interval, paired, verdict
from volpose.reproduce.measure import missing, result_of
from volpose.reproduce.plan import (
    chosen_rate,
    equal_time_runs,
    question_runs,
    rate_runs,
    row_runs,
)
from volpose.reproduce.report import gaps, report
from volpose.reproduce.summary import summarize
from volpose.reproduce.tables import ROWS, TABLES, at_depth

COMMITTED = Path(__file__).parents[1] / "results" / "reproduce"


def made_up(folder, table, preset="laptop", setting="hard", seeds=3):
    """Results of a table without training: recipes are right, errors drawn at random."""
    rng = np.random.default_rng(0)

    def write(runs):
        for run in runs:
            path = run.folder(folder) / f"{run.name}.json"
            if path.exists():
                continue
            drawn = {a: {"samples": 9, "MPJPE mm": rng.uniform(50, 90)} for a in ACTIONS}
            total = float(np.mean([row["MPJPE mm"] for row in drawn.values()]))
            result = {
                "name": run.name,
                "parameters": 123_456,
                "card": {
                    "recipe": run.recipe().to_json(),
                    "cpu_seconds": rng.uniform(10, 30),
                },
                "actions": drawn,
                "mean_of_frames": {"MPJPE mm": total},
            }
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(result))

    rows = [row.name for row in TABLES[table].rows]
    while missing(search := rate_runs(preset, setting, rows, folder), folder):
        write(search)
    write(row_runs(preset, setting, rows, seeds, folder))
    write(equal_time_runs(preset, setting, table, seeds, folder))
    return folder


ACTIONS = tuple(TABLES["table3"].actions)


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
    assert config.network.z_bins[-1] == (depth // 2 if row == "volume 32" else depth)
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


def test_equal_time_is_samples_in_proportion_to_speed(tmp_path):
    made_up(tmp_path, "table1")
    runs = equal_time_runs("laptop", "hard", "table1", 3, tmp_path)
    assert {run.row for run in runs} == {"coordinate regression", "volume 32"}

    def middle(row):
        names = [f"{ROWS[row].label(32).replace(' ', '-')}-seed-{seed}.json" for seed in range(3)]
        files = [json.loads((tmp_path / "laptop-hard" / n).read_text()) for n in names]
        return np.median([f["card"]["cpu_seconds"] for f in files])

    for run in runs:
        expected = 48_000 * middle("volume 64") / middle(run.row)
        assert run.recipe().samples == pytest.approx(expected, abs=1)


def test_more_seeds_leave_the_runs_of_equal_time_as_long_as_they_were(tmp_path):
    made_up(tmp_path, "table2", seeds=3)
    before = equal_time_runs("laptop", "hard", "table2", 3, tmp_path)
    made_up(tmp_path, "table2", seeds=5)
    after = equal_time_runs("laptop", "hard", "table2", 5, tmp_path)
    assert [run for run in after if run.seed < 3] == before
    assert len(after) > len(before)


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
    assert paired({0: 1.0}, {1: 2.0}) is None
    with pytest.raises(ValueError, match="at least one value"):
        Interval.of([])


def independent(folder, table, setting):
    """The printed numbers of a table, made again from the files with NumPy and SciPy alone."""
    plan, cells = TABLES[table], []

    def read(row, budget):
        name = ROWS[row].label(32).replace(",", "").replace(" ", "-")
        middle = "-equal-time" if budget == "time" and row != plan.clock else ""
        pattern = re.compile(re.escape(name + middle) + r"-seed-(\d+)\.json")
        found = {}
        for path in (folder / f"laptop-{setting}").iterdir():
            if match := pattern.fullmatch(path.name):
                found[int(match[1])] = json.loads(path.read_text())
        return found

    def error(result, action):
        part = result["actions"][action] if action else result["mean_of_frames"]
        return part["MPJPE mm"]

    def text(values):
        if not values:
            return None
        if len(values) == 1:
            return f"{values[0]:.1f}"
        half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
        return f"{np.mean(values):.1f} ± {half:.1f}"

    for row in plan.rows:
        for budget in ("samples", "time"):
            cells.append(text([error(r, None) for _, r in sorted(read(row.name, budget).items())]))
    pairs = [(c.better, c.worse, None) for c in plan.claims]
    pairs += [(plan.rows[1].name, plan.rows[0].name, a) for a in plan.actions or ()]
    for better, worse, action in pairs:
        for budget in ("samples", "time"):
            one, two = read(better, budget), read(worse, budget)
            seeds = sorted(one.keys() & two.keys())
            found = text([error(two[s], action) - error(one[s], action) for s in seeds])
            cells.append(found if found is None or found[0] == "-" else f"+{found}")
    return [cell for cell in cells if cell is not None]


@pytest.mark.parametrize("table", TABLES)
def test_every_printed_aggregate_follows_from_the_runs(table, tmp_path):
    made_up(tmp_path, table)
    printed = report(summarize(table, "laptop", "hard", tmp_path))
    cells = independent(tmp_path, table, "hard")
    assert len(cells) >= 12
    found = re.findall(r"[+-]?\d+\.\d ± \d+\.\d", printed)
    assert found == cells
    # and the text follows the files
    victim = next(p for p in (tmp_path / "laptop-hard").iterdir() if p.stem.endswith("seed-1"))
    changed = json.loads(victim.read_text())
    changed["mean_of_frames"]["MPJPE mm"] += 20
    victim.write_text(json.dumps(changed))
    assert report(summarize(table, "laptop", "hard", tmp_path)) != printed


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("setting", SETTINGS)
def test_the_committed_tables_follow_from_the_committed_runs(table, setting):
    printed = report(summarize(table, "laptop", setting, COMMITTED))
    rows, *rest = printed.split("the paper says")
    numbers = re.findall(r"[+-]?\d+\.\d(?: ± \d+\.\d)?(?![\d.])", rows.split("CPU s")[1])
    numbers += re.findall(r"[+-]\d+\.\d(?: ± \d+\.\d)?(?![\d.])", "".join(rest))
    assert numbers == independent(COMMITTED, table, setting)


def planned(setting, seeds=9):
    """All runs that tables and questions ask of the laptop preset, as far as rates are known."""
    where = "laptop", setting
    runs = rate_runs(*where, ROWS, COMMITTED) + row_runs(*where, ROWS, seeds, COMMITTED)
    for table in TABLES:
        runs += equal_time_runs(*where, table, seeds, COMMITTED)
    return runs + question_runs(*where, seeds, COMMITTED)


@pytest.mark.parametrize("setting", SETTINGS)
def test_committed_results_are_planned_and_have_the_recipe_of_today(setting):
    files = {path.stem for path in (COMMITTED / f"laptop-{setting}").glob("*.json")}
    made = {run.name for run in planned(setting) if result_of(run, COMMITTED)}
    assert files
    assert sorted(files - made) == []


def test_show_prints_what_there_is_and_trains_nothing(tmp_path, capsys):
    made_up(tmp_path / "results", "table1")
    where = ["--results", str(tmp_path / "results"), "--runs", str(tmp_path / "runs")]
    assert main(["reproduce", "table1", "--setting", "hard", "--show", *where]) == 0
    printed = capsys.readouterr().out
    assert "112.41" in printed
    assert "a volume beats coordinate regression" in printed
    assert not (tmp_path / "runs").exists()


def test_gaps_are_named(tmp_path):
    made_up(tmp_path, "table1")
    assert "nothing missing" in gaps(summarize("table1", "laptop", "hard", tmp_path))
    next((tmp_path / "laptop-hard").glob("volume-16-equal-time-seed-1*")).unlink()
    assert "volume 16 2 of 3 (equal time)" in gaps(summarize("table1", "laptop", "hard", tmp_path))
    assert "no runs yet" in gaps(summarize("table1", "laptop", "default", tmp_path))


def test_equal_time_may_have_fewer_seeds_than_equal_samples(tmp_path):
    def said():
        words = gaps(summarize("table1", "laptop", "hard", tmp_path))
        return " ".join(words.removeprefix("hard studio: ").split())

    def without(pattern):
        for path in (tmp_path / "laptop-hard").glob(pattern):
            path.unlink()

    made_up(tmp_path, "table1", seeds=5)
    without("*-equal-time-seed-[34].json")
    assert said() == "all rows, each 5 seeds (equal samples) and 3 seeds (equal time)"
    without("volume-16-equal-time-seed-2.json")
    assert said() == "seeds missing: volume 16 2 of 3 (equal time)"
    without("volume-32-seed-4.json")  # the clock, whose runs count for both
    few = "volume 32 4 of 5 (equal samples)"
    assert said() == f"seeds missing: {few}, volume 16 2 of 3 (equal time)"
    without("*-equal-time-*")
    assert said() == f"seeds missing: {few}, all rows (equal time)"


def test_claims_name_rows_as_the_lines_do(tmp_path):
    table = summarize("table2", "laptop", "hard", tmp_path)
    (words,) = (f.claim.words for f in table.findings if f.claim.better == "1-4-64")
    assert words == "so does 1-4-32"
    assert "1-4-32" in {line.label for line in table.lines}
    assert "-64" not in report(table)
    (words,) = (c.words for c in TABLES["table2"].claims if c.better == "1-4-64")
    assert words == "so does 1-4-64"  # as in the paper
    assert at_depth("32 of 64", 128) == "64 of 128"
