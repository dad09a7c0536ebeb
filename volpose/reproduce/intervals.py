"""How sure a difference is: means over seeds, 95 % intervals, verdicts, and many at once."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from scipy.special import stdtr, stdtrit  # scipy.stats takes a second to import

LEVEL = 0.95
FEWEST = 3  # pairs; from two the interval says next to nothing, and one has none


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval.

    Attributes:
        mean: of the values.
        half: half of the interval's width; infinite for a single value.
        count: how many values.
        late: of a difference, how many runs of the better and of the worse side are late
            (`volpose.reproduce.learned`); if any, it is about training that fails.
    """

    mean: float
    half: float
    count: int
    late: tuple[int, int] = (0, 0)

    @classmethod
    def of(cls, values: Sequence[float]) -> Interval:
        """Student's interval for the mean of values that vary by chance, such as over seeds.

        Raises:
            ValueError: no values.
        """
        if not values:
            raise ValueError("an interval needs at least one value")
        count = len(values)
        if count == 1:
            return cls(float(values[0]), math.inf, 1)
        quantile = float(stdtrit(count - 1, 0.5 + LEVEL / 2))
        return cls(fmean(values), quantile * stdev(values) / math.sqrt(count), count)

    @property
    def low(self) -> float:
        """Lower end."""
        return self.mean - self.half

    @property
    def high(self) -> float:
        """Upper end."""
        return self.mean + self.half

    @property
    def chance(self) -> float:
        """How likely a mean is that lies so far from zero if the true one is zero; a p-value."""
        if self.mean == 0 or math.isinf(self.half):
            return 1.0
        if self.half == 0:
            return 0.0
        quantile = float(stdtrit(self.count - 1, 0.5 + LEVEL / 2))
        return 2 * float(stdtr(self.count - 1, -abs(self.mean) * quantile / self.half))

    @property
    def signed(self) -> str:
        """Such as ``+1.2 ± 3.4``: how differences are told."""
        return f"{'+' if self.mean >= 0 else ''}{self}"

    def __str__(self) -> str:
        """Such as ``61.2 ± 3.4``."""
        return f"{self.mean:.1f}" + (f" ± {self.half:.1f}" if self.count > 1 else "")


def paired(
    better: Mapping[int, float],
    worse: Mapping[int, float],
    late: tuple[Collection[int], Collection[int]] = ((), ()),
) -> Interval | None:
    """The difference worse - better over the seeds that both have; None without any.

    Runs of one seed saw the same pictures in the same order if they saw as many, so their
    difference may vary less than either of them.

    Args:
        better, worse: seed -> MPJPE, mm.
        late: seeds of either side that are late, to be counted.
    """
    seeds = sorted(better.keys() & worse.keys())
    if not seeds:
        return None
    known = Interval.of([worse[seed] - better[seed] for seed in seeds])
    first, second = (len(set(seeds).intersection(behind)) for behind in late)
    return replace(known, late=(first, second))


def verdict(difference: Interval | None) -> str:
    """Whether `better` is better: "holds", "does not hold" or "cannot tell".

    Args:
        difference: of `paired`; it decides if its interval leaves zero out and there are at least
            three pairs.
    """
    if difference is None or difference.count < FEWEST:
        return "cannot tell"
    if difference.low <= 0 <= difference.high:
        return "cannot tell"
    return "holds" if difference.mean > 0 else "does not hold"


def surviving(differences: Sequence[Interval | None]) -> list[bool]:
    """Which verdicts are left if all claims of a table together may err in one case of twenty.

    Holm's correction: the smallest p-value must be below 5 % / claims, the next one below
    5 % / (claims - 1), and so on; from the first that is not, none is left. It needs no
    independence, which claims that share rows do not have.

    Args:
        differences: of `paired`, one a claim; None is a claim that was not asked.

    Returns:
        One for each difference; False without a verdict.

    Paper: not in the paper.
    """
    claims = sum(d is not None for d in differences)
    chances = {i: d.chance for i, d in enumerate(differences) if d and verdict(d) != "cannot tell"}
    left = set()
    for rank, i in enumerate(sorted(chances, key=chances.__getitem__)):
        if chances[i] > (1 - LEVEL) / (claims - rank):
            break
        left.add(i)
    return [i in left for i in range(len(differences))]
