"""The studio: a synthetic stand-in for Human3.6M, rendered in plain torch."""

from volpose.studio.actions import ACTIONS
from volpose.studio.cache import CachedSplit, write_split
from volpose.studio.dataset import Studio
from volpose.studio.export import write_h36m
from volpose.studio.look import CAMERAS, SUBJECTS, TEST_SUBJECTS, TRAIN_SUBJECTS
from volpose.studio.variation import Variation

__all__ = [
    "ACTIONS",
    "CAMERAS",
    "SUBJECTS",
    "TEST_SUBJECTS",
    "TRAIN_SUBJECTS",
    "CachedSplit",
    "Studio",
    "Variation",
    "write_h36m",
    "write_split",
]
