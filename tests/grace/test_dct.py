"""Every linear step against a reference, and every adjoint against its map."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.fft

torch = pytest.importorskip("torch")

from grace import dct  # noqa: E402
from grace.geometry import geometry  # noqa: E402

SIZES = [(1, 1), (1, 2), (2, 1), (5, 3), (7, 8), (16, 16), (17, 31), (24, 40)]


def tensor(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_block_dct_is_scipys_orthonormal_dct():
    plane = tensor(3, 24, 40)
    found = dct.block_dct(plane)
    assert found.shape == (3, 3, 5, 8, 8)
    for c in range(3):
        for y in range(3):
            for x in range(5):
                block = plane[c, 8 * y : 8 * y + 8, 8 * x : 8 * x + 8].numpy()
                expected = scipy.fft.dctn(block, norm="ortho")
                np.testing.assert_allclose(found[c, y, x], expected, atol=1e-12)


def test_block_idct_inverts():
    plane = tensor(16, 32)
    torch.testing.assert_close(dct.block_idct(dct.block_dct(plane)), plane)


def test_dc_is_eight_times_the_mean():
    assert dct.block_dct(torch.full((8, 8), 3.0))[0, 0, 0, 0] == pytest.approx(24)


def test_dct_refuses_ragged_sides():
    with pytest.raises(ValueError, match="multiples of 8, got 9x8"):
        dct.block_dct(torch.zeros(9, 8))
    with pytest.raises(ValueError, match="by, bx, 8, 8"):
        dct.block_idct(torch.zeros(8, 8))


def test_colour_is_t81():
    grey = torch.full((3, 2, 2), 200.0, dtype=torch.float64)
    torch.testing.assert_close(dct.rgb_to_ycc(grey)[:, 0, 0], torch.tensor([72.0, 0, 0]).double())
    unit = dct.ycc_to_rgb(torch.eye(3, dtype=torch.float64)[:, :, None]) - 128
    np.testing.assert_allclose(
        unit[..., 0], [[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]], atol=5e-7
    )
    rgb = tensor(3, 4, 5)
    torch.testing.assert_close(dct.ycc_to_rgb(dct.rgb_to_ycc(rgb)), rgb)


def test_colour_adjoint():
    x, y = tensor(3, 6, 7, seed=1), tensor(3, 6, 7, seed=2)
    mapped = dct.ycc_to_rgb(x) - 128
    torch.testing.assert_close((mapped * y).sum(), (x * dct.ycc_adjoint(y)).sum())


@pytest.mark.parametrize("height,width", SIZES)
@pytest.mark.parametrize("across,down", [(1, 1), (2, 1), (1, 2), (2, 2)])
def test_upsampling_adjoint(height, width, across, down):
    x = tensor(-(-height // down), -(-width // across), seed=1)
    y = tensor(height, width, seed=2)
    mapped = dct.upsample(x, across, down, height, width)
    assert mapped.shape == y.shape
    back = dct.upsample_adjoint(y, across, down)
    assert back.shape == x.shape
    torch.testing.assert_close((mapped * y).sum(), (x * back).sum())


def test_upsampling_is_the_triangle_filter():
    row = torch.tensor([[0.0, 4, 8, 40]])
    found = dct.upsample(row, 2, 1, 1, 8)[0].tolist()
    assert found == [0, 1, 3, 5, 7, 16, 32, 40]


def test_downsampling_averages_with_a_replicated_edge():
    found = dct.downsample(torch.tensor([[1.0, 2, 3], [5, 6, 7], [9, 10, 11]]), 2, 2)
    assert found.tolist() == [[3.5, 5], [9.5, 11]]


@pytest.mark.parametrize(
    "size,subsampling,sizes,blocks",
    [
        ((360, 480), "444", [(360, 480)] * 3, [(45, 60)] * 3),
        ((360, 480), "420", [(360, 480)] + [(180, 240)] * 2, [(46, 60)] + [(23, 30)] * 2),
        ((9, 17), "422", [(9, 17)] + [(9, 9)] * 2, [(2, 4)] + [(2, 2)] * 2),
        ((1, 1), "420", [(1, 1)] * 3, [(2, 2), (1, 1), (1, 1)]),
        ((10, 10), "grey", [(10, 10)], [(2, 2)]),
    ],
)
def test_geometry(size, subsampling, sizes, blocks):
    found = geometry(*size, subsampling)
    assert list(found.sizes) == sizes
    assert list(found.blocks) == blocks
    assert found.coefficients == sum(64 * a * b for a, b in blocks)


def test_geometry_refuses():
    with pytest.raises(ValueError, match=r"subsampling must be one of.*'411'"):
        geometry(8, 8, "411")
    with pytest.raises(ValueError, match="1x1"):
        geometry(0, 8)


@pytest.mark.parametrize("subsampling", ["444", "422", "420", "grey"])
def test_picture_round_trip(subsampling):
    # Constant chroma survives subsampling, so the float codec must give the picture back.
    luma = torch.rand(19, 29, dtype=torch.float64) * 100
    rgb = luma + (0 if subsampling == "grey" else torch.tensor([30.0, 60, 90])[:, None, None])
    rgb = rgb.expand(3, 19, 29).clone()
    parts = dct.picture_coefficients(rgb, subsampling)
    assert [p.shape[:2] for p in parts] == list(geometry(19, 29, subsampling).blocks)
    torch.testing.assert_close(dct.picture_from_coefficients(parts, 19, 29, subsampling), rgb)
