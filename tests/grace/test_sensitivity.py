"""Regions: which blocks belong to them, how much they matter, and the level that follows."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from grace import coefficient_gradients  # noqa: E402
from grace.sensitivity import block_regions, nearest_levels, region_rho, region_sums  # noqa: E402


def test_block_regions_444():
    luma, cb, cr = block_regions(8 * 7, 8 * 8, "444", 3)
    assert luma.shape == (7, 8)
    assert luma.max() == 8 and luma[0].tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    assert luma[:, 0].tolist() == [0, 0, 0, 3, 3, 3, 6]
    np.testing.assert_array_equal(luma, cb)
    np.testing.assert_array_equal(luma, cr)


def test_block_regions_420():
    # 45 x 60 luma blocks, 46 x 60 coded; chroma 23 x 30; map 15 x 20.
    luma, cb, _ = block_regions(360, 480, "420", 3)
    assert luma.shape == (46, 60) and cb.shape == (23, 30)
    assert luma[45].tolist() == luma[44].tolist()
    # Chroma block x covers luma samples 16 x .. 16 x + 15, with its centre at 16 x + 8.
    assert cb[0].tolist() == [min((16 * x + 8) // 24, 19) for x in range(30)]
    assert (cb[:, 0] // 20).tolist() == [min((16 * y + 8) // 24, 14) for y in range(23)]


def test_block_regions_of_a_tiny_picture():
    for part in block_regions(1, 1, "420", 8):
        assert (part == 0).all()


@pytest.mark.parametrize("subsampling", ["444", "422", "420"])
def test_region_sums(toy, picture, subsampling):
    found = coefficient_gradients(toy, picture(57, 70), subsampling=subsampling)
    regions = region_sums(found, 3)
    assert regions.sums.shape == (3, 3, 3, 8, 8) and regions.blocks.shape == (3, 3, 3)
    assert regions.coefficients == found.coefficients
    for component, plane in enumerate(found.planes):
        total = regions.sums[:, :, component].sum((0, 1))
        np.testing.assert_allclose(total, np.abs(plane).sum((0, 1)), rtol=1e-5)
    first = np.abs(found.planes[0][:3, :3]).sum((0, 1))
    np.testing.assert_allclose(regions.sums[0, 0, 0], first, rtol=1e-5)


def test_costs_and_dues(toy, picture):
    found = coefficient_gradients(toy, picture(57, 70), subsampling="420")
    regions = region_sums(found, 3)
    steps = np.random.default_rng(0).integers(1, 99, (5, 3, 8, 8)).astype(np.uint16)
    costs = regions.costs(steps)
    assert costs.shape == (3, 3, 5)
    expected = sum(
        (np.abs(plane) * steps[2, component]).sum(dtype=np.float64) / 2
        for component, plane in enumerate(found.planes)
    )
    assert costs[..., 2].sum() == pytest.approx(expected, rel=1e-5)
    dues = regions.dues(7.0)
    assert dues.sum() == pytest.approx(7)
    # Region 0: 9 luma blocks and 1 block (centre at 8; the next is at 24) of each chroma.
    assert dues[0, 0] == pytest.approx(7 * 64 * (9 + 1 + 1) / found.coefficients)


def test_grey_regions(toy, picture):
    found = coefficient_gradients(toy, picture(48, 48)[..., 0], subsampling="grey")
    regions = region_sums(found)
    assert regions.sums.shape == (2, 2, 1, 8, 8)
    assert regions.costs(np.ones((4, 3, 8, 8))).shape == (2, 2, 4)


def test_rho_is_one_on_average(toy, picture):
    found = coefficient_gradients(toy, picture(48, 72))
    mean = found.mean_magnitude()
    rho = region_rho(found, mean, found.coefficients)
    assert rho.shape == (2, 3) and rho.mean() == pytest.approx(1)
    # By hand, for one region.
    blocks = [np.abs(plane[3:6, 3:6]) / mean[c] for c, plane in enumerate(found.planes)]
    assert rho[1, 1] == pytest.approx(np.mean(blocks), rel=1e-5)


def test_rho_does_not_depend_on_the_size_of_the_tables_pictures(toy, picture):
    found = coefficient_gradients(toy, picture(48, 72))
    mean = found.mean_magnitude()
    np.testing.assert_allclose(
        region_rho(found, mean / 10, 10 * found.coefficients),
        region_rho(found, mean, found.coefficients),
    )


def test_nearest_levels():
    budgets = np.array([1.0, 2, 4, 8])
    rho = np.array([4.0, 2.0, 1.0, 0.5, 0.0, 1e-30, 1e9])
    found = nearest_levels(rho[:, None] * budgets, np.full(7, 4.0))
    assert found.dtype == np.uint8
    assert found.tolist() == [0, 1, 2, 3, 3, 3, 0]
    # 6 lies as near to 4 as to 8: the finer.
    assert nearest_levels(budgets, np.float64(6)) == 2


def test_distance_is_linear():
    # 5.8 is nearer to 4 than to 8 linearly, but not on a logarithmic scale.
    assert nearest_levels(np.array([[4.0, 8]]) / 5.8, np.array([1.0])).tolist() == [0]


def test_errors(toy, picture):
    with pytest.raises(ValueError, match=r"region_blocks must be 1..8"):
        block_regions(8, 8, "444", 9)
