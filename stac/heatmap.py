"""Pictures of what the encoder saw and chose: `--heatmap` and `--levels`.

Pillow and numpy only, so that they work wherever stac-decode does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

__all__ = ["colour_map", "draw_heatmap", "draw_levels", "region_colours"]

SKIP = 255

_PAPER = (255, 255, 255)
_INK = (28, 32, 38)
_FAINT = (112, 120, 130)
_RULE = (222, 226, 231)
_SKIP_COLOUR = (236, 238, 240)

# Anchors of two perceptual maps (dark to bright, even steps of lightness), mixed linearly between.
_ANCHORS = {
    # Sensitivity: black - purple - orange - pale yellow.
    "magma": (
        (4, 4, 12), (28, 16, 68), (79, 18, 123), (129, 37, 129), (181, 54, 122),
        (229, 80, 100), (251, 135, 97), (254, 194, 135), (252, 253, 191),
    ),
    # Levels: dark blue - green - yellow.
    "viridis": (
        (68, 1, 84), (71, 44, 122), (59, 81, 139), (44, 113, 142), (33, 144, 141),
        (39, 173, 129), (92, 200, 99), (170, 220, 50), (253, 231, 37),
    ),
}  # fmt: skip


@lru_cache
def colour_map(name: str) -> np.ndarray:
    """A table of 256 colours, u8 ``[256, 3]``, from dark to bright.

    Parameters
    ----------
    name : {"magma", "viridis"}
    """
    anchors = np.array(_ANCHORS[name], np.float64)
    at = np.linspace(0, len(anchors) - 1, 256)
    table = np.stack([np.interp(at, np.arange(len(anchors)), channel) for channel in anchors.T], 1)
    table = np.rint(table).astype(np.uint8)
    table.setflags(write=False)
    return table


def _paint(values: np.ndarray, name: str) -> np.ndarray:
    """u8 [..., 3] for values in 0..1."""
    return colour_map(name)[np.rint(np.clip(values, 0, 1) * 255).astype(np.intp)]


def region_colours(level_map: np.ndarray, levels: int) -> np.ndarray:
    """The colour of each region: fine levels bright, coarse levels dark, SKIP pale grey.

    Parameters
    ----------
    level_map : numpy.ndarray
        u8 ``[rows, cols]``.
    levels : int
        L of the table set.

    Returns
    -------
    numpy.ndarray
        u8 ``[rows, cols, 3]``.
    """
    level_map = np.asarray(level_map)
    colours = _paint(1 - level_map / max(levels - 1, 1), "viridis")
    colours[level_map == SKIP] = _SKIP_COLOUR
    return colours


@dataclass(frozen=True)
class _View:
    """A picture of height x width pixels as it is shown: everything is drawn at this size only."""

    height: int
    width: int

    @property
    def size(self) -> tuple[int, int]:
        """Shown height and width: at most 480 wide and 1600 high, small pictures enlarged."""
        scale = (
            min(float(np.clip(self.width, 360, 480)), max(200.0, 560 * self.width / self.height)) / self.width
        )
        scale = min(scale, 1600 / self.height)
        return max(1, round(self.height * scale)), max(1, round(self.width * scale))

    def picture(self, picture: np.ndarray) -> np.ndarray:
        """u8 RGB at the shown size."""
        from PIL import Image

        height, width = self.size
        how = Image.Resampling.NEAREST if width > self.width else Image.Resampling.LANCZOS
        return np.asarray(Image.fromarray(picture).convert("RGB").resize((width, height), how))

    def pixels(self, values: np.ndarray, side: int = 1) -> np.ndarray:
        """Values of pixels, or of squares of `side` pixels, at the shown size, not mixed."""
        rows, cols = (
            np.minimum((np.arange(shown) + 0.5) * whole / shown // side, have - 1).astype(np.intp)
            for shown, whole, have in zip(self.size, (self.height, self.width), values.shape[:2], strict=True)
        )
        return values[rows[:, None], cols]


@lru_cache
def _font(size: float) -> object:
    from PIL import ImageFont

    return ImageFont.load_default(size)


# Of the keys below the panels, in units of _Style: distance, height of a bar or swatch, from a bar to
# the baseline of its words, lines.
_BELOW, _BAR, _TEXT, _LINE, _ROWS = 14, 15, 23, 27, 3


@dataclass(frozen=True)
class _Style:
    """Sizes that grow together with the panels; letters that survive being shown at half size."""

    unit: float

    @property
    def title(self) -> object:
        return _font(round(26 * self.unit, 1))

    @property
    def small(self) -> object:
        return _font(round(19 * self.unit, 1))

    def px(self, value: float) -> int:
        return max(1, round(value * self.unit))


def draw_levels(level_map: np.ndarray, levels: int, region_blocks: int, height: int, width: int) -> Image:
    """The level map in colour at the picture's size, with a key below it.

    Parameters
    ----------
    level_map : numpy.ndarray
        u8 ``[rows, cols]``; SKIP = 255 is drawn pale grey.
    levels, region_blocks : int
        L of the table set, and the side of a region in luma blocks.
    height, width : int
        Size of the picture in pixels.

    Returns
    -------
    PIL.Image.Image
    """
    panel = _View(height, width).pixels(region_colours(level_map, levels), 8 * region_blocks)
    return _sheet([_Panel("Levels", panel, lambda *a: _levels_key(*a, levels, level_map))])


def draw_heatmap(
    picture: np.ndarray,
    rho: np.ndarray,
    level_map: np.ndarray,
    labels: np.ndarray,
    *,
    levels: int,
    region_blocks: int,
    palette: np.ndarray,
    class_names: Sequence[str],
    caption: str = "",
) -> Image:
    """Picture, sensitivity, level map and labels side by side, each with its key.

    Parameters
    ----------
    picture : numpy.ndarray
        u8 ``[H, W, 3]`` or grey ``[H, W]``.
    rho : numpy.ndarray
        ``[rows, cols]`` sensitivity of each region, 1 = as the table set expects; drawn in octaves.
    level_map : numpy.ndarray
        u8 ``[rows, cols]``.
    labels : numpy.ndarray
        u8 ``[H, W]``.
    levels, region_blocks : int
    palette : numpy.ndarray
        u8 ``[K, 3]``.
    class_names : sequence of str
    caption : str
        Up to three lines below the picture.

    Returns
    -------
    PIL.Image.Image
    """
    labels = np.asarray(labels)
    view, side = _View(*labels.shape), 8 * region_blocks
    shown = view.picture(np.asarray(picture))
    grey = (shown @ np.array([0.299, 0.587, 0.114]))[..., None] / 255

    octaves = np.log2(np.maximum(rho, 2.0**-30))
    low, high = _octave_range(octaves)
    heat = view.pixels(_paint((octaves - low) / (high - low), "magma"), side)
    chosen = view.pixels(region_colours(level_map, levels), side)
    # A breath of the picture shows what the colours lie on.
    heat = heat * (0.72 + 0.28 * grey) + 14 * grey
    chosen = chosen * (0.8 + 0.2 * grey)
    label = view.pixels(labels)
    overlay = 0.62 * np.asarray(palette)[np.minimum(label, len(palette) - 1)] + 0.38 * 255 * grey
    edge = np.zeros(label.shape, bool)
    edge[:, 1:] |= label[:, 1:] != label[:, :-1]
    edge[1:] |= label[1:] != label[:-1]
    overlay[edge] = 0.45 * overlay[edge] + 0.55 * 255

    counts = np.bincount(labels.ravel(), minlength=len(palette))[: len(palette)]
    present = [int(k) for k in np.argsort(-counts, kind="stable") if counts[k]]
    return _sheet(
        [
            _Panel("Picture", shown, lambda *a: _text_key(*a, caption)),
            _Panel("Sensitivity", heat, lambda *a: _octave_key(*a, low, high)),
            _Panel("Levels", chosen, lambda *a: _levels_key(*a, levels, level_map)),
            _Panel("Labels", overlay, lambda *a: _labels_key(*a, present, palette, class_names)),
        ]
    )


def _octave_range(octaves: np.ndarray) -> tuple[int, int]:
    """Whole octaves around all but the outermost regions, at most ten of them."""
    low, high = np.floor(np.percentile(octaves, 2)), np.ceil(np.percentile(octaves, 99))
    high = max(high, low + 2)
    return int(max(low, high - 10)), int(high)


@dataclass(frozen=True)
class _Panel:
    title: str
    pixels: np.ndarray
    key: object  # (draw, style, x, y, width) -> None


def _sheet(panels: list[_Panel]) -> Image:
    """Panels in a row on white paper: title, picture with a hairline, key."""
    from PIL import Image, ImageDraw

    height, width = panels[0].pixels.shape[:2]
    room = max(width, 200)  # for words below narrow pictures
    style = _Style(max(room / 480, 0.7))
    margin, gap, head = style.px(24), style.px(22), style.px(36)
    foot = style.px(_BELOW + (_ROWS - 1) * _LINE + _BAR)
    sheet_width = 2 * margin + len(panels) * room + (len(panels) - 1) * gap
    sheet = Image.new("RGB", (sheet_width, margin + head + height + foot + margin), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for index, panel in enumerate(panels):
        x, y = margin + index * (room + gap), margin + head
        pixels = np.rint(np.clip(panel.pixels, 0, 255)).astype(np.uint8)
        sheet.paste(Image.fromarray(pixels), (x, y))
        draw.rectangle((x - 1, y - 1, x + width, y + height), outline=_RULE)
        draw.text((x, y - style.px(10)), panel.title, _INK, style.title, anchor="ls")
        panel.key(draw, style, x, y + height + style.px(_BELOW), room)
    return sheet


def _text_key(draw: ImageDraw, style: _Style, x: int, y: int, width: int, text: str) -> None:
    lines: list[str] = []
    for given in text.split("\n"):
        lines.append("")
        for word in given.split():
            longer = f"{lines[-1]} {word}".strip()
            if lines[-1] and draw.textlength(longer, style.small) > width:
                lines.append(word)
            else:
                lines[-1] = longer
    for row, text_row in enumerate(lines[:_ROWS]):
        draw.text((x, y + style.px(_BAR + row * _LINE)), text_row, _FAINT, style.small, anchor="ls")


def _octave_key(draw: ImageDraw, style: _Style, x: int, y: int, width: int, low: int, high: int) -> None:
    bar = style.px(_BAR)
    for column in range(width):
        colour = tuple(int(v) for v in _paint(np.float64(column / max(width - 1, 1)), "magma"))
        draw.line((x + column, y, x + column, y + bar), fill=colour)
    # Ticks at whole octaves, thinned until the words fit.
    step = next(s for s in (1, 2, 4, 8, 16) if (high - low) / s <= 5)
    for octave in range(low, high + 1):
        if octave % step:
            continue
        at = x + round((octave - low) / (high - low) * (width - 1))
        text = f"{2**octave}x" if octave >= 0 else f"1/{2**-octave}x"
        half = draw.textlength(text, style.small) / 2
        at_text = min(max(at, x + half), x + width - half)
        draw.line((at, y + bar, at, y + bar + style.px(5)), fill=_FAINT)
        draw.text((at_text, y + bar + style.px(_TEXT)), text, _FAINT, style.small, anchor="ms")


def _levels_key(
    draw: ImageDraw, style: _Style, x: int, y: int, width: int, levels: int, level_map: np.ndarray
) -> None:
    counts = np.bincount(np.asarray(level_map).ravel(), minlength=256)
    colours = region_colours(np.arange(levels, dtype=np.uint8)[None], levels)[0]
    skipped = bool(counts[SKIP]) and levels <= SKIP
    bar = style.px(_BAR)
    room = width - (style.px(70) if skipped else 0)
    for level in range(levels):
        left, right = (x + round(room * (level + k) / levels) for k in (0, 1))
        used = bool(counts[level])
        # Levels that no region has are drawn as an outline only.
        box = (left, y, right - style.px(2), y + bar)
        colour = tuple(int(v) for v in colours[level])
        draw.rectangle(box, fill=colour if used else None, outline=colour)
    if skipped:
        draw.rectangle((x + room, y, x + width - 1, y + bar), fill=_SKIP_COLOUR, outline=_RULE)
        draw.text((x + width, y + bar + style.px(_TEXT)), "skip", _FAINT, style.small, anchor="rs")
    below = y + bar + style.px(_TEXT)
    draw.text((x, below), "0  fine", _FAINT, style.small, anchor="ls")
    if levels > 1:
        draw.text((x + room, below), f"coarse  {levels - 1}", _FAINT, style.small, anchor="rs")


def _labels_key(
    draw: ImageDraw, style: _Style, x: int, y: int, width: int, present: list[int], palette: np.ndarray,
    names: Sequence[str],
) -> None:  # fmt: skip
    """Swatches with names, commonest class first; what does not fit in the rows is left out."""
    box, space = style.px(_BAR), style.px(14)
    at, row = x, 0
    for count, label in enumerate(present):
        need = box + style.px(6) + draw.textlength(names[label], style.small)
        more = row == _ROWS - 1 and count < len(present) - 1
        room = x + width - (draw.textlength("...", style.small) + space if more else 0)
        if at + need > room and at > x:
            if row == _ROWS - 1:
                draw.text((at, y + style.px(row * _LINE) + box), "...", _FAINT, style.small, anchor="ls")
                return
            at, row = x, row + 1
        top = y + style.px(row * _LINE) * (row > 0)
        colour = tuple(int(v) for v in palette[label])
        draw.rectangle((at, top, at + box, top + box), fill=colour, outline=_RULE)
        draw.text((at + box + style.px(6), top + box), names[label], _FAINT, style.small, anchor="ls")
        at += round(need + space)
