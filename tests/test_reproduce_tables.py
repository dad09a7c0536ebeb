"""The printed tables: every cell made again from the files, verdicts, and what is missing."""

import json
import re

import numpy as np
import pytest
from scipy import stats

from tests.made_up import COMMITTED, made_up
from volpose.__main__ import main
from volpose.reproduce.experiment import SETTINGS
from volpose.reproduce.intervals import Interval, surviving, verdict
from volpose.reproduce.report import gaps, readings, report, short_verdict
from volpose.reproduce.summary import summarize
from volpose.reproduce.tables import ROWS, TABLES, at_depth

WORDS = {"samples": "equal samples", "time": "equal time", "long": "4 x samples"}


def read(folder, table, setting, row, budget):
    """Seed -> result of a row, found by the names of the files alone."""
    name = ROWS[row].label(32).replace(",", "").replace(" ", "-")
    middle = "-equal-time" if budget == "time" and row != TABLES[table].clock else ""
    middle = "-192000-samples" if budget == "long" else middle
    pattern = re.compile(re.escape(name + middle) + r"-seed-(\d+)\.json")
    found = {}
    for path in (folder / f"laptop-{setting}").iterdir():
        if match := pattern.fullmatch(path.name):
            found[int(match[1])] = json.loads(path.read_text())
    return dict(sorted(found.items()))


def has_pairs(folder, table, setting, budget):
    """Whether a claim of the table has runs of one seed on both sides."""
    sides = (
        [read(folder, table, setting, row, budget) for row in (c.better, c.worse)]
        for c in TABLES[table].claims
    )
    return any(a.keys() & b.keys() for a, b in sides)


def mean_and_half(values):
    if len(values) < 2:
        return f"{values[0]:.1f}" if values else "-"
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return f"{np.mean(values):.1f} ± {half:.1f}"


def compared(better, worse):
    """The cells of a difference: itself, its pairs, its verdict by SciPy's paired t test."""
    seeds = sorted(better.keys() & worse.keys())
    values = [worse[s] - better[s] for s in seeds]
    if not values:
        return ["-", "-", "-"]
    word = "cannot tell"
    if len(values) > 2 and stats.ttest_1samp(values, 0).pvalue < 0.05:
        word = "holds" if np.mean(values) > 0 else "does not hold"
    sign = "+" if np.mean(values) >= 0 else ""
    return [sign + mean_and_half(values), str(len(values)), word]


def late_seeds(folder, setting, errors):
    """Those above 3/4 of the mean pose's error, if it is known, or 5/4 of the best's."""
    path = folder / f"lookup-laptop-{setting}.json"
    if not path.exists():
        return set()
    line = 0.75 * json.loads(path.read_text())["mean_pose_mm"]
    return {s for s, mm in errors.items() if mm > line or mm > 1.25 * min(errors.values())}


def late_cell(folder, table, setting, budget, better, worse):
    """How many runs of both sides, of those in pairs, are late."""
    sides = [
        {s: r["mean_of_frames"]["MPJPE mm"] for s, r in found.items()}
        for found in (read(folder, table, setting, row, budget) for row in (better, worse))
    ]
    return late_of(folder, setting, *sides)


def late_of(folder, setting, better, worse):
    """The same, of the errors of both sides."""
    both = better.keys() & worse.keys()
    late = [len(both & late_seeds(folder, setting, side)) for side in (better, worse)]
    return f"{late[0]}/{late[1]}" if any(late) else ""


def training_seconds(folder, row):
    """48 000 samples in batches of 32, each as long as the median of the timed steps."""
    path = folder / "costs-laptop.json"
    if not path.exists():
        return "-"
    return f"{1500 * json.loads(path.read_text())['steps'][row]['median_s']:.0f}"


