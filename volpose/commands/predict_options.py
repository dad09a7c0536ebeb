"""The options of `volpose predict`."""

from __future__ import annotations

import argparse
from pathlib import Path

from volpose.commands import options as shared
from volpose.commands.person import LIFT, WEIGHTS
from volpose.lift.formats import FORMATS

EXAMPLES = """examples:
  volpose predict photo.jpg --html pose.html
  volpose predict photos/ --joints2d joints.json --json poses.json
  volpose predict clip.mp4 --detect --box 320,80,200,480 --draw drawn.mp4 --bvh walk.bvh"""
CAMERA = "px of the upright picture; default: as the picture's EXIF tags say, or a guess"


def describe(parser: argparse.ArgumentParser) -> None:
    """Describe the command's options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    words = "picture, folder of pictures or video (a video: pip install 'volpose[video]')"
    parser.add_argument("input", type=Path, metavar="INPUT", help=words)
    words = "the person, px of the upright picture; of a video, in its first frame"
    parser.add_argument("--box", type=shared.numbers, metavar="X,Y,W,H", help=words)
    parser.add_argument("--camera", type=shared.numbers, metavar="FX,FY,CX,CY", help=CAMERA)
    words = "which way is up for the camera (x right, y down, z away); 0,-1,0 if it is level; "
    words += "not for a picture without 2D joints"
    parser.add_argument("--up", type=shared.direction, metavar="X,Y,Z", help=words)
    words = "2D joints of any detector, px of the upright picture: JSON with format, joints_px, "
    words += "confidence; a list of such; for pictures also an object of such by their names; "
    words += f"format: {', '.join(FORMATS)}"
    parser.add_argument("--joints2d", type=Path, metavar="FILE", help=words)
    words = "find 2D joints with MediaPipe (pip install 'volpose[detect]')"
    parser.add_argument("--detect", action="store_true", help=words)
    parser.add_argument(
        "--detector", type=Path, metavar="FILE", help="--detect with this .task file"
    )
    words = "network for pictures: of a picture it gives the pose, of a video the 2D joints; "
    words += f"default: {WEIGHTS}"
    parser.add_argument("--weights", metavar="NAME", help=words)
    words = f"network that lifts 2D joints; default: {LIFT}"
    parser.add_argument("--lift", metavar="NAME", help=words)
    shared.add_precision(parser)
    parser.set_defaults(precision=None)  # known to have been given; fp32 without
    words = "write the prediction here, with what it assumes: mm in the camera's frame"
    parser.add_argument("--json", type=Path, metavar="OUT", help=words)
    words = "write an interactive page here; not of a folder"
    parser.add_argument("--html", type=Path, metavar="OUT", help=words)
    words = "write the picture or the video with the limbs in it; for a folder, a folder"
    parser.add_argument("--draw", type=Path, metavar="OUT", help=words)
    words = "a video's motion, for animation: cm, y up, begins above the origin; feet may slide"
    parser.add_argument("--bvh", type=Path, metavar="OUT", help=words)
    words = "a video's motion, as a table: mm in the camera's frame, --up or not"
    parser.add_argument("--csv", type=Path, metavar="OUT", help=words)
