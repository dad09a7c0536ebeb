"""What is printed of the questions that the paper leaves open follows from the runs."""

import json
import re

import numpy as np
import pytest

from tests.made_up import COMMITTED, made_up
from tests.test_reproduce_tables import (
    compared,
    late_of,
    late_seeds,
    mean_and_half,
    printed_cells,
)
from volpose.__main__ import main
from volpose.reproduce import lacking
from volpose.reproduce.answers import doubling, effects, grown
from volpose.reproduce.experiment import RMSPROP, SETTINGS
from volpose.reproduce.intervals import Interval
from volpose.reproduce.measure import missing
from volpose.reproduce.plan import chosen_rate, question_runs, rate_runs, row_runs
from volpose.reproduce.questions import answers
from volpose.reproduce.records import load
from volpose.reproduce.tables import QUARTER, ROWS, TABLES

ORDER = ("volume 16", "volume 32", "32-32", "32-32-32", "32-32-32-32", "1-32", "8-32", "1-2-32")
ORDER += ("1-4-32", "1-2-4-32", "decoupled", "decoupled, halves apart", "volume 8")


def all_made_up(folder, hardly=()):
    """Tables and questions without training; changes in ``hardly`` have hardly learned."""
    for table in TABLES:
        made_up(folder, table)
    rng = np.random.default_rng(3)

    def copy(runs):
        """Give each run the result of another, with its own error."""
        for run in missing(runs, folder):
            usual = folder / "laptop-hard" / f"1-32-seed-{run.seed}.json"
            result = json.loads(usual.read_text()) | {"name": run.name}
            result["card"]["recipe"] = run.recipe().to_json()
            more = 900 if run.change in hardly else rng.uniform(-3, 9)
            result["mean_of_frames"]["MPJPE mm"] += more
            result["decoders"] = {d: mm + 2 * more for d, mm in result["decoders"].items()}
            (folder / "laptop-hard" / f"{run.name}.json").write_text(json.dumps(result))

    while search := missing(rate_runs("laptop", "hard", ["1-64"], folder, RMSPROP), folder):
        copy(search)
    copy(row_runs("laptop", "hard", [QUARTER.name], 3, folder))
    best = chosen_rate("laptop", "hard", "1-64", folder)
    (cliff,) = (r for r in rate_runs("laptop", "hard", ["1-64"], folder) if r.rate == 2 * best)
    path = folder / "laptop-hard" / f"{cliff.name}.json"  # half the rate is asked only beside one
    path.write_text(path.read_text().replace('"MPJPE mm": ', '"MPJPE mm": 9'))
    copy(question_runs("laptop", "hard", 3, folder))
    (folder / "lookup-laptop-hard.json").write_text(json.dumps({"mean_pose_mm": 240.0}))
    return folder


def named(folder, setting, pattern):
    """What a pattern has matched -> result, of all files whose names it is."""
    paths = (folder / f"laptop-{setting}").glob("*.json")
    found = {re.fullmatch(pattern, path.stem): path for path in paths}
    found = {m.groups(): json.loads(path.read_text()) for m, path in found.items() if m}
    return dict(sorted(found.items()))


def independent(folder, setting):
    """Blocks of cells, computed without the package."""
    rows = {
        row: list(
            named(folder, setting, row.replace(",", "").replace(" ", "-") + r"-seed-(\d)").values()
        )
        for row in ORDER
    }
    rows = {row: found for row, found in rows.items() if found}
    decoders = ("peak", "argmax", "integral")

    def cell(found, read):
        return mean_and_half([read(r) for r in found])

    blocks = [
        [
            [n, *(cell(f, lambda r, d=d: r["decoders"][d]) for d in decoders)]
            for n, f in rows.items()
        ],
        [
            [f"{n}, stage {i + 1}", str(f[0]["stages"][i]["d"])]
            + [
                cell(f, lambda r, i=i, key=key: r["stages"][i][key])
                for key in ("mpjpe_mm", "across_px", "depth_mm")
            ]
            for n, f in rows.items()
            for i in range(len(f[0]["stages"]))
        ],
        [
            [name.replace("_", " "), cell(rows["1-32"], lambda r, name=name: r["joints"][name])]
            for name in rows["1-32"][0]["joints"]
        ],
    ]
    highest = (
        0.75 * json.loads((folder / f"lookup-laptop-{setting}.json").read_text())["mean_pose_mm"]
    )
    changes = {
        "official targets": ("", "-official-targets"),
        "paper's training": ("", "-papers-training-16000-samples"),
        "RMSprop": ("", "-RMSprop"),
        "paper's training, 4 x as long": ("-192000-samples", "-papers-training-64000-samples"),
    }
    block = []
    for change, (usual, added) in changes.items():
        before = named(folder, setting, rf"1-32{usual}-seed-(\d)")
        after = named(folder, setting, rf"1-32{added}-seed-(\d)")
        late = [r["mean_of_frames"]["MPJPE mm"] > highest for r in after.values()]
        usual = [
            {s: r["mean_of_frames"]["MPJPE mm"] for s, r in side.items()}
            for side in (before, after)
        ]
        cell = late_of(folder, setting, *usual)
        for d in decoders:
            sides = [
                {
                    s: r["mean_of_frames"]["MPJPE mm"] if d == "peak" else r["decoders"][d]
                    for s, r in side.items()
                }
                for side in (before, after)
            ]
            mm, pairs, word = compared(*sides)
            word = {"holds": "does harm", "does not hold": "helps"}.get(word, word)
            told = [mm, pairs, word, *([cell] if cell else [])]
            if 2 * sum(late) > len(late):
                told = ["-", "-", "has hardly learned"]
            block.append([f"{change}, {d}", *told])
    return [*blocks, block]


