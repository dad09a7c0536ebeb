"""The whole method in one figure: an image, the volume of a joint, and the pose."""

from __future__ import annotations

import plotly.graph_objects as go
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from volpose.decode import confidence
from volpose.grid import Grid
from volpose.plot.scenes import metric_scene, new_figure, panel_label, voxel_scene
from volpose.plot.style import (
    COLORS,
    DASHES,
    HIGHLIGHT_COLOR,
    SIDES,
    as_array,
    as_pixels,
    bounds,
    check_joints,
    limbs_of_side,
    spoken,
)
from volpose.plot.traces import (
    OBLIQUE_VIEW,
    PX_HOVER,
    blob_trace,
    image_trace,
    ring_trace,
    skeleton_traces,
)
from volpose.skeleton import Skeleton

PANELS = (("image (px)", 0.0, 0.27), ("its volume", 0.28, 0.65), ("its 3D pose", 0.66, 1.0))
POSE_VIEW = {"x": 1.15, "y": -1.3, "z": 0.3}  # between the camera's view and the turned one
MAX_VOXELS = 3375  # for each joint: 15 voxels each way


def first_light(
    image: Shaped[Tensor, "3 side side2"],
    volumes: Float[Tensor, "joints depth height width"],
    pose: Float[Tensor, "joints 3"],
    grid: Grid,
    places: Float[Tensor, "joints 3"],
    skeleton: Skeleton,
    alt: str,
    joint: str = "left_wrist",
    height: int = 400,
) -> go.Figure:
    """An image, the volume of one joint and the 3D pose side by side; a menu chooses the joint.

    Args:
        image: the crop, uint8 or in [0, 1].
        volumes: likelihoods of each joint.
        pose: mm, camera frame.
        grid: of the volumes.
        places: the joints, x, y in pixels of the grid's crop and z in mm from the root.
        skeleton: the joints.
        alt: the figure in words.
        joint: the one to begin with.
        height: px.

    Returns:
        A figure that works without Python, below 700 kB for volumes of 64 voxels each way.

    Raises:
        ValueError: the sizes do not fit, or there is no such joint.
    """
    for argument, points in (("pose", pose), ("places", places)):
        check_joints(argument, points, skeleton)
    chosen = skeleton.index(joint)
    figure = new_figure(
        alt, height, legend={"orientation": "h", "x": 0, "y": -0.1, "yanchor": "top"}
    )
    figure.add_traces(_image_traces(image, places, grid, skeleton))
    figure.add_trace(image_trace(image, grid, "scene", side=40))
    voxels = grid.to_voxels(places)
    figure.add_traces(skeleton_traces(voxels, skeleton, "scene", PX_HOVER, width=5, digits=2))
    figure.add_traces(skeleton_traces(pose, skeleton, "scene2"))
    always = len(figure.data)
    for number in range(skeleton.num_joints):
        figure.add_traces(
            joint_traces(number, volumes, places, pose, skeleton, visible=number == chosen)
        )
    center, half = bounds([as_array(pose)])
    figure.update_layout(
        scene=voxel_scene(grid, OBLIQUE_VIEW, PANELS[1][1:], zoom=1.15),
        scene2=metric_scene(center, half, POSE_VIEW, PANELS[2][1:], zoom=0.95),
        updatemenus=[_joint_menu(skeleton, chosen, always)],
        annotations=[panel_label(text, (left + right) / 2) for text, left, right in PANELS],
        **_image_axes(grid),
    )
    return figure


def joint_traces(
    number: int,
    volumes: Tensor,
    places: Tensor,
    pose: Tensor,
    skeleton: Skeleton,
    visible: bool,
) -> list:
    """What the menu switches: a joint's volume, and a ring around it in image and pose."""
    name = spoken(skeleton.joints[number])
    height = float(confidence(volumes[number]))
    blob = blob_trace(
        volumes[number],
        surfaces=3,
        max_voxels=MAX_VOXELS,
        name=f"{name}, peak {height:.2f}",
        opacity=0.4,
        visible=visible,
    )
    x, y = (None if v != v else round(v, 1) for v in places[number, :2].tolist())
    ring = go.Scatter(
        x=[x],
        y=[y],
        mode="markers",
        name=name,
        marker={
            "size": 16,
            "symbol": "circle-open",
            "color": HIGHLIGHT_COLOR,
            "line": {"width": 3},
        },
        hoverinfo="name",
        showlegend=False,
        visible=visible,
    )
    return [blob, ring, ring_trace(as_array(pose[number]), name, "scene2", visible=visible)]


def _image_traces(image: Tensor, places: Tensor, grid: Grid, skeleton: Skeleton) -> list:
    pixels = as_pixels(image)
    size = grid.crop_size / pixels.shape[0]
    traces = [
        go.Image(z=pixels, x0=size / 2, dx=size, y0=size / 2, dy=size, hoverinfo="skip", name="")
    ]
    at = as_array(places[:, :2])
    for side in SIDES:
        x, y = [], []
        for parent, joint in limbs_of_side(at, skeleton, side):
            x += [round(at[parent, 0], 1), round(at[joint, 0], 1), None]
            y += [round(at[parent, 1], 1), round(at[joint, 1], 1), None]
        line = {"color": COLORS[side], "width": 3, "dash": DASHES[side]}
        traces.append(
            go.Scatter(
                x=x, y=y, mode="lines", line=line, name=side, hoverinfo="skip", legendgroup=side
            )
        )
    return traces


def _image_axes(grid: Grid) -> dict:
    ticks = [grid.crop_size * part / 4 for part in range(5)]
    # without titles: on a narrow screen they would lie on the name of the next panel
    axis = {"constrain": "domain", "showgrid": False, "zeroline": False, "tickvals": ticks}
    left, right = PANELS[0][1:]
    return {
        "xaxis": axis | {"domain": [left, right], "range": [0, ticks[-1]]},
        "yaxis": axis | {"range": [ticks[-1], 0], "scaleanchor": "x", "domain": [0, 1]},
        "margin": {"l": 30, "r": 0, "t": 74, "b": 50},
    }


def _joint_menu(skeleton: Skeleton, chosen: int, always: int) -> dict:
    """A menu of joints: the first traces are always shown, then three belong to each joint."""

    def shown(number: int) -> list[bool]:
        switched = torch.arange(skeleton.num_joints).repeat_interleave(3) == number
        return [True] * always + switched.tolist()

    buttons = [
        {"label": spoken(name), "method": "restyle", "args": ["visible", shown(number)]}
        for number, name in enumerate(skeleton.joints)
    ]
    place = {"x": 0.5, "xanchor": "center", "y": 1.09, "yanchor": "bottom"}
    return {"buttons": buttons, "active": chosen, "type": "dropdown", "pad": {"b": 4}, **place}
