"""Gradients against autograd through an explicit decoder, against finite differences, and tiled."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from grace import coefficient_gradients  # noqa: E402
from grace.dct import picture_coefficients, picture_from_coefficients  # noqa: E402
from grace.geometry import geometry  # noqa: E402
from grace.tiles import cut  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
SIZES = [(24, 40), (17, 31), (8, 8), (9, 23)]


def explicit(model, parts, size, subsampling, target):
    rgb = picture_from_coefficients(parts, *size, subsampling)
    return torch.nn.functional.cross_entropy(model(rgb[None]), target)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("subsampling", ["444", "422", "420", "grey"])
def test_equals_autograd_through_an_explicit_decoder(toy, picture, size, subsampling):
    # Work at a picture the float decoder reproduces, so that both see the same input.
    rgb = torch.from_numpy(picture(*size).transpose(2, 0, 1).copy()).double()
    parts = picture_coefficients(rgb, subsampling)
    image = picture_from_coefficients(parts, *size, subsampling)
    target = toy(image[None]).argmax(1)
    parts = [part.clone().requires_grad_(True) for part in parts]
    loss = explicit(toy, parts, size, subsampling, target)
    loss.backward()

    found = coefficient_gradients(toy, image.numpy().transpose(1, 2, 0), subsampling=subsampling)
    assert found.loss == pytest.approx(loss.item(), rel=1e-5)
    assert (found.height, found.width, found.subsampling) == (*size, subsampling)
    np.testing.assert_array_equal(found.labels, target[0].numpy())
    assert found.coefficients == geometry(*size, subsampling).coefficients
    for ours, part in zip(found.planes, parts, strict=True):
        assert ours.dtype == np.float32
        exact = part.grad.numpy()
        assert np.abs(ours - exact).max() <= 1e-4 * np.abs(exact).max()
        assert np.linalg.norm(ours - exact) <= 1e-5 * np.linalg.norm(exact)


@pytest.mark.parametrize("subsampling", ["444", "420"])
def test_equals_finite_differences(toy, picture, subsampling):
    size = (17, 20)
    rgb = torch.from_numpy(picture(*size, seed=3).transpose(2, 0, 1).copy()).double()
    parts = picture_coefficients(rgb, subsampling)
    image = picture_from_coefficients(parts, *size, subsampling)
    target = toy(image[None]).argmax(1)
    found = coefficient_gradients(toy, image.numpy().transpose(1, 2, 0), subsampling=subsampling)
    rng = np.random.default_rng(5)
    step = 1e-3
    for component, plane in enumerate(found.planes):
        scale = np.abs(plane).max()
        for _ in range(12):
            at = tuple(int(rng.integers(side)) for side in plane.shape)
            ends = []
            for sign in (1, -1):
                moved = [part.clone() for part in parts]
                moved[component][at] += sign * step
                ends.append(explicit(toy, moved, size, subsampling, target).item())
            assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(
                float(plane[at]), rel=1e-3, abs=1e-5 * float(scale)
            )


def test_padding_has_no_gradient(toy, picture):
    found = coefficient_gradients(toy, picture(16, 16), subsampling="420")
    assert all(plane.any() for plane in found.planes)
    found = coefficient_gradients(toy, picture(8, 8), subsampling="420")
    luma = found.planes[0]
    assert luma.shape == (2, 2, 8, 8) and luma[0, 0].any()
    assert not luma[1].any() and not luma[0, 1].any()


def test_given_labels_and_ignored_pixels(toy, picture):
    image = picture(16, 24)
    labels = np.random.default_rng(0).integers(0, 4, (16, 24))
    labels[:, 12:] = 9
    found = coefficient_gradients(toy, image, labels=labels, ignore_label=9)
    rgb = torch.from_numpy(image.transpose(2, 0, 1)[None].copy()).double()
    logits = toy(rgb)
    loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels)[None], ignore_index=9)
    assert found.loss == pytest.approx(float(loss), rel=1e-6)
    # Seven pixels of context reach 3 columns past the last counted one, so block 2 is out of reach.
    assert found.planes[0][:, 1].any() and not found.planes[0][:, 2].any()
    np.testing.assert_array_equal(found.labels, logits.argmax(1)[0].numpy())
    toy.ignore_label = 9
    again = coefficient_gradients(toy, image, labels=labels.astype(np.uint8))
    np.testing.assert_array_equal(again.planes[0], found.planes[0])


def test_does_not_touch_the_networks_parameters(toy, picture):
    coefficient_gradients(toy, picture(8, 8))
    assert all(parameter.grad is None for parameter in toy.parameters())


@pytest.mark.parametrize("subsampling", ["444", "420"])
@pytest.mark.parametrize("given", [False, True])
def test_tiled_equals_whole(toy, picture, subsampling, given):
    image = picture(150, 171, seed=1)
    labels = np.random.default_rng(1).integers(0, 4, (150, 171)) if given else None
    whole = coefficient_gradients(toy, image, labels=labels, subsampling=subsampling)
    tiled = coefficient_gradients(
        toy, image, labels=labels, subsampling=subsampling, tile=(64, 96), overlap=32
    )
    assert tiled.loss == pytest.approx(whole.loss, rel=1e-6)
    np.testing.assert_array_equal(tiled.labels, whole.labels)
    for a, b in zip(tiled.planes, whole.planes, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6 * np.abs(b).max())


def test_large_pictures_are_tiled_by_themselves(picture):
    seen = []

    class Spy(torch.nn.Module):
        def forward(self, x):
            seen.append(tuple(x.shape[2:]))
            return torch.cat((x[:, :1], x[:, 1:2] * 1.01), 1)

    image = np.zeros((1100, 1500, 3), np.uint8)  # 1.65 megapixels
    coefficient_gradients(Spy().eval(), image)
    assert len(seen) == 4 and max(h * w for h, w in seen) < 1_200_000


@pytest.mark.parametrize("size", [(1, 1), (31, 33), (64, 65), (129, 300)])
@pytest.mark.parametrize("overlap", [0, 32])
def test_tiles_cover_once(size, overlap):
    count = np.zeros(size, int)
    for tile in cut(*size, (64, 96), overlap):
        count[tile.core_rows.slice, tile.core_columns.slice] += 1
        for seen, core, length in zip(tile[:2], tile[2:], size, strict=True):
            assert seen.start == max(core.start - overlap, 0)
            assert seen.stop == min(core.stop + overlap, length)
            assert seen.start % 32 == 0
    assert (count == 1).all()


def test_errors(toy, picture):
    image = picture(16, 16)
    with pytest.raises(TypeError, match="image must be uint8 or float"):
        coefficient_gradients(toy, image.astype(np.int16))
    with pytest.raises(ValueError, match=r"RGB \[H, W, 3\]"):
        coefficient_gradients(toy, image[..., :2])
    with pytest.raises(ValueError, match='takes subsampling="grey"'):
        coefficient_gradients(toy, image[..., 0])
    with pytest.raises(ValueError, match="subsampling must be one of"):
        coefficient_gradients(toy, image, subsampling="411")
    with pytest.raises(ValueError, match=r"labels are \[8, 8\] but the image is \[16, 16\]"):
        coefficient_gradients(toy, image, labels=np.zeros((8, 8), int))
    with pytest.raises(ValueError, match=r"labels hold 4, outside 0..3"):
        coefficient_gradients(toy, image, labels=np.full((16, 16), 4))
    with pytest.raises(ValueError, match="nothing but the ignored label 2"):
        coefficient_gradients(toy, image, labels=np.full((16, 16), 2), ignore_label=2)
    with pytest.raises(ValueError, match="multiples of 32"):
        coefficient_gradients(toy, image, tile=40)
    with pytest.raises(ValueError, match="training mode"):
        coefficient_gradients(toy.train(), image)
    with pytest.raises(ValueError, match="autograd"):
        coefficient_gradients(lambda x: torch.zeros(1, 4, 16, 16), image)
    with pytest.raises(ValueError, match="at the input's size"):
        coefficient_gradients(lambda x: x[..., ::2], image)


def test_grey_picture_is_seen_as_rgb(toy, picture):
    grey = picture(16, 16)[..., 0]
    one = coefficient_gradients(toy, grey, subsampling="grey")
    three = coefficient_gradients(toy, np.stack([grey] * 3, -1), subsampling="444")
    assert len(one.planes) == 1
    np.testing.assert_array_equal(one.planes[0], three.planes[0])


def test_mean_magnitude(toy, picture):
    found = coefficient_gradients(toy, picture(16, 24), subsampling="420")
    mean = found.mean_magnitude()
    assert mean.shape == (3, 8, 8) and mean.dtype == np.float64
    np.testing.assert_allclose(mean[1], np.abs(found.planes[1]).mean((0, 1)), rtol=1e-6)


@pytest.mark.slow
def test_memory_of_a_large_picture():
    # In a process of its own, since a peak never goes down again.
    code = """
import resource, numpy as np, torch
from rdct.vision.models.bisenet import CompactBiSeNet
from grace import coefficient_gradients
model = CompactBiSeNet(11).eval().fuse().requires_grad_(False)
rows = np.arange(2048, dtype=np.uint8)[:, None, None]
image = np.broadcast_to(rows, (2048, 4096, 3))
coefficient_gradients(model, image)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 2000
