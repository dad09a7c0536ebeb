"""A split on disk: pictures in one memory-mapped file, written in parallel, resumed if stopped."""

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from volpose.camera import Camera
from volpose.crop import Box
from volpose.data.samples import Batch, Sample
from volpose.storage import alone, complete_or_absent, write_text
from volpose.studio.actions import ACTIONS
from volpose.studio.dataset import LICENCE, Studio, describe
from volpose.studio.files import (
    HEADER,
    IMAGES,
    LABELS,
    PARTS,
    holds_pictures,
    read_header,
    read_labels,
    reserve_pictures,
)
from volpose.studio.look import SUBJECTS
from volpose.studio.variation import Variation

CHUNK = 240  # samples written between two markers; a whole number of turns of the actions
RENDERED_TOGETHER = 30


def write_split(
    studio: Studio, folder: str | Path, workers: int = 2, progress: bool = True
) -> "CachedSplit":
    """Write all samples of a studio to a folder; continue where an earlier call was stopped.

    Args:
        studio: whose samples to write.
        folder: new, empty, or begun by this function with the same studio.
        workers: processes that render, one thread each; 0 renders in this process, on the studio's
            own device.
        progress: show a bar.

    Returns:
        The split, opened.

    Raises:
        ValueError: the folder holds something else, or a split of another configuration, or
            workers is negative.
    """
    if workers < 0:
        raise ValueError(f"workers must not be negative, but is {workers}")
    folder = Path(folder)
    with alone(folder):
        _claim(folder, studio.configuration)
        _render_missing(studio, folder, workers, progress)
    return CachedSplit(folder)


