"""The table of actions: rows, both averages, text, JSON, and what it refuses."""

import json
import math

import pytest
import torch

from volpose.action_table import ACTIONS_15, ActionTable

# The 15 action errors that the paper prints in Table 4 (mm), and the average beside them.
TABLE_4_ROWS = """67.38 71.95 66.70 69.07 71.95 76.97 65.03 68.30
                  83.66 96.51 71.74 65.83 74.89 59.11 63.24"""
TABLE_4 = dict(zip(ACTIONS_15, map(float, TABLE_4_ROWS.split()), strict=True))

UNBALANCED = {
    "errors": {
        "MPJPE (mm)": torch.tensor([60.0, 62, 64, 100]),
        "PA-MPJPE (mm)": torch.tensor([40.0, 42, 44, 70]),
    },
    "actions": ["Walking", "Walking", "Walking", "SittingDown"],
    "root_source": "mean limb lengths",
    "box_source": "true joints",
    "protocol": "S9, S11, every 5th frame, no alignment",
}


def test_the_two_averages_of_an_unbalanced_table():
    table = ActionTable.from_samples(**UNBALANCED)
    assert table.counts == {"SittingDown": 1, "Walking": 3}
    assert table.rows["Walking"] == {"MPJPE (mm)": 62, "PA-MPJPE (mm)": 42}
    assert table.mean_of_frames == {"MPJPE (mm)": 71.5, "PA-MPJPE (mm)": 49}
    assert table.mean_of_actions == {"MPJPE (mm)": 81, "PA-MPJPE (mm)": 56}


def test_the_tables_text():
    assert str(ActionTable.from_samples(**UNBALANCED)).splitlines() == [
        "S9, S11, every 5th frame, no alignment; root: mean limb lengths; box: true joints",
        "action           samples  MPJPE (mm)  PA-MPJPE (mm)",
        "SittingDown            1      100.00          70.00",
        "Walking                3       62.00          42.00",
        "mean of frames         4       71.50          49.00",
        "mean of actions        4       81.00          56.00",
    ]


def test_the_tables_json():
    found = json.loads(json.dumps(ActionTable.from_samples(**UNBALANCED).to_json()))
    assert found == {
        "protocol": "S9, S11, every 5th frame, no alignment",
        "root_source": "mean limb lengths",
        "box_source": "true joints",
        "samples": 4,
        "actions": {
            "SittingDown": {"samples": 1, "MPJPE (mm)": 100, "PA-MPJPE (mm)": 70},
            "Walking": {"samples": 3, "MPJPE (mm)": 62, "PA-MPJPE (mm)": 42},
        },
        "mean_of_frames": {"MPJPE (mm)": 71.5, "PA-MPJPE (mm)": 49},
        "mean_of_actions": {"MPJPE (mm)": 81, "PA-MPJPE (mm)": 56},
    }


def test_rows_follow_human36m_and_then_the_alphabet():
    actions = ["Jump", "WalkTogether", "Dance", "Directions", "Sitting"]
    table = ActionTable.from_samples({"MPJPE (mm)": torch.ones(5)}, actions, "truth", "truth", "")
    assert list(table.rows) == ["Directions", "Sitting", "WalkTogether", "Dance", "Jump"]


def test_the_papers_printed_average_is_not_the_mean_of_its_actions():
    # Table 4 prints 71.90, the mean of frames; its 15 rows average to 71.49.
    errors = torch.tensor(list(TABLE_4.values()))
    table = ActionTable.from_samples({"mm": errors}, list(TABLE_4), "mean limbs", "truth", "S9 S11")
    assert round(table.mean_of_actions["mm"], 2) == 71.49
    assert abs(table.mean_of_actions["mm"] - 71.90) > 0.4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"errors": {}}, "must not be empty, but there are 0 metrics"),
        ({"errors": {"mm": torch.ones(0)}, "actions": []}, "1 metrics and 0 actions"),
        ({"actions": ["Walking"]}, "each of the 1 actions, but it has 4"),
        ({"known": ("Walking", "Sitting")}, "must be among Walking, Sitting, .* 'SittingDown'"),
        ({"errors": {"mm": torch.tensor([1.0, 2, 3, math.nan])}}, "1 of 4 values are not"),
    ],
)
def test_bad_tables_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        ActionTable.from_samples(**{**UNBALANCED, **change})


def test_rows_follow_the_known_names():
    names = ["Jogging S1", "Walking S2", "Walking S1", "Walking S2"]
    known = ("Walking S1", "Walking S2", "Walking S3", "Jogging S1")
    table = ActionTable.from_samples(
        {"mm": torch.tensor([4.0, 1, 3, 2])}, names, "truth", "truth", "", known, "sequence", "pose"
    )
    assert list(table.rows) == ["Walking S1", "Walking S2", "Jogging S1"]
    found = table.to_json()
    assert list(found["sequences"]) == list(table.rows)
    assert (found["mean_of_poses"], found["mean_of_sequences"]["mm"]) == ({"mm": 2.5}, 8.5 / 3)
    words = [line.split("  ")[0].strip() for line in str(table).splitlines()[1:]]
    assert (words[0], words[-2:]) == ("sequence", ["mean of poses", "mean of sequences"])
