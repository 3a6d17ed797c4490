# SPDX-License-Identifier: Apache-2.0
"""Boxes followed from picture to picture.

`FlowTracker`, the default, moves every box by the median of the dense flow inside it, and needs nothing but
what the device has already. `OpenCvTracker` wraps the trackers of OpenCV that need no network: MIL, which
stock OpenCV has, KCF and CSRT, which its contrib modules have.

>>> tracker = load("flow")
>>> tracker.start(tracker.prepare(first), boxes)                                # doctest: +SKIP
>>> for image in rest:                                                          # doctest: +SKIP
...     found = tracker.step(tracker.prepare(image))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import cv2
import numpy as np

from rdct.vision.flow import DisFlow, Prepared
from rdct.vision.regions import Region

__all__ = ["KINDS", "FlowTracker", "OpenCvTracker", "Tracked", "Tracker", "load"]

#: What `load` takes.
KINDS = ("flow", "mil", "kcf", "csrt")


@dataclass(frozen=True)
class Tracked:
    """Where the boxes are now.

    Attributes
    ----------
    regions : tuple of Region
        Those still followed, inside the picture, with the scores and labels they started with.
    lost : int
        How many of those that were followed up to here are followed no more.
    """

    regions: tuple[Region, ...]
    lost: int = 0


class Tracker(Protocol):
    """Follows several boxes. One object follows one set of boxes at a time, and is used by one thread."""

    def prepare(self, image: np.ndarray) -> Any:
        """What the tracker keeps of a picture, u8 RGB ``[H, W, 3]``; much less than the picture."""
        ...

    def start(self, picture: Any, regions: Sequence[Region]) -> None:
        """Follow these from here on, in place of whatever was followed; the picture from `prepare`."""
        ...

    def step(self, picture: Any) -> Tracked:
        """The next picture, from `prepare`, of the same size."""
        ...


def load(kind: str = "flow") -> Tracker:
    """A tracker by its name.

    Parameters
    ----------
    kind : {"flow", "mil", "kcf", "csrt"}

    Raises
    ------
    ValueError
        There is no tracker of that name.
    ImportError
        This OpenCV does not have it.
    """
    if kind not in KINDS:
        raise ValueError(f"a tracker must be one of {', '.join(map(repr, KINDS))}, got {kind!r}")
    return FlowTracker() if kind == "flow" else OpenCvTracker(kind)


# ----------------------------------------------------------------------------------------------------- flow


class FlowTracker:
    """Each box moves by the median flow inside it, and grows as the flow there spreads.

    The idea is that of the Median Flow tracker (Kalal et al., "Forward-Backward Error", ICPR 2010), on dense
    flow (`rdct.vision.flow.DisFlow`) in place of points.

    Parameters
    ----------
    flow : DisFlow, optional
    core : float
        Share of the sides of a box, about its centre, whose flow counts: its rim shows what is behind.
    max_spread : float
        A box is lost where the flow in its core spreads by more than this share of its shorter side (1.4826
        times the median absolute deviation): Glimpse's sign of a tracking failure.
    max_difference : float
        And where what it shows, moved, differs from what it showed by more than this on average, 0..255, and
        does not look like it either: a correlation of less than 0.5.
    min_visible : float
        And where less than this share of it is inside the picture.
    """

    def __init__(
        self,
        flow: DisFlow | None = None,
        *,
        core: float = 0.7,
        max_spread: float = 0.15,
        max_difference: float = 8.0,
        min_visible: float = 0.5,
    ) -> None:
        for name, value, high in (("core", core, 1), ("min_visible", min_visible, 1)):
            if not 0 < value <= high:
                raise ValueError(f"{name} must be more than 0 and at most {high}, got {value}")
        if not (max_spread > 0 and max_difference > 0):
            raise ValueError(
                f"max_spread and max_difference must be more than 0, got {max_spread} and {max_difference}"
            )
        self._flow = DisFlow() if flow is None else flow
        self._core, self._max_spread = core, max_spread
        self._max_difference, self._min_visible = max_difference, min_visible
        self._picture: Prepared | None = None
        self._regions: tuple[Region, ...] = ()

    def prepare(self, image: np.ndarray) -> Prepared:
        """See `Tracker`: luma at the resolution that is searched."""
        return self._flow.prepare(image)

    def start(self, picture: Prepared, regions: Sequence[Region]) -> None:
        """See `Tracker`."""
        self._picture, self._regions = picture, tuple(regions)

    def step(self, picture: Prepared) -> Tracked:
        """See `Tracker`."""
        if self._picture is None:
            raise ValueError("a tracker must be started with boxes before it can take a step")
        before, self._picture = self._picture, picture
        if not self._regions:
            return Tracked(())
        field = self._flow.between(before, picture)
        moved = [self._moved(one, field.values, field.stride, before, picture) for one in self._regions]
        # What is followed may reach beyond the picture; what is told may not.
        self._regions = tuple(one for one in moved if one is not None)
        return Tracked(
            tuple(one.clipped(picture.shape) for one in self._regions), len(moved) - len(self._regions)
        )

    def _moved(
        self, region: Region, values: np.ndarray, stride: int, before: Prepared, now: Prepared
    ) -> Region | None:
        """The box in the new picture; None if it is lost."""
        # The flow tells of each place in the new picture where it was before: look where the box is now.
        shift = np.zeros(2)
        for _ in range(3):
            window, centres = self._cells(_shifted(region, shift), values.shape[:2], stride)
            flow = values[window].reshape(-1, 2).astype(np.float64)
            middle = np.median(flow, axis=0)
            if np.abs(shift + middle).max() < 0.25 * stride:
                break
            shift = -middle
        shift = -middle
        off = np.abs(flow - middle)
        spread = 1.4826 * np.median(off, axis=0)
        shorter = max(min(region.x1 - region.x0, region.y1 - region.y0), 1.0)
        if spread.max() > self._max_spread * shorter:
            return None
        kept = (off <= 2 * spread + 0.5).all(axis=1)
        growth = _growth(centres[kept], flow[kept])
        moved = _shifted(region, shift)
        x, y = (moved.x0 + moved.x1) / 2, (moved.y0 + moved.y1) / 2
        half_x, half_y = growth * (moved.x1 - moved.x0) / 2, growth * (moved.y1 - moved.y0) / 2
        moved = replace(moved, x0=x - half_x, y0=y - half_y, x1=x + half_x, y1=y + half_y)
        visible = moved.clipped(now.shape)
        if visible.area < self._min_visible * moved.area or visible.area <= 0:
            return None
        return moved if self._alike(region, moved, before, now) else None

    def _cells(
        self, region: Region, grid: tuple[int, int], stride: int
    ) -> tuple[tuple[slice, slice], np.ndarray]:
        """The cells in the core of a box, at least one, and their centres ``[N, 2]`` (x, y)."""
        x, y = (region.x0 + region.x1) / 2, (region.y0 + region.y1) / 2
        slices = []
        for middle, side, cells in ((y, region.y1 - region.y0, grid[0]), (x, region.x1 - region.x0, grid[1])):
            first = min(max(round((middle - self._core * side / 2) / stride), 0), cells - 1)
            last = min(max(round((middle + self._core * side / 2) / stride), first + 1), cells)
            slices.append(slice(first, last))
        rows, columns = (np.arange(one.start, one.stop) * stride + (stride - 1) / 2 for one in slices)
        centres = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
        return tuple(slices), centres

    def _alike(self, region: Region, moved: Region, before: Prepared, now: Prepared) -> bool:
        """Whether the box shows what it showed, as far as both are inside the picture."""
        factor = 1 << now.scale
        size = _SAMPLES, _SAMPLES
        patches = []
        for one, picture in ((region, before), (moved, now)):
            fx, fy = (one.x1 - one.x0) / _SAMPLES / factor, (one.y1 - one.y0) / _SAMPLES / factor
            offset = 0.5 * (np.array([fx, fy]) - 1) + np.array([one.x0, one.y0]) / factor
            matrix = np.array([[fx, 0, offset[0]], [0, fy, offset[1]]])
            patches.append(
                cv2.warpAffine(
                    picture.grey,
                    matrix,
                    size,
                    flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                    borderMode=cv2.BORDER_REPLICATE,
                )
            )
        if float(cv2.absdiff(*patches).mean()) <= self._max_difference:
            return True
        return float(cv2.matchTemplate(*patches, cv2.TM_CCOEFF_NORMED)[0, 0]) >= _LIKENESS


#: Samples along each side of a box that tell whether it still shows the same.
_SAMPLES = 16
_LIKENESS = 0.5
#: A box grows or shrinks by no more than this between two pictures.
_MAX_GROWTH = 1.1


def _shifted(region: Region, by: np.ndarray) -> Region:
    dx, dy = by.tolist()
    return replace(region, x0=region.x0 + dx, y0=region.y0 + dy, x1=region.x1 + dx, y1=region.y1 + dy)


def _growth(centres: np.ndarray, flow: np.ndarray) -> float:
    """By how much the picture is enlarged there, from backward flow: least squares over both directions."""
    if len(centres) < 6:
        return 1.0
    places = centres - centres.mean(axis=0)
    weight = float((places**2).sum())
    if weight == 0:
        return 1.0
    slope = float((places * (flow - flow.mean(axis=0))).sum()) / weight
    return float(np.clip(1 / max(1 + slope, 0.5), 1 / _MAX_GROWTH, _MAX_GROWTH))


# --------------------------------------------------------------------------------------------------- OpenCV


class OpenCvTracker:
    """One of OpenCV's trackers for each box.

    TrackerNano, TrackerVit and DaSiamRPN are left out: they need networks that do not come with OpenCV.

    Parameters
    ----------
    kind : {"mil", "kcf", "csrt"}
        MIL: Babenko et al., CVPR 2009. KCF: Henriques et al., TPAMI 2015; it is what Glimpse and Vigil use in
        DDS's comparison. CSRT: Lukezic et al., IJCV 2018.
    max_side : int
        Larger pictures are reduced to this, for the trackers take the longer the larger they are.

    Raises
    ------
    ImportError
        This OpenCV does not have the tracker.
    """

    def __init__(self, kind: str = "kcf", *, max_side: int = 640) -> None:
        if max_side < 16:
            raise ValueError(f"max_side must be 16 pixels or more, got {max_side}")
        self._make = _maker(kind)
        self._max_side = max_side
        self._followed: list[tuple[Any, Region]] = []
        self._shape: tuple[int, int] | None = None

    def prepare(self, image: np.ndarray) -> tuple[tuple[int, int], np.ndarray]:
        """See `Tracker`: the picture, reduced and as BGR, and its own size."""
        height, width = image.shape[:2]
        factor = min(self._max_side / max(height, width), 1.0)
        size = max(round(width * factor), 1), max(round(height * factor), 1)
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        return (height, width), cv2.cvtColor(small, cv2.COLOR_RGB2BGR)

    def start(self, picture: tuple[tuple[int, int], np.ndarray], regions: Sequence[Region]) -> None:
        """See `Tracker`. Boxes of less than 4 pixels, as reduced, cannot be followed and are left out."""
        self._shape, image = picture
        self._followed = []
        for region in regions:
            box = _integers(region.clipped(self._shape).resized(self._shape, image.shape[:2]))
            if min(box[2:]) >= 4:
                tracker = self._make()
                tracker.init(image, box)
                self._followed.append((tracker, region))

    def step(self, picture: tuple[tuple[int, int], np.ndarray]) -> Tracked:
        """See `Tracker`."""
        if self._shape is None:
            raise ValueError("a tracker must be started with boxes before it can take a step")
        shape, image = picture
        if shape != self._shape:
            raise ValueError(f"a tracker follows in pictures of one size, got {self._shape} and then {shape}")
        kept, regions = [], []
        for tracker, region in self._followed:
            found, (x, y, width, height) = tracker.update(image)
            moved = None
            if found and width > 0 and height > 0:
                moved = replace(region, x0=float(x), y0=float(y), x1=float(x + width), y1=float(y + height))
                moved = moved.resized(image.shape[:2], shape).clipped(shape)
            if moved is not None and moved.area > 0:
                kept.append((tracker, region))
                regions.append(moved)
        lost = len(self._followed) - len(kept)
        self._followed = kept
        return Tracked(tuple(regions), lost)


def _integers(region: Region) -> tuple[int, int, int, int]:
    """x, y, width, height."""
    x0, y0, x1, y1 = (round(side) for side in (region.x0, region.y0, region.x1, region.y1))
    return x0, y0, x1 - x0, y1 - y0


def _maker(kind: str) -> Callable[[], Any]:
    """What makes one of OpenCV's trackers; where it is differs from version to version."""
    name = {"mil": "TrackerMIL", "kcf": "TrackerKCF", "csrt": "TrackerCSRT"}.get(kind)
    if name is None:
        raise ValueError(f"kind must be 'mil', 'kcf' or 'csrt', got {kind!r}")
    for function in (f"{name}_create", f"{name}.create"):
        found: Any = cv2
        for part in function.split("."):
            found = getattr(found, part, None)
        if found is not None:
            return found
    raise ImportError(
        f"this OpenCV ({cv2.__version__}) has no {name}; KCF and CSRT are in its contrib modules: "
        "pip uninstall opencv-python-headless && pip install opencv-contrib-python-headless"
    )
