"""What --heatmap and --levels draw."""

from __future__ import annotations

import numpy as np
import pytest

from stac.heatmap import SKIP, colour_map, draw_heatmap, draw_levels, region_colours

NAMES = ("road", "sky", "a class of a rather long name", *(f"class {k}" for k in range(40)))
PALETTE = np.random.default_rng(0).integers(0, 256, (len(NAMES), 3), np.uint8)


def lightness(colours):
    """L* of CIELAB."""
    linear = (np.asarray(colours) / 255.0 + 0.055) / 1.055
    y = (linear**2.4) @ [0.2126, 0.7152, 0.0722]
    return 116 * np.cbrt(y) - 16


@pytest.mark.parametrize("name", ["magma", "viridis"])
def test_colour_maps_grow_evenly_lighter(name):
    steps = np.diff(lightness(colour_map(name))[8:])
    assert colour_map(name).shape == (256, 3)
    smooth = np.convolve(steps, np.ones(16) / 16, "valid")
    assert smooth.min() > 0.1
    assert smooth.max() < 0.8


def test_fine_levels_are_bright_and_skip_is_no_level():
    level_map = np.array([[0, 7, 15, SKIP]], np.uint8)
    fine, middle, coarse, skip = lightness(region_colours(level_map, 16)[0])
    assert fine > middle > coarse
    assert skip > 90
    assert region_colours(np.zeros((1, 1), np.uint8), 1).shape == (1, 1, 3)


def heatmap(height, width, regions=3, classes=4):
    rng = np.random.default_rng(1)
    shape = (-(-height // (8 * regions)), -(-width // (8 * regions)))
    return draw_heatmap(
        rng.integers(0, 256, (height, width, 3), np.uint8),
        rng.random(shape) * (rng.random(shape) > 0.2),
        rng.integers(0, 16, shape, np.uint8),
        rng.integers(0, classes, (height, width), np.uint8),
        levels=16,
        region_blocks=regions,
        palette=PALETTE,
        class_names=NAMES,
        caption="a line\nand one that is so long that it has to be broken to stay below its picture",
    )


@pytest.mark.parametrize(
    ("height", "width"),
    [(360, 480), (1, 1), (9, 300), (300, 9), (1, 60000), (60000, 1), (97, 131), (1080, 1920)],
)
def test_any_size_gives_four_panels(height, width):
    sheet = heatmap(height, width)
    assert sheet.mode == "RGB"
    assert 600 < sheet.width < 2400
    assert sheet.height < 1800
    # White paper all around.
    pixels = np.asarray(sheet)
    assert (pixels[:4] == 255).all()
    assert (pixels[-4:] == 255).all()
    assert (pixels[:, :4] == 255).all()
    assert (pixels[:, -4:] == 255).all()


def test_many_classes_fit():
    sheet = heatmap(120, 160, classes=len(NAMES))
    assert (np.asarray(sheet)[:, -4:] == 255).all()


def test_grey_picture():
    grey, level_map, labels = (np.full(size, 8, np.uint8) for size in ((24, 48), (1, 2), (24, 48)))
    options = {"levels": 16, "region_blocks": 3, "palette": PALETTE, "class_names": NAMES}
    sheet = draw_heatmap(grey, np.ones((1, 2)), level_map, labels, **options)
    assert sheet.width > 1000


def test_levels_are_drawn_in_their_colours():
    level_map = np.array([[0, 15], [8, SKIP]], np.uint8)
    sheet = np.asarray(draw_levels(level_map, 16, 3, 480, 480))
    wanted = region_colours(level_map, 16)
    colours = {tuple(int(v) for v in pixel) for pixel in sheet.reshape(-1, 3)}
    assert {tuple(int(v) for v in colour) for colour in wanted.reshape(-1, 3)} <= colours


def test_same_input_same_picture():
    assert heatmap(60, 80).tobytes() == heatmap(60, 80).tobytes()
