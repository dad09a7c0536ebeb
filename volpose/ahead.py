"""Read ahead: threads fetch what comes next while the network computes."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
# threads: reading and decoding leave Python's lock to others; a picture of Human3.6M takes 15 ms
READERS = max(2, min(16, os.cpu_count() or 2))
AHEAD = READERS + 2  # results that wait to be used


def read_ahead(read: Callable[[int], T], numbers: Iterable[int]) -> Iterator[T]:
    """Give `read` of each number, in order; a few are read before they are asked for.

    Args:
        read: may be called by several threads at once; what it raises is raised at its turn.
        numbers: what to read.
    """
    with ThreadPoolExecutor(READERS) as readers:
        waiting = deque()
        try:
            for number in numbers:
                waiting.append(readers.submit(read, number))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
