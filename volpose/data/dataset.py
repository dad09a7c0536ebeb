"""The data set of annotated people: a picture is read and cropped when it is asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from volpose.crop import Box, crop_person
from volpose.data.faults import check_agreement, find_faults
from volpose.data.files import read_picture
from volpose.data.people import People
from volpose.data.samples import Batch, Sample
from volpose.skeleton import Skeleton


class PeopleData:
    """A data set: pictures are read and cropped when a batch is asked for.

    Persons that cannot be used are left out, and counted.

    Attributes:
        people: the persons that are left.
        unusable: reason -> how many were left out for it.
        total: number of usable persons before `spread` took some.
    """

    def __init__(self, people: People, size: int = 256) -> None:
        """Leave out what cannot be used.

        Args:
            people: the annotations.
            size: of the crops, px.

        Raises:
            ValueError: nobody is left, too many contradict themselves, or the size is not positive.
        """
        if size < 1:
            raise ValueError(f"size must be positive (px), but is {size}")
        faults = find_faults(people)
        check_agreement(f"{people.folder}: {people.name}", faults)
        self.unusable = dict(Counter(fault for fault in faults.tolist() if fault).most_common())
        self.people, self.size = people.where(faults == ""), size
        if len(self.people) == 0:
            reasons = "; ".join(f"{count}: {fault}" for fault, count in self.unusable.items())
            raise ValueError(
                f"{people.folder}: none of {len(people)} samples is usable ({reasons})"
            )
        self.total = len(self.people)

    @property
    def skeleton(self) -> Skeleton:
        """Names the joints."""
        return self.people.skeleton

    @property
    def licence(self) -> str:
        """What holds for weights that are trained on the data, for their card."""
        return f"not ours to give: the terms of {self.people.name} hold"

    def __len__(self) -> int:
        return len(self.people)

    def __str__(self) -> str:
        left_out = sum(self.unusable.values())
        note = f", {left_out} unusable left out" if left_out else ""
        some = f", evenly spread over {self.total}" if len(self) < self.total else ""
        return f"{self.people.name}, {len(self)} samples of {self.size} px{some}{note}"

    def spread(self, count: int | None) -> PeopleData:
        """Keep `count` samples, evenly spread over all; all if there are no more, or with None."""
        if count is not None and count < len(self):
            chosen = np.zeros(len(self), dtype=bool)
            chosen[np.linspace(0, len(self) - 1, count).round().astype(int)] = True
            self.people = self.people.where(chosen)
        return self

    def __getitem__(self, index: int) -> Sample:
        """One sample."""
        return self.batch([index])[0]

    def batch(self, indices: Sequence[int]) -> Batch:
        """The samples with the given numbers; reads their pictures.

        Raises:
            IndexError: there is no such sample.
            FileNotFoundError: a picture is missing.
            ValueError: no numbers, or a picture is damaged or does not show the box.
        """
        if len(indices) == 0:
            raise ValueError("indices must name at least one sample, but is empty")
        for index in indices:
            if not -len(self) <= index < len(self):
                raise IndexError(f"index must be below {len(self)}, but is {index}")
        rows = torch.tensor([int(index) % len(self) for index in indices])
        people, numbers = self.people, rows.tolist()
        box = Box(people.box_center[rows], people.box_side[rows])
        return Batch(
            torch.stack([self._crop(number, box[k]) for k, number in enumerate(numbers)]),
            people.pose[rows],
            people.camera[people.camera_of[rows]],
            box,
            people.subject[numbers].tolist(),
            people.action[numbers].tolist(),
            numbers,
            people.skeleton,
        )

    def _crop(self, number: int, box: Box) -> Tensor:
        name = str(self.people.picture[number])
        if not name:  # motion capture
            return torch.zeros(3, self.size, self.size, dtype=torch.uint8)
        path = self.people.folder / name
        try:
            crop = crop_person(read_picture(path), box, self.size)
        except ValueError as error:
            raise ValueError(f"{path}: {error}" if str(path) not in str(error) else error) from None
        return (crop * 255).round().to(torch.uint8)
