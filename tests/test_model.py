"""Networks: shapes for every row of Table 2, parameter counts, and what each half may see."""

import pytest
import torch

from volpose.decoupled import Decoupled
from volpose.model import (
    CoarseToFine,
    CoordinateRegression,
    Hourglass,
    check_z_bins,
    count_parameters,
)
from volpose.released import ReleasedCoarseToFine

TABLE_2 = [(64,), (64, 64), (64,) * 3, (64,) * 4, (1, 64), (8, 64), (1, 2, 64), (1, 4, 64)]
TABLE_2 += [(1, 2, 4, 64)]
SMALL = {"features": 16, "hourglass_depth": 2}


@pytest.mark.parametrize("z_bins", TABLE_2)
def test_one_volume_per_hourglass(z_bins):
    model = CoarseToFine(17, z_bins, **SMALL)
    volumes = model(torch.rand(2, 3, 32, 32))
    assert [tuple(v.shape) for v in volumes] == [(2, 17, d, 8, 8) for d in z_bins]


# millions of parameters of the full-size networks, spec of the released and of Newell's wiring
@pytest.mark.parametrize(
    ("z_bins", "uniform", "released"),
    [
        ((64,), 3.6, 13.8),
        ((1, 64), 6.7, 26.9),
        ((64, 64), None, 27.6),
        ((1, 2, 64), None, 40.2),
        ((1, 2, 4, 64), 12.9, 53.6),
        ((64,) * 4, 14.5, 55.9),
    ],
)
def test_parameter_counts(z_bins, uniform, released):
    with torch.device("meta"):
        if uniform is not None:
            millions = count_parameters(CoarseToFine(17, z_bins)) / 1e6
            assert round(millions, 1) == uniform
        assert round(count_parameters(ReleasedCoarseToFine(17, z_bins)) / 1e6, 1) == released


def test_two_coarse_to_fine_hourglasses_have_less_than_half_of_four_naive_ones():
    with torch.device("meta"):
        for network in (CoarseToFine, ReleasedCoarseToFine):
            two = count_parameters(network(17, (1, 64)))
            assert two < count_parameters(network(17, (64,) * 4)) / 2


def test_released_wiring_runs():
    volumes = ReleasedCoarseToFine(3, (1, 2, 4), features=8)(torch.rand(2, 3, 64, 64))
    assert [tuple(v.shape) for v in volumes] == [(2, 3, d, 16, 16) for d in (1, 2, 4)]


def test_channels_are_joint_major():
    model = CoarseToFine(3, (2,), **SMALL)
    torch.nn.init.zeros_(model.stages[0].head.weight)
    model.stages[0].head.bias.data = torch.arange(6.0)
    (volume,) = model(torch.rand(1, 3, 32, 32))
    assert volume[0, :, :, 0, 0].tolist() == [[0, 1], [2, 3], [4, 5]]


def test_an_untrained_network_predicts_almost_nothing():
    for volume in CoarseToFine(17, (1, 8), **SMALL)(torch.rand(2, 3, 32, 32)):
        assert volume.abs().max() < 0.1


def test_later_stages_see_earlier_volumes():
    model = CoarseToFine(3, (1, 4), **SMALL).eval()
    images = torch.rand(1, 3, 32, 32)
    before = model(images)[1]
    model.stages[0].head.bias.data += 1
    assert not torch.allclose(model(images)[1], before)


def test_the_second_half_of_the_decoupled_network_sees_heatmaps_only():
    model = Decoupled(5, (1, 8), **SMALL).eval()
    heatmaps, volume = model(torch.rand(2, 3, 32, 32))
    assert heatmaps.shape == (2, 5, 1, 8, 8)
    assert volume.shape == (2, 5, 8, 8, 8)
    torch.testing.assert_close(model.lift(heatmaps), volume)


@pytest.mark.parametrize("size", [8, 16, 64])
def test_coordinate_regression_gives_one_point_per_joint(size):
    model = CoordinateRegression(17, size, features=16, hourglass_depth=2)
    assert model(torch.rand(2, 3, 4 * size, 4 * size)).shape == (2, 17, 3)


def test_an_hourglass_keeps_the_resolution():
    x = torch.rand(1, 6, 16, 16)
    assert Hourglass(3, 6, 8, 10, residuals=3)(x).shape == (1, 10, 16, 16)


@pytest.mark.parametrize("z_bins", [(), (0, 64), (64, 1), (3, 64)])
def test_impossible_stacks_are_refused(z_bins):
    with pytest.raises(ValueError, match="z_bins must be positive, never decrease"):
        check_z_bins(z_bins)
    if z_bins:
        with pytest.raises(ValueError, match="z_bins"):
            CoarseToFine(17, z_bins, **SMALL)


def test_a_decoupled_network_needs_one_slice_first():
    with pytest.raises(ValueError, match=r"must be \(1, d\), got \(2, 64\)"):
        Decoupled(17, (2, 64), **SMALL)
