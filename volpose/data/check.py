"""Look a data set over before days are spent on it: what it is, and what of it cannot be used."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from volpose.data.faults import check_agreement, find_faults
from volpose.data.files import read_picture
from volpose.data.opening import READERS, SPLITS, missing_pictures, read_people, recognize

DECODED = 3  # pictures that are opened


@dataclass(frozen=True)
class SplitReport:
    """What one split holds.

    Args:
        split: train or test.
        name: of data set and layout; empty where the split could not be read.
        total: samples with an annotation.
        unusable: reason -> how many.
        pictures: how many are missing, and the first of them.
        error: why the split could not be read, or a picture not be decoded.
    """

    split: str
    name: str = ""
    total: int = 0
    unusable: dict[str, int] | None = None
    pictures: tuple[int, str] = (0, "")
    error: str = ""

    def __str__(self) -> str:
        if not self.name:
            return f"{self.split}: {self.error}"
        left_out = self.unusable or {}
        usable = self.total - sum(left_out.values())
        lines = [f"{self.name}: {usable} of {self.total} samples usable"]
        lines += [f"  {count} unusable: {reason}" for reason, count in left_out.items()]
        count, first = self.pictures
        lines += [f"  {count} pictures missing, the first is {first}"] if count else []
        lines += [f"  {self.error}"] if self.error else []
        return "\n".join(lines)


def check(path: Path, kind: str | None = None) -> list[SplitReport]:
    """Read all annotations, look for every picture, and decode a few.

    Args:
        path: of the data.
        kind: h36m, humaneva, kth, mpii or mocap; None: recognize it.

    Returns:
        A report for each split.

    Raises:
        FileNotFoundError, ValueError: the data are not there, or of no kind that is known.
    """
    kind = kind or recognize(path)
    return [_check_split(kind, path, split) for split in SPLITS if kind in READERS]


def _check_split(kind: str, path: Path, split: str) -> SplitReport:
    try:
        people = read_people(kind, path, split)
    except (ValueError, OSError) as error:
        return SplitReport(split, error=str(error))
    faults = find_faults(people)
    unusable = Counter(fault for fault in faults.tolist() if fault)
    try:
        check_agreement(f"{people.folder}: {people.name}", faults)
    except ValueError as error:
        return SplitReport(split, error=str(error))
    missing = missing_pictures(people)
    there = sorted(set(people.picture.tolist()) - set(missing) - {""})
    error = ""
    for name in there[:: max(1, len(there) // DECODED)]:
        try:
            read_picture(people.folder / name)
        except (ValueError, OSError) as damage:
            error = str(damage)
    first = str(people.folder / missing[0]) if missing else ""
    counts = dict(unusable.most_common())
    return SplitReport(split, people.name, len(people), counts, (len(missing), first), error)
