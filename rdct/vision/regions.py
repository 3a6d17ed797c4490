# SPDX-License-Identifier: Apache-2.0
"""Boxes in pictures: how two overlap, which say the same, and how well a list of them fits another."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

__all__ = ["Matches", "Region", "boxes_of", "deduplicate", "hulls", "iou", "match", "pairs"]


@dataclass(frozen=True, slots=True)
class Region:
    """A box in a picture.

    Attributes
    ----------
    x0, y0, x1, y1 : float
        Pixels, half-open: ``x0 <= x < x1``. Whole numbers are edges between pixels.
    score : float
        0..1.
    label : int
        Class, from 0; -1 for none.
    """

    x0: float
    y0: float
    x1: float
    y1: float
    score: float = 1.0
    label: int = -1

    def __post_init__(self) -> None:
        box = self.x0, self.y0, self.x1, self.y1
        if not all(map(math.isfinite, box)) or self.x0 > self.x1 or self.y0 > self.y1:
            raise ValueError(f"a region must have finite x0 <= x1 and y0 <= y1, got {box}")
        if not 0 <= self.score <= 1:
            raise ValueError(f"the score of a region must be 0..1, got {self.score}")

    @property
    def area(self) -> float:
        """Square pixels."""
        return (self.x1 - self.x0) * (self.y1 - self.y0)

    def clipped(self, size: tuple[int, int]) -> Region:
        """The part inside a picture of `size` (H, W); without area if there is none."""
        height, width = size
        x0, x1 = (min(max(x, 0.0), width) for x in (self.x0, self.x1))
        y0, y1 = (min(max(y, 0.0), height) for y in (self.y0, self.y1))
        return replace(self, x0=x0, y0=y0, x1=x1, y1=y1)

    def enlarged(self, ratio: float) -> Region:
        """Grown by `ratio` of its width and height on each side."""
        dx, dy = ratio * (self.x1 - self.x0), ratio * (self.y1 - self.y0)
        return replace(self, x0=self.x0 - dx, y0=self.y0 - dy, x1=self.x1 + dx, y1=self.y1 + dy)

    def resized(self, size: tuple[int, int], to: tuple[int, int]) -> Region:
        """The same region of a picture of `size` (H, W) after that was resized `to` another."""
        fy, fx = to[0] / size[0], to[1] / size[1]
        return replace(self, x0=self.x0 * fx, y0=self.y0 * fy, x1=self.x1 * fx, y1=self.y1 * fy)


def boxes_of(regions: Iterable[Region]) -> np.ndarray:
    """Their boxes as float64 ``[N, 4]``: x0, y0, x1, y1."""
    rows = [(one.x0, one.y0, one.x1, one.y1) for one in regions]
    return np.array(rows, np.float64).reshape(-1, 4)


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of every box of `a` with every one of `b`.

    Parameters
    ----------
    a, b : numpy.ndarray
        ``[N, 4]`` and ``[M, 4]``: x0, y0, x1, y1.

    Returns
    -------
    numpy.ndarray
        float64 ``[N, M]``, 0..1; 0 where both boxes have no area.
    """
    a, b = np.asarray(a, np.float64)[:, None], np.asarray(b, np.float64)[None]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    common = np.prod(np.maximum(sides, 0), axis=-1)
    both = np.prod(a[..., 2:] - a[..., :2], axis=-1) + np.prod(b[..., 2:] - b[..., :2], axis=-1) - common
    return np.divide(common, both, out=np.zeros_like(common), where=both > 0)