def independent(folder, table, setting):
    """All cells of a printed table, made again from the files with NumPy and SciPy alone."""
    plan, cells = TABLES[table], []

    def errors(row, budget, action=None):
        found = read(folder, table, setting, row, budget)
        parts = {
            s: r["actions"][action] if action else r["mean_of_frames"] for s, r in found.items()
        }
        return {s: part["MPJPE mm"] for s, part in parts.items()}

    always = ["samples", "time"]
    columns = [*always, *(["long"] if has_pairs(folder, table, setting, "long") else [])]
    for row in plan.rows:
        both = [errors(row.name, budget) for budget in columns]
        runs = list(read(folder, table, setting, row.name, "samples").values())
        line = [row.label(32), "-" if row.paper_mm is None else f"{row.paper_mm:.2f}"]
        line += [mean_and_half(list(found.values())) for found in both]
        line += ["/".join(str(len(found)) for found in both)]
        line += [f"{runs[0]['parameters'] / 1e6:.2f}" if runs else "-"]
        line += [training_seconds(folder, row.name)]
        cells.append(line)
    for budget in WORDS:
        block = [
            [action, *(f"{mm:.2f}" for mm in papers)]
            + [mean_and_half(list(errors(r.name, budget, action).values())) for r in plan.rows[:2]]
            for action, papers in (plan.actions or {}).items()
        ]
        paired = errors(plan.rows[0].name, budget).keys() & errors(plan.rows[1].name, budget)
        cells += block if paired or budget == "samples" else []
    claims = [(c.better, c.worse, None, at_depth(c.words, 32)) for c in plan.claims]
    actions = [(plan.rows[1].name, plan.rows[0].name, a, a) for a in plan.actions or ()]
    for part in (claims, actions):
        for budget in WORDS:
            block = []
            for better, worse, action, words in part:
                high, low = ROWS[worse].paper_mm, ROWS[better].paper_mm
                high, low = plan.actions[action] if action else (high, low)
                paper = "-" if None in (high, low) else f"{high - low:+.2f}"
                sides = errors(better, budget, action), errors(worse, budget, action)
                late = late_cell(folder, table, setting, budget, better, worse)
                if budget != "long" or sides[0].keys() & sides[1].keys():
                    block.append([words, paper, *compared(*sides), *([late] if late else [])])
            known = any(cells[2] != "-" for cells in block)
            cells += block if known or budget == "samples" else []
    return cells


def holm(folder, table, setting):
    """Budget -> verdicts that are left, verdicts, claims: Holm's correction as a plain loop."""
    found = {}
    for budget, words in WORDS.items():
        chances, verdicts = [], 0
        for claim in TABLES[table].claims:
            sides = [read(folder, table, setting, r, budget) for r in (claim.better, claim.worse)]
            errors = [
                {s: r["mean_of_frames"]["MPJPE mm"] for s, r in side.items()} for side in sides
            ]
            values = [errors[1][s] - errors[0][s] for s in errors[0].keys() & errors[1].keys()]
            if values:
                chances.append(stats.ttest_1samp(values, 0).pvalue if len(values) > 2 else 1.0)
                verdicts += compared(*errors)[2] != "cannot tell"
        left = 0
        for chance in sorted(chances):
            if chance > 0.05 / (len(chances) - left):
                break
            left += 1
        if verdicts and len(chances) > 1:
            found[words] = (left, verdicts, len(chances))
    return found


def holm_lines(text):
    """What the last lines of a printed table say of Holm's correction."""
    pattern = r"(.+): (\d+) of (\d+) verdicts are left if all (\d+) claims"
    return {b: tuple(map(int, numbers)) for b, *numbers in re.findall(pattern, text)}


def printed_cells(text):
    """Cells of the lines with numbers; none is empty, so that columns are in order."""
    lines = [re.split(r"\s{2,}", line) for line in text.splitlines()]
    heads = ("pairs", "decoupled, ours")
    return [cells for cells in lines if len(cells) > 4 and cells[0] and cells[3] not in heads]


