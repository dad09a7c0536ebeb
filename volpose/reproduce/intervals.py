"""How sure a difference is: means over seeds, 95 % intervals, verdicts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from scipy.special import stdtrit  # scipy.stats takes a second to import

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval.

    Attributes:
        mean: of the values.
        half: half of the interval's width; infinite for a single value.
        count: how many values.
    """

    mean: float
    half: float
    count: int

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

    def __str__(self) -> str:
        """Such as ``61.2 ± 3.4``."""
        return f"{self.mean:.1f}" + (f" ± {self.half:.1f}" if self.count > 1 else "")


def paired(better: dict[int, float], worse: dict[int, float]) -> Interval | None:
    """The difference worse - better over the seeds that both have; None without any.

    Runs of one seed saw the same pictures in the same order, so their difference varies less than
    either of them.
    """
    seeds = sorted(better.keys() & worse.keys())
    return Interval.of([worse[seed] - better[seed] for seed in seeds]) if seeds else None


def verdict(difference: Interval | None) -> str:
    """Whether `better` is better: "holds", "does not hold" or "cannot tell".

    Args:
        difference: of `paired`; it decides if its interval leaves zero out.
    """
    if difference is None or difference.low <= 0 <= difference.high:
        return "cannot tell"
    return "holds" if difference.mean > 0 else "does not hold"
