"""What a run tells while it goes: its curve on disk, and a polite answer to Ctrl-C."""

from __future__ import annotations

import math
import signal
import threading
from pathlib import Path
from types import FrameType, TracebackType

from volpose.run import DivergedError, Run, way_out
from volpose.storage import append_text, named, write_text

LOG = "log.csv"
BOARD = "tensorboard"


class Journal:
    """The loss curve of a run, as CSV and, where TensorBoard is installed, as its events.

    Rows past the run's step, left by a run that was killed after its last checkpoint, go first.

    Args:
        run: as it stands.
        folder: of the run; None writes nothing.

    Raises:
        ValueError: the log in the folder is not one.
    """

    def __init__(self, run: Run, folder: Path | None) -> None:
        self.folder, self.text = folder, ""
        self._board = None
        if folder is None:
            return
        self._opened = False
        self._rows = _rows_until(run.step, folder / LOG)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._board is None:
            return
        try:
            with named(self.folder / BOARD):
                self._board.close()
        except OSError:
            if error is None:  # else what went wrong first is what has to be told
                raise

    def write(self, run: Run) -> None:
        """Add a row.

        Raises:
            DivergedError: the loss is not finite.
            OSError: the disk is full, for example.
        """
        losses = run.loss.tolist()
        if not all(map(math.isfinite, losses)):
            advice = way_out(run.config, self.folder)
            raise DivergedError(f"loss is {losses} at step {run.step}: {advice}")
        self.text = "loss " + " ".join(f"{loss:.3f}" for loss in losses)
        if self.folder is None:
            return
        if not self._opened:
            self._open(run)
        times = f"{run.seconds:.1f},{run.cpu_seconds:.1f},{run.waited:.2f}"
        numbers = ",".join(f"{loss:.5f}" for loss in losses)
        images = run.step * run.config.batch_size
        append_text(self.folder / LOG, f"{run.step},{images},{times},{numbers}\n")
        if self._board is not None:
            with named(self.folder / BOARD):
                for index, loss in enumerate(losses):
                    self._board.add_scalar(f"loss/stage {index}", loss, images)
                self._board.add_scalar("learning rate", run.config.rate(run.step - 1), images)

    def _open(self, run: Run) -> None:
        stages = ",".join(f"loss_{index}" for index in range(len(run.loss)))
        header = f"step,images,seconds,cpu_seconds,waited,{stages}"
        write_text(self.folder / LOG, "\n".join([header, *self._rows]) + "\n")
        self._opened = True
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        begun = (run.step - 1) * run.config.batch_size
        with named(self.folder / BOARD):
            self._board = SummaryWriter(str(self.folder / BOARD), purge_step=begun)


def _rows_until(step: int, path: Path) -> list[str]:
    """The rows of a log up to a step; a row that was cut off is none."""
    if not path.exists():
        return []
    header, *rows = path.read_text(encoding="utf8", errors="replace").splitlines() or [""]
    if not header.startswith("step,"):
        raise ValueError(f"{path}: expected the log of a run, found another file")
    whole = [row for row in rows if row.count(",") == header.count(",")]
    firsts = [row.partition(",")[0] for row in whole]
    return [r for r, f in zip(whole, firsts, strict=True) if f.isdecimal() and int(f) <= step]


class StopRequest:
    """Turn Ctrl-C and SIGTERM into a question that is asked between two steps.

    A second Ctrl-C interrupts at once. Outside the main thread nothing is changed.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True