def deduplicate(*groups: Iterable[Region], max_iou: float = 0.5, labelled: bool = True) -> tuple[Region, ...]:
    """One region where several say the same.

    Parameters
    ----------
    *groups : iterable of Region
        A region of an earlier group beats those of later ones, whatever the scores; within a group the
        higher score wins, and between equal ones the first.
    max_iou : float
        Two regions say the same if their intersection over union is more than this.
    labelled : bool
        And, unless False, if they have the same label.

    Returns
    -------
    tuple of Region
        In order of precedence.
    """
    ordered = [one for group in groups for one in sorted(group, key=lambda one: -one.score)]
    overlaps = iou(boxes_of(ordered), boxes_of(ordered)) > max_iou
    kept: list[int] = []
    for n, one in enumerate(ordered):
        if not any(overlaps[n, k] and not (labelled and ordered[k].label != one.label) for k in kept):
            kept.append(n)
    return tuple(ordered[n] for n in kept)


def hulls(regions: Sequence[Region], *, max_iou: float = 0.3) -> tuple[Region, ...]:
    """Regions of one label that hang together, as one: their bounding box, with the highest score.

    Parameters
    ----------
    regions : sequence of Region
    max_iou : float
        Two of the same label hang together if their intersection over union is more than this, or if a
        chain of such pairs joins them.
    """
    left = list(range(len(regions)))
    linked = iou(boxes_of(regions), boxes_of(regions)) > max_iou
    found = []
    while left:
        members, front = [], [left.pop(0)]
        while front:
            n = front.pop()
            members.append(regions[n])
            near = [m for m in left if linked[n, m] and regions[m].label == regions[n].label]
            left = [m for m in left if m not in near]
            front += near
        boxes = boxes_of(members)
        low, high = boxes[:, :2].min(0).tolist(), boxes[:, 2:].max(0).tolist()
        found.append(Region(*low, *high, max(one.score for one in members), members[0].label))
    return tuple(found)


@dataclass(frozen=True)
class Matches:
    """How many regions were found rightly, wrongly, and not at all. Those of several pictures add up.

    Attributes
    ----------
    right, wrong, missed : int
    """

    right: int = 0
    wrong: int = 0
    missed: int = 0

    def __add__(self, other: Matches) -> Matches:
        return Matches(self.right + other.right, self.wrong + other.wrong, self.missed + other.missed)

    @property
    def precision(self) -> float:
        """Share of those found that are right; 1 if none was found."""
        found = self.right + self.wrong
        return self.right / found if found else 1.0

    @property
    def recall(self) -> float:
        """Share of those there that were found; 1 if none was there."""
        there = self.right + self.missed
        return self.right / there if there else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of the two; 1 if there was nothing and nothing was found."""
        total = 2 * self.right + self.wrong + self.missed
        return 2 * self.right / total if total else 1.0


def pairs(
    found: Sequence[Region], reference: Sequence[Region], *, min_iou: float = 0.5, labelled: bool = True
) -> list[tuple[int, int]]:
    """Match one to one: from the highest score down, each takes the free reference it overlaps most.

    Parameters
    ----------
    found, reference : sequence of Region
    min_iou : float
        Less is no match.
    labelled : bool
        Only regions of the same label match, unless False.

    Returns
    -------
    list of (int, int)
        Numbers in `found` and `reference`, in the order they were taken.
    """
    overlaps = iou(boxes_of(found), boxes_of(reference))
    if labelled:
        labels = [np.array([one.label for one in group], int) for group in (found, reference)]
        overlaps = np.where(labels[0][:, None] == labels[1][None], overlaps, -1)
    taken = []
    for n in sorted(range(len(found)), key=lambda n: -found[n].score):
        best = int(overlaps[n].argmax()) if len(reference) else 0
        if len(reference) and overlaps[n, best] >= min_iou:
            taken.append((n, best))
            overlaps[:, best] = -1
    return taken


def match(
    found: Sequence[Region], reference: Sequence[Region], *, min_iou: float = 0.5, labelled: bool = True
) -> Matches:
    """How many of `found` are right and wrong, and how many of `reference` missed; as of `pairs`."""
    right = len(pairs(found, reference, min_iou=min_iou, labelled=labelled))
    return Matches(right, len(found) - right, len(reference) - right)