def independent_differences(folder, setting):
    """The blocks by depth, by thickness and of the halves, computed without the package."""

    def errors(name, decoder="peak"):
        found = named(folder, setting, rf"{name}-seed-(\d)").items()
        if decoder == "peak":
            return {key: r["mean_of_frames"]["MPJPE mm"] for key, r in found}
        return {key: r["decoders"][decoder] for key, r in found}

    def cells(names, decoder="peak"):
        late = late_of(folder, setting, *map(errors, names))
        told = compared(*(errors(name, decoder) for name in names))
        return [*told, *([late] if late else [])]

    depths = [
        [
            f"volume {fine} below volume {coarse}, {decoder}",
            *cells([f"volume-{d}" for d in (fine, coarse)], decoder),
        ]
        for coarse, fine in ((8, 16), (16, 32))
        for decoder in ("peak", "argmax", "integral")
    ]
    deep = {row: f"{row}-deep-targets" for row in ("volume-32", "1-32", "32-32")}
    sides = {
        f"{r.replace('volume-', 'volume ')}, deep targets, below its own": (d, r)
        for r, d in deep.items()
    }
    sides |= {
        "volume 16 below volume 32, deep targets": ("volume-16", deep["volume-32"]),
        "1-32 below volume 32, both deep targets": (deep["1-32"], deep["volume-32"]),
        "1-32 below 32-32, both deep targets": (deep["1-32"], deep["32-32"]),
    }
    thick = [
        [f"{name}, {decoder}", *cells(names, decoder)]
        for decoder in ("peak", "argmax", "integral")
        for name, names in sides.items()
    ]
    sizes = {24_000: "-24000-samples", 48_000: "", 96_000: "-96000-samples"}
    halves = [
        [
            f"{count:,} samples",
            *cells([f"decoupled{part}{added}" for part in ("", "-halves-apart")]),
        ]
        for count, added in sizes.items()
        if errors(f"decoupled{added}")
    ]
    return [depths, thick, halves]


def independent_curves(folder, setting):
    """The blocks by samples and by images, and by height of the peak, without the package."""

    def curves(rows, word, usual):
        found = {}
        for row in rows:
            stem = row.replace(" ", "-")
            for (seed,), r in named(folder, setting, rf"{stem}-seed-(\d)").items():
                found[row, usual, int(seed)] = r["mean_of_frames"]["MPJPE mm"]
            for (n, seed), r in named(folder, setting, rf"{stem}-(\d+)-{word}-seed-(\d)").items():
                found[row, int(n), int(seed)] = r["mean_of_frames"]["MPJPE mm"]
        sizes = sorted({size for _, size, _ in found})
        lines = []
        for row in rows:
            errors = [
                {s: mm for (r, n, s), mm in found.items() if (r, n) == (row, size)}
                for size in sizes
            ]
            few = [f"{e[0]:.1f}" if 0 in e else "-" for e in errors]
            many = [mean_and_half(list(e.values())) if len(e) > 2 else None for e in errors]
            lines.append([row, *(b or a for a, b in zip(few, many, strict=True))])
        return lines

    bins = [b for r in named(folder, setting, r"1-32-seed-(\d)").values() for b in r["confidence"]]
    heights = []
    for start in sorted({b["from"] for b in bins}):
        chosen = [b for b in bins if b["from"] == start]
        weights = [b["joints"] for b in chosen]
        error, near = (
            np.average([b[key] for b in chosen], weights=weights)
            for key in ("error_mm", "within_150")
        )
        heights.append([f"from {start:.1f}", f"{sum(weights):,}", f"{error:.1f}", f"{near:.1%}"])
    rows = ["coordinate regression", "volume 16", "volume 32", "1-32"]
    return curves(rows, "samples", 48_000), curves(rows[-1:], "images", 30_000), heights


def independent_half_rates(folder, setting):
    """The claims of Table 2 at the chosen rates and at half of them, without the package."""

    def errors(name, added):
        found = named(folder, setting, rf"{name}{added}-seed-(\d)").items()
        return {key: r["mean_of_frames"]["MPJPE mm"] for key, r in found}

    rows = [row.label(32) for row in TABLES["table2"].rows]
    halved = [named(folder, setting, rf"{row}-half-the-rate-seed-(\d)").keys() for row in rows]
    seeds = {int(seed) for (seed,) in set.intersection(*map(set, halved))}  # that all rows have
    lines = []
    for claim in TABLES["table2"].claims:
        better, worse = (ROWS[name].label(32) for name in (claim.better, claim.worse))
        line = [f"{better} below {worse}"]
        for added in ("", "-half-the-rate"):
            sides = [
                {k: mm for k, mm in errors(row, added).items() if int(k[0]) in seeds}
                for row in (better, worse)
            ]
            mm, pairs, word = compared(*sides)
            late = any(late_seeds(folder, setting, side) for side in sides)
            mark = {"holds": "yes", "does not hold": "no", "cannot tell": "?"}[word]
            line += [mm, pairs, mark + "!" * late]
        lines.append(line)
    return lines


