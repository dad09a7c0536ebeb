"""Tables 4 to 7 of the paper as data: its numbers, and those of the methods that it quotes."""

from __future__ import annotations

from dataclasses import dataclass

from volpose.action_table import ACTIONS_15

AVERAGE = "average"
PAPER = "the paper"


@dataclass(frozen=True)
class Published:
    """A table of the paper: methods by lines.

    Attributes:
        title: what it measures.
        lines: names of the cells, in order.
        methods: method -> line -> number; a line is left out where we do not know the number.
        metric: column of our tables that it is compared with; None: each line is a column.
        average: which of our means its average is; None: it has no average.
        digits: behind the point, as printed.
    """

    title: str
    lines: tuple[str, ...]
    methods: dict[str, dict[str, float]]
    metric: str | None
    average: str | None
    digits: int


def _cells(lines: tuple[str, ...], *numbers: float) -> dict[str, float]:
    return dict(zip(lines, numbers, strict=True))


TABLE_4 = (*ACTIONS_15, AVERAGE)
TABLE_6 = (
    "Walking S1",
    "Walking S2",
    "Walking S3",
    "Jogging S1",
    "Jogging S2",
    "Jogging S3",
    AVERAGE,
)
TABLE_7 = ("upper arms", "lower arms", "upper legs", "lower legs")
PUBLISHED = {
    "table4": Published(
        "Table 4: Human3.6M, mean per joint error, mm",
        TABLE_4,
        {
            "LinKDE": {AVERAGE: 162.14},
            "Tekin [36]": {AVERAGE: 124.97},
            "Zhou [45]": {AVERAGE: 113.01},
            "Du": {AVERAGE: 126.47},
            "Park": {AVERAGE: 117.34},
            "Zhou [44]": {AVERAGE: 107.26},
            PAPER: _cells(
                TABLE_4,
                *(67.38, 71.95, 66.70, 69.07, 71.95, 76.97, 65.03, 68.30),
                *(83.66, 96.51, 71.74, 65.83, 74.89, 59.11, 63.24, 71.90),
            ),
        },
        "MPJPE mm",
        "mean_of_frames",
        2,
    ),
    "table5": Published(
        "Table 5: Human3.6M, reconstruction error, mm",
        (AVERAGE,),
        {
            "Sanzari": {AVERAGE: 93.2},
            "Rogez": {AVERAGE: 87.3},
            "Bogo": {AVERAGE: 82.3},
            PAPER: {AVERAGE: 51.9},
        },
        "PA-MPJPE mm",
        "mean_of_frames",
        1,
    ),
    "table6": Published(
        "Table 6: HumanEva-I, reconstruction error, mm",
        TABLE_6,
        {
            "Radwan": _cells(TABLE_6, 75.1, 99.8, 93.8, 79.2, 89.8, 99.4, 89.5),
            "Wang": _cells(TABLE_6, 71.9, 75.7, 85.3, 62.6, 77.7, 54.4, 71.3),
            "Simo-Serra": _cells(TABLE_6, 65.1, 48.6, 73.5, 74.2, 46.6, 32.2, 56.7),
            "Bo": _cells(TABLE_6, 46.4, 30.3, 64.9, 64.5, 48.0, 38.2, 48.7),
            "Kostrikov": _cells(TABLE_6, 44.0, 30.9, 41.7, 57.2, 35.0, 33.3, 40.3),
            "Yasin": _cells(TABLE_6, 35.8, 32.4, 41.6, 46.6, 41.4, 35.4, 38.9),
            PAPER: _cells(TABLE_6, 22.3, 19.5, 29.7, 28.9, 21.9, 23.8, 24.3),
        },
        "PA-MPJPE mm",
        "mean_of_sequences",
        1,
    ),
    "table7": Published(
        "Table 7: KTH Football II, 3D PCP, percent",
        TABLE_7,
        {
            "3 cameras [7]": _cells(TABLE_7, 60, 35, 100, 90),
            "2 cameras [7]": _cells(TABLE_7, 53, 28, 88, 82),
            "1 camera [7]": _cells(TABLE_7, 14, 6, 63, 41),
            "1 camera, video [36]": _cells(TABLE_7, 74, 49, 98, 77),
            PAPER: _cells(TABLE_7, 96, 83, 98, 88),
        },
        None,
        None,
        0,
    ),
}