@pytest.mark.parametrize("table", TABLES)
def test_every_printed_aggregate_follows_from_the_runs(table, tmp_path):
    made_up(tmp_path, table)
    printed = report(summarize(table, "laptop", "hard", tmp_path))
    cells = independent(tmp_path, table, "hard")
    assert holm_lines(printed) == holm(tmp_path, table, "hard")
    plan = TABLES[table]
    longer = {"table1": 3, "table2": 1, "table3": 0}[table]  # claims of rows with longer runs
    expected = len(plan.rows) + 2 * len(plan.claims) + longer + 4 * len(plan.actions or ())
    assert len(cells) == expected
    assert printed_cells(printed) == cells
    # and the text follows the files, in the right columns where some are empty
    for victim in (tmp_path / "laptop-hard").glob("*-seed-1.json"):
        if "equal-time" in victim.stem:
            victim.unlink()
        else:
            changed = json.loads(victim.read_text())
            changed["mean_of_frames"]["MPJPE mm"] += 20
            victim.write_text(json.dumps(changed))
    costs = json.loads((tmp_path / "costs-laptop.json").read_text())
    costs["steps"][plan.rows[0].name]["median_s"] += 0.1
    (tmp_path / "costs-laptop.json").write_text(json.dumps(costs))
    again = report(summarize(table, "laptop", "hard", tmp_path))
    assert again != printed
    assert printed_cells(again) == independent(tmp_path, table, "hard")
    for victim in (tmp_path / "laptop-hard").glob("*-equal-time-*"):
        victim.unlink()
    (tmp_path / "costs-laptop.json").unlink()
    bare = report(summarize(table, "laptop", "hard", tmp_path))
    assert printed_cells(bare) == independent(tmp_path, table, "hard")


def test_runs_that_have_hardly_learned_are_marked(tmp_path):
    made_up(tmp_path, "table2")
    where = "table2", "laptop", "hard", tmp_path
    assert "late" not in report(summarize(*where))  # the mean pose is not known
    errors = [
        run["mean_of_frames"]["MPJPE mm"]
        for row in TABLES["table2"].rows
        for budget in WORDS
        for run in read(tmp_path, "table2", "hard", row.name, budget).values()
    ]
    lookup = tmp_path / "lookup-laptop-hard.json"
    lookup.write_text(json.dumps({"mean_pose_mm": np.quantile(errors, 0.9) / 0.75}))
    marked, decoded = summarize(*where), summarize(*where, decoder="argmax")
    assert printed_cells(report(marked)) == independent(tmp_path, "table2", "hard")
    late, read_otherwise = (
        [[d and d.late for d in f.differences.values()] for f in table.findings]
        for table in (marked, decoded)
    )
    assert any(any(pair) for each in late for pair in filter(None, each))
    assert late == read_otherwise  # a decoder does not learn
    for finding in marked.findings:
        for budget in WORDS:
            if (won := finding.differences[budget]) is not None:
                assert short_verdict(won).endswith("!") == any(won.late)
    told = re.findall(r"(\S+) (\d+) of (\d+) runs", " ".join(report(marked).split()))
    expected = [
        (row.label(32), str(len(seeds)), "3")
        for budget in WORDS
        for row in TABLES["table2"].rows
        if (
            seeds := late_seeds(
                tmp_path,
                "hard",
                {
                    s: run["mean_of_frames"]["MPJPE mm"]
                    for s, run in read(tmp_path, "table2", "hard", row.name, budget).items()
                },
            )
        )
    ]
    assert told == expected
    assert len(told) > 1
    lookup.write_text(json.dumps({"mean_pose_mm": 1e6}))
    assert "late" not in report(summarize(*where))
    path = tmp_path / "laptop-hard" / "8-32-seed-1.json"  # falls behind its row, which has learned
    run = json.loads(path.read_text())
    run["mean_of_frames"]["MPJPE mm"] *= 2
    path.write_text(json.dumps(run))
    fallen = summarize(*where)
    assert [line.late["samples"] for line in fallen.lines if line.late["samples"]] == [[1]]
    assert printed_cells(report(fallen)) == independent(tmp_path, "table2", "hard")


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("setting", SETTINGS)
def test_the_committed_tables_follow_from_the_committed_runs(table, setting):
    printed = report(summarize(table, "laptop", setting, COMMITTED))
    assert printed_cells(printed) == independent(COMMITTED, table, setting)
    assert holm_lines(printed) == holm(COMMITTED, table, setting)