def blocks_of(text):
    """Cells of the printed blocks, without their first lines."""
    parts = text.split("\n\n")
    return [[re.split(r"\s{2,}", line) for line in part.splitlines()[1:]] for part in parts[1:]]


@pytest.mark.parametrize("hardly", [(), ("paper's training",)])
def test_every_printed_answer_follows_from_the_runs(hardly, tmp_path):
    printed = answers("laptop", "hard", all_made_up(tmp_path, hardly))
    blocks = blocks_of(printed)
    assert blocks[:4] == independent(tmp_path, "hard")
    assert ("has hardly learned" in printed) == bool(hardly)
    assert blocks[6:9] == independent_differences(tmp_path, "hard")
    assert (*blocks[4:6], blocks[9]) == independent_curves(tmp_path, "hard")
    assert blocks[10:] == [independent_half_rates(tmp_path, "hard")]


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_committed_answers_follow_from_the_committed_runs(setting):
    blocks = blocks_of(answers("laptop", setting, COMMITTED))
    assert blocks[:4] == independent(COMMITTED, setting)
    assert blocks[6:9] == independent_differences(COMMITTED, setting)
    assert (*blocks[4:6], blocks[9]) == independent_curves(COMMITTED, setting)
    assert (setting == "hard") == (len(blocks) > 10)
    for block in blocks[10:]:
        assert block == independent_half_rates(COMMITTED, setting)


def test_a_training_that_hardly_learned_has_no_effect(tmp_path):
    all_made_up(tmp_path, ("official targets",))
    found = effects("laptop", "hard", tmp_path)
    late = [e for e in found if e.change == "official targets"]
    assert all(e.hardly_learned and e.added is None and len(e.reached) == 3 for e in late)
    assert not any(e.hardly_learned or e.added is None for e in found if e not in late)


def test_a_curve_is_of_one_seed_and_rises_in_size(tmp_path):
    runs = load("laptop", "hard", all_made_up(tmp_path))
    curve = grown("1-64", "laptop", runs, "images")
    assert list(curve) == [1000, 3000, 10_000, 30_000]
    assert curve[30_000] == runs["1-32-seed-0"]["mean_of_frames"]["MPJPE mm"]


def test_a_doubling_is_over_the_seeds_of_both_sizes_that_are_not_late():
    sizes = {10: {0: 90.0, 1: 80.0, 2: 200.0}, 40: {0: 70.0, 1: 70.0, 2: 60.0, 3: 59.0}}
    assert doubling(sizes, 10, 40) == Interval.of([10.0, 5.0, 70.0])
    assert doubling(sizes, 10, 40, begins=100.0) == Interval.of([10.0, 5.0])
    sizes[40][1] = 75.0  # more than a quarter above the best of its size
    assert doubling(sizes, 10, 40, begins=100.0) == Interval.of([10.0])
    assert doubling(sizes, 10, 20) is None
    assert doubling(sizes, 20, 40) is None


def test_of_the_committed_tables_nothing_is_lacking_but_more_seeds():
    for setting in ("default", "hard"):
        for name in ("table1", "table2", "table3"):
            assert lacking(name, "laptop", setting, 5, COMMITTED) == []
        more = {run.name for run in lacking("table1", "laptop", setting, 6, COMMITTED)}
        rows = ("coordinate-regression", "volume-16", "volume-32")
        times = {f"{row}-equal-time-seed-5" for row in rows[:2]}  # the last row is the clock
        assert more == {f"{row}-seed-5" for row in rows} | times
        assert lacking("questions", "laptop", setting, None, COMMITTED) == []


def test_a_later_seed_of_a_question_that_was_deleted_is_missed(tmp_path):
    folder = all_made_up(tmp_path)
    assert lacking("questions", "laptop", "hard", None, folder) == []
    usual = folder / "laptop-hard" / "1-32-deep-targets-seed-0.json"
    result = json.loads(usual.read_text())
    result["card"]["recipe"]["seed"] = 4
    name = "1-32-deep-targets-seed-4"
    (usual.parent / f"{name}.json").write_text(json.dumps(result | {"name": name}))
    todo = [run.name for run in lacking("questions", "laptop", "hard", None, folder)]
    assert todo == ["1-32-deep-targets-seed-3"]


def test_show_prints_the_answers(tmp_path, capsys):
    made_up(tmp_path, "table2")
    where = ["--setting", "hard", "--show", "--results", str(tmp_path)]
    assert main(["reproduce", "questions", *where]) == 0
    printed = capsys.readouterr().out
    assert "by stage" in printed
    assert "changed, and how read" not in printed  # nobody knows yet when a training has learned
    assert printed_cells(printed)
