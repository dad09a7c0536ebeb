"""Estimators: saved and loaded whole, foreign or damaged files refused in one sentence."""

import copy
import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import volpose.pretrained as pretrained
from tests.small import NETWORK, small_data, studio_batch
from volpose.estimator import Estimator
from volpose.evaluate import evaluate
from volpose.network import NetworkConfig
from volpose.precision import convolve_in_bf16


@pytest.fixture
def estimator():
    return Estimator.untrained(NETWORK)


def test_saved_and_loaded_is_the_same(estimator, tmp_path):
    path = tmp_path / "weights.safetensors"
    Estimator(estimator.config, estimator.model, {"seed": 3}).save(path)
    loaded = Estimator.load(path)
    assert loaded.config == estimator.config
    assert loaded.card == {"seed": 3}
    images = studio_batch().image
    torch.testing.assert_close(loaded.volume(images), estimator.volume(images))


@pytest.mark.parametrize("kind", ["coarse-to-fine", "coordinate", "decoupled"])
@pytest.mark.parametrize("mirror", [False, True])
def test_places_have_their_shapes_and_the_root_its_depth(kind, mirror):
    estimator = Estimator.untrained(replace(NETWORK, kind=kind))
    places, sure = estimator.places(studio_batch().image[:3], mirror)
    assert places.shape == (3, 17, 3)
    assert sure.shape == (3, 17)
    assert (places[:, 0, 2] == 0).all()
    assert places.isfinite().all()


def test_mirrored_images_give_mirrored_places(estimator):
    images = studio_batch().image[:4]
    straight, _ = estimator.places(images, mirror=True)
    mirrored, _ = estimator.places(images.flip(-1), mirror=True)
    back = mirrored[:, list(estimator.skeleton.mirror)] * torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(back + torch.tensor([32.0, 0, 0]), straight, atol=1e-2, rtol=0)


def test_larger_crops_are_averaged_down_smaller_ones_refused(estimator):
    large = torch.rand(2, 3, 64, 64)
    pooled = large.unflatten(-1, (32, 2)).unflatten(-3, (32, 2)).mean((-1, -3))
    torch.testing.assert_close(estimator.prepare(large), pooled)
    with pytest.raises(ValueError, match="images must be at least 32 px wide, got 16"):
        estimator.prepare(torch.rand(2, 3, 16, 16))


def test_evaluate_says_where_root_and_box_come_from(estimator):
    table = evaluate(estimator, small_data("test", 30))
    assert table.root_source == "true root depth"
    assert table.box_source == "true joints"
    assert set(table.metrics) == {"MPJPE mm", "PA-MPJPE mm", "PCK150 %", "AUC %"}
    assert sum(table.counts.values()) == 30
    with pytest.raises(ValueError, match="root must be one of"):
        evaluate(estimator, small_data("test", 30), root="guess")
    with pytest.raises(ValueError, match="names no mean limb lengths"):
        evaluate(estimator, small_data("test", 30), root="mean-limbs")


def test_a_truncated_file_is_refused(estimator, tmp_path):
    path = tmp_path / "weights.safetensors"
    estimator.save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="not a readable safetensors file"):
        Estimator.load(path)


def test_weights_of_another_network_are_refused(estimator, tmp_path):
    path = tmp_path / "weights.safetensors"
    other = Estimator.untrained(replace(NETWORK, features=32))
    header = {"config": json.dumps(NETWORK.to_json()), "card": "{}"}
    save_file({k: v.contiguous() for k, v in other.model.state_dict().items()}, path, header)
    with pytest.raises(ValueError, match="weights of another network: tensor"):
        Estimator.load(path)
    deeper = Estimator.untrained(replace(NETWORK, z_bins=(1, 2, 8)))
    save_file({k: v.contiguous() for k, v in deeper.model.state_dict().items()}, path, header)
    with pytest.raises(ValueError, match="weights of another network: the file has an unknown"):
        Estimator.load(path)
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match="not the weights of a volpose network"):
        Estimator.load(path)


def test_a_missing_file_or_name_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such weights file"):
        Estimator.load(tmp_path / "absent.safetensors")
    with pytest.raises(FileNotFoundError, match="neither a shipped network"):
        pretrained.load("studio-huge")


def test_nothing_half_written_is_left(estimator, tmp_path, monkeypatch):
    path = tmp_path / "weights.safetensors"
    path.write_text("old")

    def full_disk(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr("volpose.storage.save_file", full_disk)
    with pytest.raises(OSError, match="No space left"):
        estimator.save(path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["weights.safetensors"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "transformer"}, "network kind must be one of"),
        ({"skeleton": "h36m18"}, "skeleton must be one of"),
        ({"image_size": 100}, "image_size must be a multiple of 16"),
    ],
)
def test_impossible_networks_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(NETWORK, **change)


def test_a_configuration_with_unknown_entries_is_refused():
    values = NETWORK.to_json()
    assert NetworkConfig.from_json(values) == NETWORK
    with pytest.raises(ValueError, match=r"missing or unknown entries \['color'\]"):
        NetworkConfig.from_json(values | {"color": 1})


def test_bf16_convolutions_predict_nearly_the_same():
    estimator = Estimator.untrained(NETWORK)
    images = studio_batch().image[:4]
    half = estimator.at_precision("bf16")
    assert next(half.model.parameters()).dtype == torch.bfloat16
    assert next(estimator.model.parameters()).dtype == torch.float32
    exact, near = estimator.volume(images), half.volume(images)
    assert near.dtype == torch.float32
    assert 0 < (near - exact).abs().max() < 0.05 * exact.abs().max()
    assert estimator.at_precision("fp32") is estimator
    with pytest.raises(ValueError, match="rounded for prediction"):
        half.save("never.safetensors")


@pytest.mark.parametrize("kind", ["coarse-to-fine", "coordinate", "decoupled"])
def test_a_folded_batch_norm_does_what_it_did(kind, monkeypatch):
    config = replace(NETWORK, kind=kind, z_bins=(1, 8))
    model, images = config.build(), torch.rand(2, 3, config.image_size, config.image_size)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                nn.init.uniform_(tensor, 0.5, 1.5)
    expected = model.eval()(images)
    monkeypatch.setattr(torch, "bfloat16", torch.float32)  # folding alone, no rounding
    folded = convolve_in_bf16(copy.deepcopy(model))
    norms = [sum(isinstance(m, nn.BatchNorm2d) for m in net.modules()) for net in (model, folded)]
    assert norms[1] < norms[0] / 2
    torch.testing.assert_close(folded(images), expected, rtol=1e-4, atol=1e-5)
