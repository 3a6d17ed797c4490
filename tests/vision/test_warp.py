"""Warps against shifts worked out by hand, and the compiled loops against the plain ones."""

from __future__ import annotations

import math
import threading
from itertools import chain

import numba
import numpy as np
import pytest
from numba.core import caching

from rdct.vision import bands, metrics
from rdct.vision.compiled import compiled
from rdct.vision.flow import FlowAccumulator, FlowField
from rdct.vision.warp import (
    warp_image,
    warp_image_reference,
    warp_labels,
    warp_labels_reference,
    warp_psnr,
    warp_psnr_reference,
)

SHAPES = [(1, 1), (5, 7), (33, 50), (64, 96), (200, 61)]
STRIDES = [1, 2, 4, 8, 16, 64]


def random_picture(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)


def constant(shape, stride, dx, dy):
    still = FlowField.identity(shape, stride)
    return FlowField(still.values + np.float32([dx, dy]), stride, shape)


def shifted(array, dx, dy):
    """What `array` shows at x + (dx, dy), the border repeated."""
    height, width = array.shape[:2]
    rows = np.clip(np.arange(height) + dy, 0, height - 1)
    return array[rows][:, np.clip(np.arange(width) + dx, 0, width - 1)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("spread", [0.3, 6, 300])
def test_the_compiled_loops_are_the_plain_ones(shape, stride, spread):
    rng = np.random.default_rng(stride)
    values = FlowField.identity(shape, stride).values.shape
    flow = FlowField(rng.normal(0, spread, values), stride, shape)
    valid = rng.random(values[:2]) < 0.8
    keyframe, frame = random_picture(shape), random_picture(shape, 1)
    assert np.array_equal(warp_image(keyframe, flow, valid), warp_image_reference(keyframe, flow, valid))
    labels = keyframe[..., 0]
    assert np.array_equal(warp_labels(labels, flow, valid), warp_labels_reference(labels, flow, valid))
    psnr = warp_psnr(keyframe, frame, flow, valid)
    assert psnr == warp_psnr_reference(keyframe, frame, flow, valid)
    assert psnr == pytest.approx(metrics.psnr(warp_image(keyframe, flow, valid), frame), abs=1e-9)


@pytest.mark.parametrize("stride", STRIDES)
def test_identity_changes_nothing(stride):
    picture = random_picture((75, 90))
    still = FlowField.identity((75, 90), stride)
    assert np.array_equal(warp_image(picture, still), picture)
    assert np.array_equal(warp_labels(picture[..., 1], still), picture[..., 1])
    assert warp_psnr(picture, picture, still) == math.inf


@pytest.mark.parametrize(("dx", "dy"), [(3, 0), (-9, 5), (0, -40), (200, 1)])
def test_whole_pixels_are_a_shift(dx, dy):
    picture = random_picture((48, 72))
    flow = constant((48, 72), 8, dx, dy)
    assert np.array_equal(warp_image(picture, flow), shifted(picture, dx, dy))
    assert np.array_equal(warp_labels(picture[..., 2], flow), shifted(picture[..., 2], dx, dy))
    assert warp_psnr(picture, shifted(picture, dx, dy), flow) == math.inf


def test_fractions_interpolate_and_round_half_up():
    picture = np.zeros((16, 16, 3), np.uint8)
    picture[:, 8:] = 101
    assert warp_image(picture, constant((16, 16), 8, 0.5, 0))[3, 7].tolist() == [51] * 3
    assert warp_image(picture, constant((16, 16), 8, 0.25, 0))[3, 7].tolist() == [25] * 3
    assert warp_image(picture, constant((16, 16), 8, -0.25, 0))[3, 8].tolist() == [76] * 3
    # A hundredth of a pixel is below 1/64 and rounds to none.
    assert np.array_equal(warp_image(picture, constant((16, 16), 8, 0.01, 0.01)), picture)
    labels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(warp_labels(labels, constant((16, 16), 8, 0.5, 0)), shifted(labels, 1, 0))
    assert np.array_equal(warp_labels(labels, constant((16, 16), 8, 0.45, -0.5)), labels)


def test_a_zoom_takes_labels_along():
    """Driving 10 % closer: edges end up where geometry says, within half a cell's worth of zoom."""
    shape, zoom, stride = (240, 320), 1.1, 8
    rows, columns = np.indices(shape)
    disc = lambda radius: ((columns - 159.5) ** 2 + (rows - 119.5) ** 2 < radius**2).astype(np.uint8)  # noqa: E731
    x, y = np.meshgrid(np.arange(40), np.arange(30))
    away = np.stack([x, y], -1) * stride + 3.5 - [159.5, 119.5]
    warped = warp_labels(disc(80), FlowField((1 / zoom - 1) * away, stride, shape))
    assert np.array_equal(warped[disc(87) == 1], np.ones(disc(87).sum()))
    assert not warped[disc(89) == 0].any()


def test_what_came_in_shows_its_nearest_neighbour():
    """Turning left by 12 pixels a frame: new columns at the left repeat the first known one."""
    shape = (32, 96)
    labels = np.tile(np.arange(96, dtype=np.uint8), (32, 1))
    way = FlowAccumulator(shape, 4)
    for _ in range(2):
        way.add(constant(shape, 4, -12, 0))
    wanted = np.tile(np.maximum(np.arange(96) - 24, 0), (32, 1)).astype(np.uint8)
    # Cells are filled as wholes: the four columns of the nearest valid cell repeat.
    wanted[:, :24] = np.tile(np.arange(4), 6)
    assert np.array_equal(warp_labels(labels, way.flow, way.valid), wanted)
    assert np.array_equal(warp_labels(labels, way.filled), wanted)


def test_a_wiped_out_region_takes_what_is_nearest():
    shape = (32, 32)
    labels = np.zeros(shape, np.uint8)
    labels[:, 16:] = 9
    valid = np.ones((8, 8), bool)
    valid[2:5, 3:8] = False
    warped = warp_labels(labels, FlowField.identity(shape, 4), valid)
    assert set(np.unique(warped)) == {0, 9}
    assert np.array_equal(warped[:8], labels[:8]) and np.array_equal(warped[20:], labels[20:])
    assert (warped[8:12, 12:16] == 0).all() and (warped[8:12, 16:] == 9).all()


def test_psnr_is_over_all_samples_with_peak_255():
    shape = (40, 60)
    still = FlowField.identity(shape, 8)
    low, high = np.full((*shape, 3), 100, np.uint8), np.full((*shape, 3), 110, np.uint8)
    assert warp_psnr(low, high, still) == pytest.approx(10 * math.log10(255**2 / 100))
    one = low.copy()
    one[7, 9, 2] = 101
    assert warp_psnr(low, one, still) == pytest.approx(10 * math.log10(255**2 * 40 * 60 * 3))
    black, white = np.zeros((*shape, 3), np.uint8), np.full((*shape, 3), 255, np.uint8)
    assert warp_psnr(black, white, still) == 0.0


def test_threads_change_no_bit():
    shape = (389, 203)
    rng = np.random.default_rng(2)
    flow = FlowField(rng.normal(0, 9, FlowField.identity(shape, 8).values.shape), 8, shape)
    keyframe, frame = random_picture(shape), random_picture(shape, 1)
    psnrs = {warp_psnr(keyframe, frame, flow, threads=threads) for threads in (1, 2, 3, 7)}
    assert len(psnrs) == 1
    for threads in (2, 5):
        assert np.array_equal(
            warp_image(keyframe, flow, threads=threads), warp_image(keyframe, flow, threads=1)
        )


def test_two_threads_may_warp_at_once():
    shape = (389, 203)
    flow = constant(shape, 8, 2.5, 1)
    keyframe, frame = random_picture(shape), random_picture(shape, 1)
    wanted, found = warp_psnr(keyframe, frame, flow), []
    work = lambda: found.extend(warp_psnr(keyframe, frame, flow) for _ in range(20))  # noqa: E731
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [wanted] * 80


def test_a_view_of_a_larger_picture_will_do():
    large = random_picture((60, 80))
    flow = constant((40, 50), 8, 1, 2)
    view = large[5:45, 10:60]
    assert not view.flags.c_contiguous
    assert np.array_equal(warp_image(view, flow), warp_image(view.copy(), flow))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda f: warp_labels(np.zeros((8, 9), np.uint8), f), r"labels must be u8 \[8, 8\].*\[8, 9\]"),
        (lambda f: warp_labels(np.zeros((8, 8), np.int64), f), "labels must be u8.*int64"),
        (lambda f: warp_image(np.zeros((8, 8), np.uint8), f), r"image must be u8 \[8, 8, 3\]"),
        (lambda f: warp_psnr(np.zeros((8, 8, 3), np.uint8), np.zeros((4, 8, 3), np.uint8), f), "frame_image"),
        (lambda f: warp_labels(np.zeros((8, 8), np.uint8), f, threads=0), "threads must be at least 1"),
        (lambda f: warp_labels(np.zeros((8, 8), np.uint8), f, np.ones((8, 8), bool)), r"bool \[2, 2\]"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call(FlowField.identity((8, 8), 4))


def test_loops_compile_where_nothing_can_be_kept(monkeypatch):
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])

    def twice(value):
        return 2 * value

    with pytest.raises(RuntimeError, match="no locator"):
        numba.njit(cache=True)(twice)
    assert compiled(twice)(21) == 42


def test_bands_cover_all_rows_once_and_errors_come_through():
    rows = bands.in_bands(lambda start, stop: list(range(start, stop)), 500, 3)
    assert len(rows) == 3 and [*chain(*rows)] == [*range(500)]
    assert len(bands.in_bands(lambda start, stop: (start, stop), 100, 8)) == 1

    def fails_below(start, stop):
        if start:
            raise RuntimeError("below")

    with pytest.raises(RuntimeError, match="below"):
        bands.in_bands(fails_below, 500, 2)