def _render_missing(studio: Studio, folder: Path, workers: int, progress: bool) -> None:
    """Render the chunks that are not done, and close the split."""
    if not (folder / LABELS).exists():
        chunks = -(-len(studio) // CHUNK)
        todo = [k for k in range(chunks) if not _part(folder, k).exists()]
        render = _Chunks(studio.configuration, folder, todo, studio if workers == 0 else None)
        loader = DataLoader(render, batch_size=None, num_workers=min(workers, len(todo)))
        missing = sum(len(_rows(chunk, len(studio))) for chunk in todo)
        done = len(studio) - missing
        with tqdm(total=len(studio), initial=done, disable=not progress, unit="img") as bar:
            try:
                for written, mistake in loader:
                    if mistake:
                        raise ValueError(mistake)
                    bar.update(written)
            except RuntimeError as error:
                raise OSError(
                    f"{folder}: a process that renders died (memory or disk full?); "
                    "the same command goes on from here"
                ) from error
        _merge_labels(folder, chunks)


class _Chunks(Dataset):
    """Chunks to render; fetching one writes it. A loader's processes do the work."""

    def __init__(self, configuration: dict, folder: Path, todo: list[int], studio: Studio | None):
        self.configuration, self.folder, self.todo = configuration, folder, todo
        self.studio = studio

    def __len__(self) -> int:
        return len(self.todo)

    def __getitem__(self, item: int) -> tuple[int, str]:
        """How many pictures were written, and what went wrong (raised here, it gains a trace)."""
        try:
            if self.studio is None:
                self.studio = studio_from(self.configuration)
            _write_chunk(self.studio, self.folder, self.todo[item])
        except (OSError, ValueError) as error:
            return 0, str(error)
        return len(_rows(self.todo[item], len(self.studio))), ""


def studio_from(configuration: dict, device: str = "cpu") -> Studio:
    """The studio that a split was written from."""
    variation = Variation.from_json(configuration["variation"])
    plain = {key: configuration[key] for key in ("split", "size", "seed")}
    rank, size = share = tuple(configuration.get("share", (0, 1)))
    count = rank + size * (configuration["count"] - 1) + 1  # the shortest whole with this share
    return Studio(**plain, variation=variation, device=device, count=count, share=share)


def _claim(folder: Path, configuration: dict) -> None:
    """Make the folder ready for a configuration, or refuse it."""
    header = folder / HEADER
    if header.exists():
        found = read_header(folder)
        if found != configuration:
            names = [k for k in configuration if found.get(k) != configuration[k]]
            raise ValueError(
                f"folder {folder} holds a split of another configuration; "
                f"{', '.join(names) or 'its format'} differs"
            )
    elif any(path.suffix != ".partial" for path in folder.iterdir()):
        raise ValueError(f"folder {folder} must be new, empty or a split, but holds other files")
    else:
        write_text(header, json.dumps(configuration, indent=1))
    size = configuration["size"]
    shape = (configuration["count"], 3, size, size)
    if not holds_pictures(folder / IMAGES, shape):
        (folder / LABELS).unlink(missing_ok=True)  # labels of pictures that are gone
        for part in folder.glob(f"{PARTS}/*"):
            part.unlink()
        (folder / PARTS).mkdir(exist_ok=True)
        try:
            with complete_or_absent(folder / IMAGES) as partial:
                reserve_pictures(partial, shape)
        except (OSError, ValueError, OverflowError) as error:
            (folder / HEADER).unlink()  # another try may ask for less
            (folder / PARTS).rmdir()
            raise OSError(f"{folder}: no room for {shape[0]} pictures ({error})") from error


def _rows(chunk: int, count: int) -> range:
    """The samples of a chunk."""
    return range(chunk * CHUNK, min((chunk + 1) * CHUNK, count))


def _part(folder: Path, chunk: int) -> Path:
    """The labels of one chunk; that the file exists says that the chunk is done."""
    return folder / PARTS / f"{chunk:06d}.npz"


def _write_chunk(studio: Studio, folder: Path, chunk: int) -> None:
    images = np.load(folder / IMAGES, mmap_mode="r+")
    numbers, rows = _rows(chunk, len(studio)), []
    for start in numbers[::RENDERED_TOGETHER]:
        stop = min(start + RENDERED_TOGETHER, numbers.stop)
        batch = studio.batch(range(start, stop)).to("cpu")
        images[start:stop] = batch.image.numpy()
        rows.append(_labels_of(batch))
    images.flush()  # pictures first: the marker must never promise what is not there
    labels = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    _save_labels(_part(folder, chunk), labels)


def _labels_of(batch: Batch) -> dict[str, np.ndarray]:
    tensors = {
        "pose": batch.pose,
        "focal": batch.camera.focal,
        "center": batch.camera.center,
        "rotation": batch.camera.rotation,
        "position": batch.camera.position,
        "box_center": batch.box.center,
        "box_side": batch.box.side,
    }
    labels = {name: tensor.numpy() for name, tensor in tensors.items()}
    labels["subject"] = np.array([SUBJECTS.index(name) for name in batch.subject], np.uint8)
    labels["action"] = np.array([ACTIONS.index(name) for name in batch.action], np.uint8)
    return labels


def _merge_labels(folder: Path, chunks: int) -> None:
    """Join the labels of all chunks and remove the parts."""
    parts = []
    for chunk in range(chunks):
        with np.load(_part(folder, chunk)) as stored:
            parts.append({name: stored[name] for name in stored.files})
    _save_labels(
        folder / LABELS, {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    )
    shutil.rmtree(folder / PARTS)


def _save_labels(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with complete_or_absent(path) as partial, open(partial, "wb") as stream:
        np.savez(stream, **arrays)


class CachedSplit:
    """A split written by `write_split`; behaves like the studio it came from.

    Pictures stay on disk until they are asked for.
    """

    licence = LICENCE

    def __init__(self, folder: str | Path) -> None:
        """Open a split.

        Args:
            folder: as given to `write_split`.

        Raises:
            FileNotFoundError: there is no split in the folder.
            ValueError: writing it was not finished.
        """
        self.folder = Path(folder)
        if not (self.folder / HEADER).exists():
            raise FileNotFoundError(f"folder {folder} holds no split: {HEADER} is missing")
        if not (self.folder / LABELS).exists():
            raise ValueError(f"the split in {folder} is unfinished; run write_split again")
        self.configuration = read_header(self.folder)
        self.split, self.size = self.configuration["split"], self.configuration["size"]
        self._pictures: np.ndarray | None = None
        self._labels = read_labels(self.folder / LABELS)
        size, count = self.configuration["size"], self.configuration["count"]
        if len(self) != count or not holds_pictures(self.folder / IMAGES, (count, 3, size, size)):
            raise ValueError(
                f"{self.folder}: damaged, expected {count} pictures of {size} px in {IMAGES} and "
                f"as many rows in {LABELS}; render the split again"
            )

    def __len__(self) -> int:
        return len(self._labels["pose"])

    def __str__(self) -> str:
        return describe(self.configuration)

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_pictures": None}  # every process opens the file itself

    @property
    def labels(self) -> dict[str, torch.Tensor]:
        """All labels by name: pose, camera (focal, center, rotation, position), box and names."""
        return self._labels

    def batch(self, indices: Sequence[int]) -> Batch:
        """The samples with the given numbers."""
        if self._pictures is None:
            self._pictures = np.load(self.folder / IMAGES, mmap_mode="r")
        rows = np.asarray(indices, dtype=np.int64)
        if len(rows) == 0:
            raise ValueError("indices must name at least one sample, but is empty")
        if rows.max() >= len(self) or rows.min() < -len(self):
            raise IndexError(f"indices must be below {len(self)}, but reach {rows.max()}")
        rows = rows % len(self)
        label = {name: values[torch.from_numpy(rows)] for name, values in self._labels.items()}
        camera = Camera(label["focal"], label["center"], label["rotation"], label["position"])
        return Batch(
            torch.from_numpy(self._pictures[rows]),
            label["pose"],
            camera,
            Box(label["box_center"], label["box_side"]),
            [SUBJECTS[number] for number in label["subject"].tolist()],
            [ACTIONS[number] for number in label["action"].tolist()],
            rows.tolist(),
        )

    def __getitem__(self, index: int) -> Sample:
        """One sample."""
        return self.batch([index])[0]

    def batches(self, batch_size: int = 32) -> Iterator[Batch]:
        """All samples in order, in batches; the last one may be smaller."""
        for start in range(0, len(self), batch_size):
            yield self.batch(range(start, min(start + batch_size, len(self))))
