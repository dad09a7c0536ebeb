"""All weights in one vector: the same network, the same gradients, nothing lost on the way."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.small import CONFIG, NETWORK
from volpose.flat import FlatWeights
from volpose.network import KINDS
from volpose.recipe import with_network
from volpose.run import Run


def network(kind):
    config = with_network(CONFIG, kind).network
    if kind == "released":
        config = replace(config, image_size=64, hourglass_depth=4)
    model = config.build().to(memory_format=torch.channels_last).train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):  # else every norm's numbers are alike
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                nn.init.uniform_(tensor, 0.5, 1.5)
    return model, torch.rand(2, 3, config.image_size, config.image_size)


def backward(model, images):
    out = model(images.to(memory_format=torch.channels_last))
    sum((o.float() - 1).square().sum() for o in ([out] if torch.is_tensor(out) else out)).backward()


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_is_the_usual_one(kind):
    model, images = network(kind)
    usual = copy.deepcopy(model)
    flat = FlatWeights(model, half=False)
    backward(usual, images)
    backward(model, images)
    vector = flat.gradient()
    assert all(p.grad is None for p in model.parameters())
    # the inverse of joining: the vector, read as a network's weights, is each weight's gradient
    shaped = copy.deepcopy(usual)
    flat.write_into(shaped, vector, flat.statistics)
    for ours, theirs in zip(shaped.parameters(), usual.parameters(), strict=True):
        torch.testing.assert_close(ours.detach(), theirs.grad, rtol=0, atol=0)
    assert vector.norm() > 0
    for ours, theirs in zip(shaped.buffers(), usual.buffers(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_into_a_network_is_what_it_was_made_from(kind, half):
    model, _ = network(kind)
    before = copy.deepcopy(model)
    flat = FlatWeights(model, half)
    assert len(flat.values) == sum(p.numel() for p in before.parameters())
    other, _ = network(kind)
    flat.write_into(other, flat.values.detach(), flat.statistics)
    for (name, ours), theirs in zip(
        other.state_dict().items(), before.state_dict().values(), strict=True
    ):
        assert torch.equal(ours, theirs), name


@pytest.mark.parametrize("kind", KINDS)
def test_in_bf16_convolutions_follow_the_vector_and_the_rest_is_the_vector(kind):
    model, _ = network(kind)
    flat = FlatWeights(model, half=True)
    narrow = {id(p) for m in model.modules() if isinstance(m, nn.Conv2d) for p in m.parameters()}
    with torch.no_grad():
        flat.values.copy_(torch.randn_like(flat.values))
    flat.refresh()
    assert torch.equal(flat.copy, flat.values.detach().bfloat16())
    exact = copy.deepcopy(model).float()
    flat.write_into(exact, flat.values.detach(), flat.statistics)
    for weight, wide in zip(model.parameters(), exact.parameters(), strict=True):
        assert weight.dtype == (torch.bfloat16 if id(weight) in narrow else torch.float32)
        assert torch.equal(weight, wide.to(weight.dtype))


def test_statistics_are_those_of_the_network():
    model, images = network("coarse-to-fine")
    flat = FlatWeights(model, half=False)
    before = flat.statistics.clone()
    model(images)
    assert (flat.statistics != before).all()
    flat.statistics.fill_(3.0)
    assert all((m.running_var == 3).all() for m in model.modules() if isinstance(m, nn.BatchNorm2d))


def test_a_weight_without_a_gradient_counts_as_zero():
    model, _ = network("decoupled")
    flat = FlatWeights(model, half=False)
    model.lift(torch.rand(1, 17, 1, 8, 8)).sum().backward()
    (unused,) = {p.numel() for p in model.image_to_heatmaps.stem.shrink[0].parameters()} - {4}
    assert (flat.gradient()[:unused] == 0).all()


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_a_new_run_has_untouched_weights_and_an_optimizer_that_has_seen_nothing(optimizer):
    run = Run.new(replace(CONFIG, optimizer=optimizer, near_zero=True, precision="fp32"))
    torch.manual_seed(CONFIG.seed)
    fresh = NETWORK.build()
    for ours, theirs in zip(run.model.parameters(), fresh.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert all((t == 0).all() for t in run.optimizer.state[run.weights.values].values())
    assert run.weights.values.grad is None
