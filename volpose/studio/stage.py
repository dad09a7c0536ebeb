"""Takes pictures: actors pose, get dressed, are lit and projected, a whole batch at once."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from volpose.camera import Camera
from volpose.crop import Box, crop_camera
from volpose.data.samples import Batch
from volpose.studio import paint, props
from volpose.studio.actions import ACTIONS, PROGRAMS
from volpose.studio.body import Body
from volpose.studio.look import (
    FRAME_HEIGHT,
    FRAME_WIDTH,
    ROOM,
    SUBJECTS,
    TAKE,
    WIDER,
    Look,
    Painter,
    slice_look,
    stack_looks,
)
from volpose.studio.plan import Shot
from volpose.studio.puppet import Goals, Puppet
from volpose.studio.render import Hits, faces_around_vertices, rasterize, vertex_normals
from volpose.studio.rooms import Rooms
from volpose.studio.style import Style
from volpose.studio.variation import Variation
from volpose.studio.wardrobe import clothing_thickness
from volpose.studio.widen import widen

PICTURES_IN_CACHE = 4


@dataclass(frozen=True)
class Actors:
    """Posed actors: naked vertices, rig and Human3.6M joints in the world, mm; faces to where."""

    vertices: Float[Tensor, "batch vertices 3"]
    joints: Float[Tensor, "batch joints 3"]
    yaw: Float[Tensor, " batch"]
    seated: Float[Tensor, " batch"]

    def __getitem__(self, part: slice) -> "Actors":
        """Some of the actors."""
        return Actors(self.vertices[part], self.joints[part], self.yaw[part], self.seated[part])


class Stage:
    """Everything shots share: body, rooms, noise, and the fixed parts of the mesh."""

    def __init__(
        self, seed: int, variation: Variation, room_stream: int, device: str | torch.device
    ) -> None:
        """Build the stage.

        Args:
            seed: of the whole studio.
            variation: how much pictures vary.
            room_stream: which bank of rooms to draw, where there are several.
            device: where to compute.
        """
        self.seed, self.variation, self.device = seed, variation, torch.device(device)
        self.body = body = Body(device=device)
        self.puppet = Puppet(body, device)
        self.painter = Painter(seed, variation, body.num_coefficients)
        stream = room_stream if variation.rooms > 1 else 0
        self.rooms = Rooms.draw(variation.rooms, variation.outdoor, [seed, ROOM, stream], device)
        self.noise = paint.noise_bank(seed, device)
        self._box_corners = props.box_corners(device)
        self.faces = torch.cat([body.faces, props.prop_faces(body.num_vertices, device)])
        self.num_vertices = body.num_vertices + props.NUM_BOXES * props.VERTICES_PER_BOX
        around = faces_around_vertices(body.faces.cpu(), body.num_vertices)
        self._around = around.to(device)
        self._fixed_attributes = self._attributes()

    def _attributes(self) -> Float[Tensor, "vertices 7"]:
        """Per vertex: place on the mean body, the garment fields, and the prop's material."""
        body = self.body
        naked = torch.cat(
            [body.mean_vertices, body.fields, torch.zeros_like(body.fields[:, :1])], 1
        )
        materials = props.prop_materials(self.device)
        things = torch.zeros(len(materials), naked.shape[1], device=self.device)
        things[:, -1] = materials
        return torch.cat([naked, things])

    def act(self, shots: list[Shot], look: Look) -> Actors:
        """Pose the actors of some shots and stand them on the floor."""
        goals = [self._goals(shot) for shot in shots]
        rest_vertices, rest_joints = self.body.build(look.coefficients)
        rotations, root = self.puppet.pose(goals, rest_joints)
        places = self.body.place_joints(rest_joints, rotations, root)
        vertices = self.body.skin(rest_vertices, rest_joints, rotations, places)
        joints = self.body.h36m_joints(places, rotations)
        lift = -vertices[..., 2].amin(1)
        seated = torch.tensor([float(goal.chair) for goal in goals], device=self.device).double()
        # on a chair feet may dangle; they must not sink
        lift = torch.where(seated > 0, lift.clamp(min=0), lift)
        up = torch.stack([torch.zeros_like(lift), torch.zeros_like(lift), lift], dim=-1)[:, None]
        yaw = torch.tensor([goal.yaw for goal in goals], dtype=torch.float64, device=self.device)
        return Actors(vertices + up, joints + up, yaw, seated)

    def _goals(self, shot: Shot) -> Goals:
        actor, action = SUBJECTS.index(shot.subject), ACTIONS.index(shot.action)
        goals = PROGRAMS[shot.action](Style([self.seed, TAKE, actor, action, shot.take], shot.time))
        if spread := self.variation.pose_spread:
            own = Style([self.seed, WIDER, actor, action, shot.take], shot.time)
            goals = widen(goals, own, spread)
        return goals

    def aim(self, look: Look, joints: Float[Tensor, "batch joints 3"]) -> Camera:
        """The cameras of some shots; free ones follow the actor."""
        position, aim, roll = look.camera[:, :3], look.camera[:, 3:6], look.camera[:, 6]
        below = joints[:, 0] * joints.new_tensor([1.0, 1.0, 0.0]) * look.free[:, None]
        position, aim = position + below, aim + below
        rotation = paint.look_at(position, aim, roll)
        return Camera(look.camera[:, 7:9], look.camera[:, 9:11], rotation, position)

    def frame(self, look: Look, joints_px: Float[Tensor, "batch joints 2"]) -> Box:
        """The boxes around the actors."""
        box = Box.around(joints_px, self.variation.box_margin)
        shift, growth = look.box[:, :2], look.box[:, 2]
        return Box(box.center + shift * box.side[:, None], box.side * (1 + growth))

    @torch.no_grad()
    def poses(self, shots: list[Shot]) -> Float[Tensor, "batch joints 3"]:
        """The joints of the actors in the world, mm, without a picture."""
        looks = [self.painter.draw(s.subject, s.take, s.camera, s.key, s.moment) for s in shots]
        return self.act(shots, stack_looks(looks, self.device)).joints.float()

    @torch.no_grad()
    def shoot(self, shots: list[Shot], size: int, whole_frame: bool = False) -> Batch:
        """Take pictures.

        Args:
            shots: what to take.
            size: of the crops, px.
            whole_frame: render the camera's whole image, padded to a square at its upper left,
                instead of the crop; boxes stay those of the crops.
        """
        looks = [self.painter.draw(s.subject, s.take, s.camera, s.key, s.moment) for s in shots]
        look = stack_looks(looks, self.device)
        actors = self.act(shots, look)
        camera = self.aim(look, actors.joints)
        pose = camera.to_camera(actors.joints)
        box = self.frame(look, camera.project(pose)).to(torch.float32)
        # from here on everything must follow from the numbers that are handed out
        camera = camera.to(torch.float32)
        view = box
        if whole_frame:
            size = max(FRAME_WIDTH, FRAME_HEIGHT)
            center = torch.full_like(box.center, size / 2)
            view = Box(center, torch.full_like(box.side, size))
        image = torch.cat(
            [
                self._picture(actors[part], slice_look(look, part), camera[part], view[part], size)
                for part in self._parts(len(shots))
            ]
        )
        names = [shot.subject for shot in shots], [shot.action for shot in shots]
        return Batch(image, pose.float(), camera, box, *names, [shot.index for shot in shots])

    def _parts(self, count: int) -> list[slice]:
        """A processor renders few pictures at a time, so that they stay in its cache."""
        step = PICTURES_IN_CACHE if self.device.type == "cpu" else count
        return [slice(start, start + step) for start in range(0, count, step)]

    def _picture(self, actors: Actors, look: Look, camera: Camera, view: Box, size: int) -> Tensor:
        """Render the actors, their props and the room: (batch, 3, size, size) uint8."""
        vertices, normals = self._dress(actors, look, camera)
        factor = self.variation.supersample
        fine = crop_camera(camera, view, size * factor)
        exact = fine.to(torch.float64)
        in_camera = exact.to_camera(vertices)
        depth = in_camera[..., 2]
        flat = in_camera[..., :2] / depth.clamp(min=1.0)[..., None] * exact.focal[:, None]
        flat = flat + exact.center[:, None]
        hits = rasterize(flat.float(), depth.float(), self.faces, size * factor)
        corners = self._corner_attributes(vertices.float(), normals, hits)
        color = paint.shade(hits, corners, look, camera.position, self.body.mean_head)
        crop = crop_camera(camera, view, size)
        behind = paint.background(crop, actors.joints.float(), self.rooms, look.room, size)
        image = paint.compose(behind, hits, color, factor)
        image = paint.expose(image, look, self.noise)
        return image * paint.frame_mask(view.center, view.side, size)[:, None]

    def _dress(self, actors: Actors, look: Look, camera: Camera) -> tuple[Tensor, Tensor]:
        """Vertices (mm) and normals of the scene: actors in their clothes, chairs, occluders."""
        body = self.body
        normals = vertex_normals(actors.vertices.float(), body.faces, self._around)
        thickness = clothing_thickness(
            body.mean_vertices, body.fields, look.cut.float(), body.mean_head
        )
        dressed = actors.vertices + (normals * thickness[..., None]).double()
        dressed[..., 2].clamp_(min=0)  # soles are flat
        pelvis = actors.joints[:, 0]
        chair = props.chair_boxes(pelvis, actors.yaw, actors.seated)
        chair = props.place_boxes(*chair, actors.yaw, self._box_corners)
        others = props.occluder_boxes(camera.position.double(), actors.joints, look.occluders)
        others = props.place_boxes(*others, look.occluder_yaw, self._box_corners)
        things = torch.cat([chair, others], dim=1)
        flat = props.flat_normals(things.float())
        return torch.cat([dressed, things], dim=1), torch.cat([normals, flat], dim=1)

    def _corner_attributes(self, vertices: Tensor, normals: Tensor, hits: Hits) -> Tensor:
        """What `paint.shade` needs at the corners of the triangles that are seen."""
        moving = torch.cat([vertices, normals], dim=2).flatten(0, 1)
        corner = self.faces[hits.triangle]
        rows = (hits.image[:, None] * self.num_vertices + corner).flatten()
        moving = moving.index_select(0, rows)
        fixed = self._fixed_attributes.index_select(0, corner.flatten())
        return torch.cat([moving, fixed], dim=1).unflatten(0, (-1, 3))
