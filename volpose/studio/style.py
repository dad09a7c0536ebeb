"""The random choices of one take, and smooth motion made from them."""

import math

import numpy as np


class Style:
    """The random choices of one take, and smooth motion made from them."""

    def __init__(self, seed: list[int], time: float) -> None:
        """Draw the take's choices.

        Args:
            seed: what identifies the take.
            time: seconds since the take began.
        """
        self._draws = iter(np.random.default_rng(seed).random(512).tolist())
        self.time = time + 60.0 * next(self._draws)

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number between two bounds, fixed for the take."""
        return low + (high - low) * next(self._draws)

    def normal(self, mean: float, spread: float) -> float:
        """A number near a mean: the sum of three uniform ones, so never an outlier."""
        return mean + spread * 2.0 * (self.uniform() + self.uniform() + self.uniform() - 1.5)

    def choose(self, options):
        """One of several options, fixed for the take."""
        return options[int(next(self._draws) * len(options))]

    def chance(self, probability: float) -> bool:
        """True in a share of the takes."""
        return next(self._draws) < probability

    def wobble(self, amplitude: float = 1.0, frequency: float = 0.5) -> float:
        """Smooth noise around 0: the mean of three sine waves near a frequency in Hz."""
        total = 0.0
        for _ in range(3):
            phase, speed = self.uniform(0, 2 * math.pi), self.uniform(0.5, 1.6)
            total += math.sin(self.time * speed * frequency * 2 * math.pi + phase)
        return amplitude * total / 3

    def pulse(self, period: float = 4.0, duty: float = 0.5) -> float:
        """A periodic, eased switch between 0 and 1, on for a share of its period (seconds)."""
        phase = (self.time / period + self.uniform()) % 1.0
        return 1.0 / (1.0 + math.exp(-14 * (duty - abs(2 * phase - 1))))


def mix(share: float, start: tuple, end: tuple) -> tuple:
    """Point on the way from one goal (share 0) to another (share 1)."""
    return tuple(a + (b - a) * share for a, b in zip(start, end, strict=True))
