"""Figures: 3D ones that turn in a web page, flat ones for print, and the page of a prediction.

The flat ones (`figures2d`) need matplotlib, which the package itself does without; it is imported
when one of them is first used.
"""

from importlib import import_module

from volpose.plot.figures3d import pose_figure, slices_figure, volume_figure, volumes_figure
from volpose.plot.first_light import first_light
from volpose.plot.page import prediction_page

FLAT = (
    "action_bars",
    "draw_pose",
    "image_grid",
    "image_with_pose",
    "loss_curve",
    "stack_figure",
)

__all__ = [
    "action_bars",
    "draw_pose",
    "first_light",
    "image_grid",
    "image_with_pose",
    "loss_curve",
    "pose_figure",
    "prediction_page",
    "slices_figure",
    "stack_figure",
    "volume_figure",
    "volumes_figure",
]


def __getattr__(name: str):
    if name in FLAT:
        return getattr(import_module("volpose.plot.figures2d"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
