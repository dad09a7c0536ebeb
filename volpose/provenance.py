"""Where numbers come from: which source and which machine made them."""

from __future__ import annotations

import hashlib
import os
import platform
from functools import cache
from pathlib import Path

import torch

PACKAGE = Path(__file__).resolve().parent


@cache
def fingerprint() -> str:
    """A checksum of the package's source, as it was when first asked for in this process."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def hardware(device: torch.device) -> str:
    """The machine in words, for the record of a result."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    names = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    model = next((n.split(":")[1].strip() for n in names if n.startswith("model name")), "CPU")
    amx = " with AMX" if torch.cpu._is_amx_tile_supported() else ""
    return f"{model}{amx}, {os.cpu_count()} cores, {platform.machine()}"
