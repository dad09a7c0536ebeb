"""The table of errors by action, as the paper's Table 4, with everything needed to compare it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

# Human3.6M's actions in the order of the paper's Table 4.
ACTIONS_15 = (
    "Directions",
    "Discussion",
    "Eating",
    "Greeting",
    "Phoning",
    "Photo",
    "Posing",
    "Purchases",
    "Sitting",
    "SittingDown",
    "Smoking",
    "Waiting",
    "WalkDog",
    "Walking",
    "WalkTogether",
)


@dataclass(frozen=True)
class ActionTable:
    """Errors by action, with both averages and the circumstances that make them comparable.

    "Mean of frames" weighs every sample alike, "mean of actions" every action. The paper does not
    say which one Table 4 has; its printed average is the former (71.90 against 71.49 mm).

    Args:
        counts: action -> number of samples, in the order of the rows.
        rows: action -> metric -> mean over the action's samples.
        root_source: where the root's depth came from, such as "truth".
        box_source: where the crop's box came from, such as "truth".
        protocol: subjects, frame step and alignment, in words.
        row, sample: what a row and what a sample is, in a word.

    Paper: Sec. 4.2, Table 4.
    """

    counts: dict[str, int]
    rows: dict[str, dict[str, float]]
    root_source: str
    box_source: str
    protocol: str
    row: str = "action"
    sample: str = "frame"

    @classmethod
    def from_samples(
        cls,
        errors: Mapping[str, Float[Tensor, " N"]],
        actions: Sequence[str],
        root_source: str,
        box_source: str,
        protocol: str,
        known: Iterable[str] | None = None,
        row: str = "action",
        sample: str = "frame",
    ) -> "ActionTable":
        """Average the errors of N samples.

        Args:
            errors: metric -> (N,) one value for each sample. The name carries the unit.
            actions: N names.
            root_source: where the root's depth came from.
            box_source: where the crop's box came from.
            protocol: subjects, frame step and alignment, in words.
            known: the names that actions may have, in the order of the rows. Default: any.
            row, sample: what a row and what a sample is, in a word.

        Raises:
            ValueError: no samples, other numbers of errors than actions, an unknown action, or a
                value that is not finite.
        """
        known = None if known is None else tuple(known)
        _check_samples(errors, actions, known)
        present = sorted(set(actions), key=known.index if known else _table_order)
        rows: dict[str, dict[str, float]] = {}
        for action in present:
            chosen = torch.tensor([name == action for name in actions])
            rows[action] = {
                metric: values.double()[chosen.to(values.device)].mean().item()
                for metric, values in errors.items()
            }
        counted = Counter(actions)
        counts = {action: counted[action] for action in present}
        return cls(counts, rows, root_source, box_source, protocol, row, sample)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(next(iter(self.rows.values())))

    @property
    def mean_of_frames(self) -> dict[str, float]:
        """Metric -> mean over all samples."""
        total = sum(self.counts.values())
        return {
            metric: sum(self.counts[a] * row[metric] for a, row in self.rows.items()) / total
            for metric in self.metrics
        }

    @property
    def mean_of_actions(self) -> dict[str, float]:
        """Metric -> mean of the actions' means."""
        return {
            metric: sum(row[metric] for row in self.rows.values()) / len(self.rows)
            for metric in self.metrics
        }

    def to_json(self) -> dict:
        """Return the whole table as a dict that `json.dump` accepts."""
        return {
            "protocol": self.protocol,
            "root_source": self.root_source,
            "box_source": self.box_source,
            "samples": sum(self.counts.values()),
            f"{self.row}s": {a: {"samples": self.counts[a], **r} for a, r in self.rows.items()},
            f"mean_of_{self.sample}s": self.mean_of_frames,
            f"mean_of_{self.row}s": self.mean_of_actions,
        }

    def __str__(self) -> str:
        """Return the table as aligned text."""
        total = str(sum(self.counts.values()))
        lines = [(self.row, "samples", *self.metrics)]
        lines += [(a, str(self.counts[a]), *_cells(row)) for a, row in self.rows.items()]
        lines.append((f"mean of {self.sample}s", total, *_cells(self.mean_of_frames)))
        lines.append((f"mean of {self.row}s", total, *_cells(self.mean_of_actions)))
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        aligned = [
            "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])])
            for line in lines
        ]
        head = f"{self.protocol}; root: {self.root_source}; box: {self.box_source}"
        return "\n".join([head, *aligned])


def _cells(row: dict[str, float]) -> list[str]:
    return [f"{value:.2f}" for value in row.values()]


def _table_order(action: str) -> tuple[int, str]:
    return (ACTIONS_15.index(action) if action in ACTIONS_15 else len(ACTIONS_15), action)


def _check_samples(
    errors: Mapping[str, Tensor], actions: Sequence[str], known: tuple[str, ...] | None
) -> None:
    if not errors or not actions:
        raise ValueError(
            f"errors and actions must not be empty, but there are {len(errors)} metrics "
            f"and {len(actions)} actions"
        )
    unknown = [] if known is None else sorted(set(actions) - set(known))
    if unknown:
        raise ValueError(f"actions must be among {', '.join(known)}, but one is {unknown[0]!r}")
    for metric, values in errors.items():
        if len(values) != len(actions):
            raise ValueError(
                f"errors[{metric!r}] must have one value for each of the {len(actions)} actions, "
                f"but it has {len(values)}"
            )
        bad = int((~values.isfinite()).sum())
        if bad:
            raise ValueError(
                f"errors[{metric!r}] must be finite, but {bad} of {len(values)} values are not"
            )
