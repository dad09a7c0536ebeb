"""Tables 1 to 3 of the paper as data: networks, the paper's numbers, and what they are to show."""

from __future__ import annotations

import re
from dataclasses import dataclass

from volpose.network import NetworkConfig

PARTS = (16, 32, 64)  # depths that scale with a preset; the others are the paper's everywhere


@dataclass(frozen=True)
class Row:
    """A line of a table.

    Attributes:
        name: as in the paper, by the depths of its volumes.
        kind: of the network, as in `NetworkConfig`.
        z_bins: in the paper; its 64, 32 and 16 stand for the whole depth, half and a quarter of it.
        paper_mm: MPJPE in the paper, None where it gives no number.
        apart: the halves of the decoupled network are trained apart.
    """

    name: str
    kind: str
    z_bins: tuple[int, ...]
    paper_mm: float | None
    apart: bool = False

    def network(self, base: NetworkConfig) -> dict:
        """What differs from a preset's network; the finest depth is the preset's."""
        scale = {part: part * base.z_bins[-1] // 64 for part in PARTS}
        return {"kind": self.kind, "z_bins": tuple(scale.get(d, d) for d in self.z_bins)}

    def label(self, depth: int) -> str:
        """The row's name with the depths that a preset has."""
        return at_depth(self.name, depth)


def at_depth(words: str, depth: int) -> str:
    """Words of the paper with the depths that a preset has: for 64 the whole, for 32 its half."""
    return re.sub("|".join(map(str, PARTS)), lambda found: str(int(found[0]) * depth // 64), words)


def file_name(words: str) -> str:
    """Words as part of a file's name."""
    return words.replace("'", "").replace(",", "").replace(" ", "-")


@dataclass(frozen=True)
class Claim:
    """One thing that a table says: `better` has a lower error than `worse`.

    Attributes:
        better, worse: names of rows.
        words: what follows from it.
    """

    better: str
    worse: str
    words: str


@dataclass(frozen=True)
class Table:
    """A table of the paper.

    Attributes:
        rows, claims: what it shows, and what follows.
        clock: the row whose training time all others get in the column of equal time.
        actions: action -> the paper's MPJPE of the first two rows.
    """

    title: str
    rows: tuple[Row, ...]
    claims: tuple[Claim, ...]
    clock: str
    actions: dict[str, tuple[float, float]] | None = None


COORDINATE = Row("coordinate regression", "coordinate", (64,), 112.41)
HALF = Row("volume 32", "coarse-to-fine", (32,), 92.23)
WHOLE = Row("volume 64", "coarse-to-fine", (64,), 85.82)
QUARTER = Row("volume 16", "coarse-to-fine", (16,), None)  # not in the paper
STACKED = tuple(
    Row("-".join(map(str, z_bins)), "coarse-to-fine", z_bins, mm)
    for z_bins, mm in (
        ((64, 64), 80.14),
        ((64, 64, 64), 78.17),
        ((64, 64, 64, 64), 75.06),
        ((1, 64), 69.77),
        ((8, 64), 77.52),
        ((1, 2, 64), 68.49),
        ((1, 4, 64), 72.02),
        ((1, 2, 4, 64), 64.76),
    )
)
DECOUPLED = Row("decoupled", "decoupled", (1, 64), 78.10)
APART = Row("decoupled, halves apart", "decoupled", (1, 64), None, apart=True)
NAIVE, COARSE_TO_FINE = (next(r for r in STACKED if r.z_bins == z) for z in ((64, 64), (1, 64)))

TABLES = {
    "table1": Table(
        "Table 1: coordinate regression against volumes, one hourglass",
        (COORDINATE, HALF, WHOLE),
        (
            Claim(HALF.name, COORDINATE.name, "a volume beats coordinate regression"),
            Claim(WHOLE.name, COORDINATE.name, "the whole depth beats coordinate regression"),
            Claim(WHOLE.name, HALF.name, "more depth resolution is better"),
        ),
        clock=WHOLE.name,
    ),
    "table2": Table(
        "Table 2: naive stacking against coarse-to-fine",
        STACKED,
        (
            Claim("64-64-64", "64-64", "a third naive hourglass helps"),
            Claim("64-64-64-64", "64-64-64", "a fourth naive hourglass helps"),
            Claim("1-64", "64-64", "coarse-to-fine beats naive, two hourglasses"),
            Claim("8-64", "64-64", "8-64 beats naive, two hourglasses"),
            Claim("1-64", "8-64", "a start at one slice beats a start at 8"),
            Claim("1-2-64", "64-64-64", "coarse-to-fine beats naive, three hourglasses"),
            Claim("1-4-64", "64-64-64", "1-4-64 beats naive, three hourglasses"),
            Claim("1-2-64", "1-64", "a third hourglass helps coarse-to-fine"),
            Claim("1-64", "1-4-64", "a third hourglass harms if it starts 1-4"),
            Claim("1-2-64", "1-4-64", "two slices in between beat four"),
            Claim("1-2-4-64", "64-64-64-64", "coarse-to-fine beats naive, four hourglasses"),
            Claim("1-2-4-64", "1-2-64", "a fourth hourglass helps coarse-to-fine"),
            Claim("1-64", "64-64-64-64", "two coarse-to-fine hourglasses beat four naive"),
        ),
        clock=COARSE_TO_FINE.name,
    ),
    "table3": Table(
        "Table 3: decoupled against coarse-to-fine",
        (DECOUPLED, COARSE_TO_FINE, APART),
        (
            Claim(COARSE_TO_FINE.name, DECOUPLED.name, "seeing the image helps"),
            Claim(DECOUPLED.name, APART.name, "training both halves together helps"),
        ),
        clock=COARSE_TO_FINE.name,
        actions={
            "Phoning": (75.00, 66.50),
            "Sitting": (95.25, 76.99),
            "SittingDown": (129.97, 103.67),
            "Smoking": (75.58, 66.99),
            "Walking": (70.17, 59.12),
            "WalkTogether": (76.01, 62.28),
        },
    ),
}
TABLE_ROWS = {row.name: row for table in TABLES.values() for row in table.rows}
ROWS = TABLE_ROWS | {QUARTER.name: QUARTER}
