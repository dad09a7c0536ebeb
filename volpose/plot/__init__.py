"""Figures: 3D ones that turn in a web page, flat ones for print, and the page of a prediction.

The flat ones (`figures2d`, `findings`, `gallery`) need matplotlib, which the package itself does
without; it is imported when one of them is first used.
"""

from importlib import import_module

from volpose.plot.figures3d import pose_figure, slices_figure, volume_figure, volumes_figure
from volpose.plot.film import film_figure
from volpose.plot.first_light import first_light
from volpose.plot.page import prediction_page
from volpose.plot.stages import stages_figure
from volpose.plot.uncertainty import uncertainty_figure

FLAT = {
    "action_bars": "figures2d",
    "draw_pose": "figures2d",
    "forest": "findings",
    "image_grid": "figures2d",
    "image_with_pose": "figures2d",
    "loss_curve": "figures2d",
    "pose_rows": "gallery",
    "stack_figure": "figures2d",
    "volume_views": "findings",
}

__all__ = [
    "action_bars",
    "draw_pose",
    "film_figure",
    "first_light",
    "forest",
    "image_grid",
    "image_with_pose",
    "loss_curve",
    "pose_figure",
    "pose_rows",
    "prediction_page",
    "slices_figure",
    "stack_figure",
    "stages_figure",
    "uncertainty_figure",
    "volume_figure",
    "volume_views",
    "volumes_figure",
]


def __getattr__(name: str):
    if name in FLAT:
        return getattr(import_module(f"volpose.plot.{FLAT[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
