"""`volpose train`: a preset on the studio, or on the training split of a real data set."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from volpose import pretrained
from volpose.commands import options as shared
from volpose.commands.options import name_of
from volpose.data.opening import open_under, parse
from volpose.data.protocols import protocol_of
from volpose.data.samples import Samples, Share
from volpose.network import KINDS
from volpose.precision import PRECISIONS, keep_freed_memory
from volpose.recipe import PRESETS, REAL, TrainConfig, with_network
from volpose.run import check_start
from volpose.studio import Studio, write_split
from volpose.studio.variation import VARIATIONS
from volpose.team import Team
from volpose.train import fit


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's options."""
    parser.set_defaults(run=run)
    parser.add_argument("preset", choices=PRESETS)
    parser.add_argument("--data", metavar="DATA", help=f"default: the studio; {shared.REAL}")
    words = f"more pictures, with 2D labels: studio:VARIATION or {shared.REAL}"
    parser.add_argument("--data-2d", metavar="DATA", help=words)
    words = "of each batch with 2D labels; default: 0.5 with --data-2d"
    parser.add_argument("--share-2d", type=float, metavar="SHARE", help=words)
    parser.add_argument("--network", choices=KINDS, help="another kind of network, same recipe")
    parser.add_argument("--variation", choices=tuple(VARIATIONS), help="of the studio")
    parser.add_argument("--seed", type=shared.seed, default=0)
    words = "begin with the weights of a network of the same form: a shipped one's name, or a file"
    parser.add_argument("--start", metavar="WEIGHTS", help=words)
    parser.add_argument("--rate", type=float, help="the highest learning rate")
    parser.add_argument("--images", type=shared.positive, help="size of the training set")
    parser.add_argument("--samples", type=shared.positive, help="images seen in all")
    parser.add_argument("--precision", choices=PRECISIONS, help="default: bf16 where it is fast")
    parser.add_argument("--recompute", action="store_true", help="less memory, more time")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="default: a GPU if there is one")
    words = "default: 1 for small networks, which a second only holds up; else PyTorch's choice"
    parser.add_argument("--threads", type=shared.positive, help=words)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: runs/PRESET-...-seedN")
    words = "of the studio's pictures; default: runs/data"
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help=words)


def run(options: argparse.Namespace) -> None:
    """Do what the options say.

    Raises:
        ValueError, OSError: an option or the data are not what was expected.
    """
    config = PRESETS[options.preset]
    if options.network:
        config = with_network(config, options.network)
    names = ("variation", "images", "samples", "precision", "recompute")
    given = {k: getattr(options, k) for k in names}
    config = replace(config, seed=options.seed, **{k: v for k, v in given.items() if v})
    config = replace(config, share_2d=_share_2d(options))
    if options.rate is not None:
        config = replace(config, learning_rate=options.rate)
    start = pretrained.load(options.start) if options.start else None
    if start:
        config = replace(config, start=start.checksum())
    folder = options.out or Path("runs") / _run_name(options, config)
    if any(p.exists() and not p.is_dir() for p in (folder, *folder.parents)):
        raise NotADirectoryError(
            f"{folder}: expected a folder for the run, but a file is in the way"
        )
    team = Team.join(shared.device_of(options))
    team.check_batch(config.batch_size)
    keep_freed_memory()
    small = config.network.image_size <= 64
    torch.set_num_threads(options.threads or (1 if small else torch.get_num_threads()))
    if options.data is None:
        check_start(config, start)  # before anything is rendered
        data = _studio(config, options.cache, team)
    else:
        config, data = _real(config, options)
        check_start(config, start)
    fit(config, data, folder, team, data_2d=_data_2d(config, options, team), start=start)
    if team.leads:
        print(f"trained: {folder / 'weights.safetensors'}; loss curve: {folder / 'log.csv'}")


def _run_name(options: argparse.Namespace, config: TrainConfig) -> str:
    kind = (options.data or "").partition(":")[0]
    parts = [options.preset, kind, options.network, options.variation]
    parts += ["2d"] if options.data_2d else []
    parts += ["from", name_of(options.start)] if options.start else []
    return "-".join([p for p in parts if p] + [f"seed{config.seed}"])


def _real(config: TrainConfig, options: argparse.Namespace) -> tuple[TrainConfig, Samples]:
    """The training split of a real data set, and the recipe with its joints and its size."""
    shared.refuse_given(options, ("variation", "cache"), "a real data set")
    protocol = protocol_of(parse(options.data)[0])
    size = config.network.image_size
    data = open_under(protocol, options.data, "train", size, options.images)
    if not data.people.metric:
        raise ValueError(f"{options.data}: no depth to train on; expected h36m, humaneva or kth")
    network = replace(config.network, skeleton=data.skeleton.name)
    return replace(config, network=network, images=len(data), variation=REAL), data


def _share_2d(options: argparse.Namespace) -> float:
    """The share of pictures with 2D labels; what cannot be is said before anything is rendered."""
    if options.data_2d is None:
        if options.share_2d is not None:
            raise ValueError("--share-2d needs pictures with 2D labels: --data-2d")
        return 0.0
    kind, _, variation = options.data_2d.partition(":")
    if not shared.is_real(options.data_2d) and (kind != "studio" or variation not in VARIATIONS):
        raise ValueError(
            f"--data-2d must be studio: and one of {', '.join(VARIATIONS)}, or {shared.REAL}; "
            f"got {options.data_2d!r}"
        )
    return 0.5 if options.share_2d is None else options.share_2d


def _data_2d(config: TrainConfig, options: argparse.Namespace, team: Team) -> Samples | None:
    """Where pictures with 2D labels come from; the depths of the studio's are not looked at."""
    if options.data_2d is None:
        return None
    kind, _, variation = options.data_2d.partition(":")
    if kind != "studio":
        size = config.network.image_size
        return open_under(protocol_of(kind), options.data_2d, "train", size)
    return _studio(replace(config, variation=variation), options.cache, team)


def _studio(config: TrainConfig, folder: Path | None, team: Team) -> Samples:
    """The studio's training set, rendered where it is missing; each process renders its share."""
    size, variation = config.network.image_size, config.variation
    whole = Studio("train", size=size, variation=variation, count=config.images)
    name = f"studio-train-{variation}-{size}px-{config.images}"
    folder = folder or Path("runs/data")
    if team.size == 1:
        return write_split(whole, folder / name)
    share = (team.rank, team.size)
    part = Studio("train", size=size, variation=variation, count=config.images, share=share)
    part = write_split(part, folder / f"{name}-share-{team.rank}-of-{team.size}", 1, team.leads)
    return Share(part, *share, whole)
