"""Volumetric 3D human pose from one image, after Pavlakos et al. (CVPR 2017).

The whole method on one page; every line has a chapter, a module and a place in the paper::

    import volpose as vp

    crop    = vp.crop_person(image, box)                        # Sec. 4.3   (3, 256, 256)
    volumes = model(crop[None])                                 # Sec. 3.2   one (1, J, d, 64, 64) for each d in z_bins
    voxels  = vp.argmax_voxel(volumes[-1])                      # Sec. 3.1   (1, J, 3)  x, y, z
    places  = grid.to_places(voxels)                            # Sec. 4.3   x, y in crop pixels; z in mm from the root
    pose    = vp.metric_pose(places, box, camera, root_depth)   # Sec. 4.3   (1, J, 3)  mm, camera frame
    error   = vp.mpjpe(vp.root_relative(pose), truth)           # Sec. 4.2   mm

    model   = vp.CoarseToFine(num_joints=17, z_bins=(1, 2, 4, 64))                     # Table 2, last row
    targets = vp.coarse_to_fine_targets(grid.to_voxels(labels), grid, model.z_bins)    # Eq. 2     places of the truth
    loss    = vp.volume_loss(model(crops), targets, "sum")                             # Eq. 3, summed over the stack
"""  # noqa: E501

from importlib.metadata import version as _version

from volpose.camera import Camera
from volpose.crop import Box, crop_camera, crop_person, to_crop, to_image
from volpose.decode import (
    argmax_voxel,
    confidence,
    limb_lengths,
    metric_pose,
    mirror_average,
    peak_voxel,
    root_depth_from_limbs,
)
from volpose.decoupled import Decoupled
from volpose.estimator import Estimator
from volpose.evaluate import evaluate
from volpose.grid import Grid
from volpose.losses import coordinate_loss, plain_volume_loss, volume_loss
from volpose.metrics import (
    ActionTable,
    auc,
    mpjpe,
    pa_mpjpe,
    pck,
    pcp,
    procrustes_align,
    root_relative,
)
from volpose.model import (
    CoarseToFine,
    CoordinateRegression,
    Hourglass,
    Residual,
    count_parameters,
)
from volpose.network import NetworkConfig
from volpose.predict import Prediction, predict, read_image
from volpose.pretrained import load
from volpose.released import ReleasedCoarseToFine
from volpose.skeleton import H36M_17, SKELETONS, Skeleton, convert_joints, mirror_joints
from volpose.targets import GaussianTarget, coarse_to_fine_targets, gaussian_volume

__version__ = _version("volpose")

__all__ = [
    "H36M_17",
    "SKELETONS",
    "ActionTable",
    "Box",
    "Camera",
    "CoarseToFine",
    "CoordinateRegression",
    "Decoupled",
    "Estimator",
    "GaussianTarget",
    "Grid",
    "Hourglass",
    "NetworkConfig",
    "Prediction",
    "ReleasedCoarseToFine",
    "Residual",
    "Skeleton",
    "argmax_voxel",
    "auc",
    "coarse_to_fine_targets",
    "confidence",
    "convert_joints",
    "coordinate_loss",
    "count_parameters",
    "crop_camera",
    "crop_person",
    "evaluate",
    "gaussian_volume",
    "limb_lengths",
    "load",
    "metric_pose",
    "mirror_average",
    "mirror_joints",
    "mpjpe",
    "pa_mpjpe",
    "pck",
    "pcp",
    "peak_voxel",
    "plain_volume_loss",
    "predict",
    "procrustes_align",
    "read_image",
    "root_depth_from_limbs",
    "root_relative",
    "to_crop",
    "to_image",
    "volume_loss",
]
