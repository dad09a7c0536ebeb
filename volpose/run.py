"""A training run: network, optimizer, how far it has come, and its checkpoint."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from volpose.data.samples import Samples
from volpose.decode import limb_lengths
from volpose.estimator import Estimator
from volpose.flat import FlatWeights
from volpose.precision import resolve
from volpose.provenance import fingerprint, hardware
from volpose.recipe import RANDOM, TrainConfig, completed
from volpose.skeleton import SKELETONS
from volpose.storage import read_safetensors, write_safetensors
from volpose.team import Team

CHECKPOINT = "checkpoint.safetensors"
UNKNOWN_LICENCE = "the terms of the data it was trained on"


@dataclass
class Run:
    """A run in memory. Its order, random numbers and schedule follow from seed and step alone.

    Attributes:
        config: the recipe.
        data: the training set in words.
        precision: "bf16" or "fp32".
        model: the network as it computes, a view of ``weights``.
        weights: all weights as one vector.
        optimizer: of ``weights.values``.
        averages: running averages of weights and statistics, or None.
        step: steps done.
        loss: (stages,) smoothed loss of each stage; empty before the first step.
        seconds, cpu_seconds, waited: wall time, CPU time and time spent waiting for data so far.
        code: fingerprints of the source that took the steps; several if the run was stopped and
            went on with another, "unknown" where a checkpoint does not say.
        origin: of the card of the network whose weights it began with, what `LINEAGE` names.
    """

    config: TrainConfig
    data: str
    precision: str
    model: nn.Module
    weights: FlatWeights
    optimizer: torch.optim.Optimizer
    averages: list[Tensor] | None
    loss: Tensor
    step: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    waited: float = 0.0
    code: list[str] = field(default_factory=list)
    origin: dict = field(default_factory=dict)

    @classmethod
    def new(
        cls,
        config: TrainConfig,
        data: str = "",
        team: Team | None = None,
        start: Estimator | None = None,
    ) -> Run:
        """A run before its first step; its weights are those of ``start``, or follow from the seed.

        Raises:
            ValueError: the recipe names another ``start``, or it is a network of another form.
        """
        check_start(config, start)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            model = config.network.build()
            if not config.near_zero:
                reset_heads(model)
        if start:
            model.load_state_dict(start.model.state_dict())
        if config.recompute:
            model.recompute = True
        team = team or Team()
        model = team.share_batch_norm(model.to(team.device))
        precision = resolve(config.precision, team.device)
        weights = FlatWeights(model, half=precision == "bf16")
        averages = None
        if config.average:
            averages = [weights.values.detach().clone(), weights.statistics.clone()]
        loss = torch.zeros(0, device=team.device)
        optimizer = _optimizer(config, weights.values)
        run = cls(config, data, precision, model, weights, optimizer, averages, loss)
        run.origin = {k: v for k, v in start.card.items() if k in LINEAGE} if start else {}
        return run

    def apply(self, gradient: Tensor, losses: Tensor) -> None:
        """Take one step.

        Args:
            gradient: of all weights, like ``weights.values``.
            losses: (stages,) of this step.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.rate(self.step)
        self.weights.values.grad = gradient
        self.optimizer.step()
        self.weights.values.grad = None
        self.weights.refresh()
        if self.averages:
            current = (self.weights.values.detach(), self.weights.statistics)
            # young averages forget faster, so that the untrained network leaves no trace
            keep = min(self.config.average, (1 + self.step) / (10 + self.step))
            torch._foreach_lerp_(self.averages, current, 1 - keep)
        self.loss = losses if len(self.loss) == 0 else torch.lerp(self.loss, losses, 0.03)
        self.step += 1
        if fingerprint() not in self.code[-1:]:
            self.code.append(fingerprint())

    def estimator(self) -> Estimator:
        """The network as it stands (its average, if there is one), in fp32, ready to be used."""
        model = self.config.network.build()
        values = self.averages or [self.weights.values.detach(), self.weights.statistics]
        self.weights.write_into(model, *(v.cpu() for v in values))
        model.to(memory_format=torch.channels_last)
        return Estimator(self.config.network, model.eval())

    def card(self, sources: Sequence[Samples], team: Team) -> dict:
        """Where the weights come from, and the mean limb lengths (mm) of the training subjects.

        Args:
            sources: the training set, and others that took part.
            team: the processes of the run.
        """
        data = sources[0]
        licences = [getattr(source, "licence", UNKNOWN_LICENCE) for source in sources]
        if self.config.start != RANDOM:
            licences.append(self.origin.get("licence", UNKNOWN_LICENCE))
        skeleton = SKELETONS[self.config.network.skeleton]
        every = max(1, len(data) // 500 // team.size) * team.size
        sample = data.batch(list(range(team.rank, len(data), every)))
        lengths = limb_lengths(sample.pose, skeleton.limbs)
        lengths = torch.where(lengths.isfinite(), lengths, torch.nan).nanmean(0)
        device = self.weights.values.device
        return {
            "recipe": self.config.to_json(),
            "data": self.data,
            "subjects": sorted(set(sample.subject)),
            "steps": self.step,
            "seconds": round(self.seconds, 1),
            "cpu_seconds": round(self.cpu_seconds, 1),
            "precision": self.precision,
            "threads": torch.get_num_threads(),
            "hardware": hardware(device),
            "torch": torch.__version__,
            "code": " ".join(self.code),
            "licence": "; and ".join(dict.fromkeys(licences)),
            "mean_limbs_mm": [round(x, 2) for x in lengths.tolist()],
        } | ({"start": self.origin} if self.config.start != RANDOM else {})

    def save(self, folder: Path) -> None:
        """Write the checkpoint, all or nothing: the old one stays until the new is complete.

        Raises:
            DivergedError: a number is not finite; such a run is not worth going on with.
            OSError: the disk is full, for example.
        """
        tensors = {name: tensor.cpu().clone() for name, tensor in self._tensors().items()}
        for name, tensor in tensors.items():
            if not bool(tensor.isfinite().all()):
                raise DivergedError(
                    f"{name} not finite at step {self.step}: {way_out(self.config, folder)}"
                )
        state = {"config": self.config.to_json(), "loss": self.loss.tolist()}
        state |= {name: getattr(self, name) for name in ("data", "precision", "code", *COUNTERS)}
        write_safetensors(folder / CHECKPOINT, tensors, {"run": json.dumps(state)})

    def restore(self, folder: Path) -> None:
        """Go on from the checkpoint in a folder, if there is one.

        Raises:
            ValueError: the checkpoint is damaged, or belongs to another recipe, data set, number
                format or version.
        """
        path = folder / CHECKPOINT
        if not path.exists():
            return
        tensors, header = read_safetensors(path)
        state = _checked_state(self, path, header)
        own = self._tensors()
        for name in sorted(own.keys() | tensors.keys()):
            mine, found = own.get(name), tensors.get(name)
            if mine is None or found is None:
                what = "lacks" if found is None else "has an unknown"
                raise ValueError(f"{path}: damaged or of another version, {what} tensor {name!r}")
            if (mine.shape, mine.dtype) != (found.shape, found.dtype):
                raise ValueError(
                    f"{path}: damaged, expected {name} of shape {tuple(mine.shape)} and "
                    f"{mine.dtype}, found {tuple(found.shape)} and {found.dtype}"
                )
        for name, tensor in own.items():
            tensor.copy_(tensors[name])
        self.weights.refresh()
        self.loss = torch.tensor(state["loss"], device=self.weights.values.device)
        for name in COUNTERS:
            setattr(self, name, state[name])
        self.code = state["code"]

    def _tensors(self) -> dict[str, Tensor]:
        """All tensors of the run under their names in a checkpoint."""
        tensors = {"weights": self.weights.values.detach(), "statistics": self.weights.statistics}
        tensors |= {f"average.{i}": average for i, average in enumerate(self.averages or [])}
        moments = self.optimizer.state[self.weights.values]
        return tensors | {f"optimizer.{name}": moment for name, moment in moments.items()}


COUNTERS = ("step", "seconds", "cpu_seconds", "waited")
# of the card of the network that a run began with
LINEAGE = ("recipe", "data", "subjects", "steps", "seconds", "cpu_seconds", "precision", "threads")
LINEAGE += ("hardware", "torch", "code", "licence", "start")


def check_start(config: TrainConfig, start: Estimator | None) -> None:
    """Refuse weights to begin with that are not the recipe's, or do not fit its network.

    Raises:
        ValueError: as said.
    """
    found = start.checksum() if start else RANDOM
    if config.start != found:
        raise ValueError(
            f"start must be the recipe's weights, {config.start}, got {found}: give both the "
            "network and its checksum()"
        )
    if start is None:
        return
    own, other = config.network.to_json(), start.config.to_json()
    for name in own:
        if own[name] != other[name]:
            raise ValueError(
                f"start must have the recipe's network, with {name} {own[name]!r}, got "
                f"{other[name]!r}"
            )


class DivergedError(ValueError):
    """A loss or a weight is not finite."""


def way_out(config: TrainConfig, folder: Path | None) -> str:
    """What to do about numbers that are not finite, and what is left of the run in its folder.

    Args:
        config: of the run.
        folder: of the run; None where another process writes it, and can tell.
    """
    advice = f"lower the learning rate ({config.learning_rate:g})"
    if folder is None:
        return advice
    there = (folder / CHECKPOINT).exists()
    left = "the last good checkpoint is kept" if there else "no checkpoint was written yet"
    return f"{advice}; {left}"


def _checked_state(run: Run, path: Path, header: dict) -> dict:
    """What a checkpoint says of itself, if it is one of this run."""
    try:
        state = dict(json.loads(header.get("run", "{}")))
        state["config"] = completed(dict(state.get("config", {})))
        state["code"] = [str(code) for code in state.get("code", ["unknown"])]
        numbers = [float(state[name]) for name in COUNTERS] + [float(x) for x in state["loss"]]
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise ValueError(f"{path}: not the checkpoint of a run ({error!r})") from error
    own = {"config": run.config.to_json(), "data": run.data, "precision": run.precision}
    for name, value in own.items():
        found = state.get(name)
        if found == value:
            continue
        if isinstance(value, dict) and isinstance(found, dict):
            name, value, found = next(
                (k, value.get(k), found.get(k))
                for k in (*value, *found)
                if value.get(k) != found.get(k)
            )
        raise ValueError(
            f"{path}: holds another run ({name} is {found!r}, not {value!r}); "
            "choose another folder, give the options it was begun with, or delete the folder"
        )
    step = state["step"]
    if not isinstance(step, int) or not 0 <= step <= run.config.steps:
        raise ValueError(f"{path}: damaged, step must be 0 to {run.config.steps}, got {step!r}")
    if not all(0 <= number < math.inf for number in numbers):
        raise ValueError(f"{path}: damaged, a time or a loss is not a number")
    return state


def _optimizer(config: TrainConfig, values: nn.Parameter) -> torch.optim.Optimizer:
    if config.optimizer == "adam":
        optimizer = torch.optim.Adam([values], config.learning_rate, (0.9, 0.99), fused=True)
    else:
        optimizer = torch.optim.RMSprop([values], config.learning_rate)
    # a step with no gradient makes the optimizer's tensors, for a checkpoint to be read into
    values.grad = torch.zeros_like(values)
    optimizer.step()
    values.grad = None
    optimizer.state[values]["step"].zero_()
    return optimizer


def reset_heads(model: nn.Module) -> None:
    """Give the last layers PyTorch's usual random start, as the released code does."""
    for name, module in model.named_modules():
        if name.endswith("head") and isinstance(module, nn.Conv2d):
            module.reset_parameters()
    if isinstance(getattr(model, "head", None), nn.Sequential):
        model.head[-1].reset_parameters()