def test_claims_can_be_read_with_other_decoders_and_without_a_seed(tmp_path):
    made_up(tmp_path, "table1", seeds=4)
    where = "table1", "laptop", "hard", tmp_path
    ways = {"peak": {}, "argmax": {"decoder": "argmax"}, "no seed 0": {"without": [0]}}
    printed = readings({name: summarize(*where, **way) for name, way in ways.items()})
    expected = []
    for claim in TABLES["table1"].claims:
        line = [f"{ROWS[claim.better].label(32)} below {ROWS[claim.worse].label(32)}"]
        for way in ways:
            sides = []
            for row in (claim.better, claim.worse):
                found = read(tmp_path, "table1", "hard", row, "samples")
                sides.append(
                    {
                        s: r["decoders"]["argmax"]
                        if way == "argmax" and "decoders" in r
                        else r["mean_of_frames"]["MPJPE mm"]
                        for s, r in found.items()
                        if s or way != "no seed 0"
                    }
                )
            mm, pairs, word = compared(*sides)
            line += [mm, pairs, {"holds": "yes", "does not hold": "no", "cannot tell": "?"}[word]]
        expected.append(line)
    assert printed_cells(printed) == expected
    assert [line[2::3] for line in expected] == [["4", "4", "3"]] * 3


def test_holms_correction_is_that_of_a_plain_loop(tmp_path):
    rng = np.random.default_rng(1)
    for strength in (0.5, 1.0, 2.0, 4.0):
        samples = [rng.normal(strength * k, 1.0, 5) for k in range(6)] + [None]
        given = [None if s is None else Interval.of(list(s)) for s in samples]
        chances = [stats.ttest_1samp(s, 0).pvalue for s in samples if s is not None]
        for interval, chance in zip(given, chances, strict=False):
            assert interval.chance == pytest.approx(chance, rel=1e-6)
        left, claims = [False] * 7, 6
        for i in np.argsort(chances):
            if chances[i] > 0.05 / claims:
                break
            left[i], claims = True, claims - 1
        assert surviving(given) == left
        assert sum(left) == 0 or any(verdict(g) == "holds" for g in given)
    assert Interval.of([3.0]).chance == 1
    made_up(tmp_path, "table2")
    table = summarize("table2", "laptop", "hard", tmp_path)
    verdicts = [f.verdict("samples") for f in table.findings]
    made, kept = len(verdicts) - verdicts.count("cannot tell"), sum(table.surviving("samples"))
    line = f"equal samples: {kept} of {made} verdicts are left if all 13 claims"
    assert (line in report(table)) == (made > 0)


def test_show_prints_what_there_is_and_trains_nothing(tmp_path, capsys):
    made_up(tmp_path / "results", "table1")
    where = ["--results", str(tmp_path / "results"), "--runs", str(tmp_path / "runs")]
    assert main(["reproduce", "table1", "--setting", "hard", "--show", *where]) == 0
    printed = capsys.readouterr().out
    assert "112.41" in printed
    assert "not made yet" not in printed
    assert main(["reproduce", "table1", "--setting", "hard", "--show", "--seeds", "9", *where]) == 0
    assert "not made yet, of what 9 seeds ask for: coordinate-regr" in capsys.readouterr().out
    made_up(tmp_path / "results", "table3")
    assert main(["reproduce", "table3", "--setting", "hard", "--show", *where]) == 0
    assert re.search(r"SittingDown +129\.97 +103\.67 ", capsys.readouterr().out)
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


def test_a_row_of_two_tables_may_have_more_seeds(tmp_path):
    made_up(tmp_path, "table2", seeds=5)
    made_up(tmp_path, "table3", seeds=3)
    words = gaps(summarize("table3", "laptop", "hard", tmp_path))
    assert " ".join(words.split()) == (
        "hard studio: all rows, 3 seeds each, nothing missing; for another table 1-32 5 seeds"
    )
    (tmp_path / "laptop-hard" / "1-32-seed-0.json").unlink()
    (tmp_path / "laptop-hard" / "decoupled-seed-0.json").unlink()
    assert "missing: decoupled 2 of 3" in gaps(summarize("table3", "laptop", "hard", tmp_path))


def test_claims_name_rows_as_the_lines_do(tmp_path):
    table = summarize("table2", "laptop", "hard", tmp_path)
    (words,) = (f.claim.words for f in table.findings if f.claim.better == "1-4-64")
    assert words == "1-4-32 beats naive, three hourglasses"
    assert "1-4-32" in {line.label for line in table.lines}
    assert "-64" not in report(table)
    (words,) = (c.words for c in TABLES["table2"].claims if c.better == "1-4-64")
    assert words == "1-4-64 beats naive, three hourglasses"  # as in the paper
    assert at_depth("32 of 64", 128) == "64 of 128"
