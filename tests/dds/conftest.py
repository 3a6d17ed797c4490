"""A scene of squares, a toy detector that needs to see their texture, and an edge fed by hand."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from rdct.dds.edge import DdsEdge, DdsPolicy
from rdct.dds.grid import two_levels
from rdct.offload import Detections, Packet, RegionRequest, Result
from rdct.vision.detectors import Candidates
from rdct.vision.frames import Frame
from rdct.vision.regions import Region

SIZE = (96, 144)
TABLE_SET = two_levels(75)
CAR, PAPER = 0, 1


class TextureDetector:
    """Finds reddish squares; one with a fine texture is a car, one without could be anything.

    It keeps the pictures it was shown. For tests only: it looks for what `scene` draws.
    """

    name = "texture"
    class_names = ("car", "paper")

    def __init__(self):
        self.shown = []

    def __call__(self, image):
        self.shown.append(image.copy())
        red = (image[..., 0].astype(int) - image[..., 2] > 50).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(red)
        boxes, scores = [], []
        for n in range(1, len(stats)):
            x, y, width, height, area = stats[n]
            if area < 60:
                continue
            inner = image[y + 4 : y + height - 4, x + 4 : x + width - 4, 1]
            boxes.append((x, y, x + width, y + height))
            scores.append(float(np.clip(0.2 + inner.std() / 10, 0, 0.95)) if inner.size else 0.2)
        labels = np.full(len(boxes), CAR)
        return Candidates(np.array(boxes), scores, labels, np.full(len(boxes), 0.8))


def scene(*squares, size=SIZE):
    """Grey, with reddish squares ``(x, y, side, amplitude of the texture)``."""
    image = np.full((*size, 3), 110, np.uint8)
    y, x = np.mgrid[: size[0], : size[1]]
    checks = np.where((x + y) % 2, 1, -1)
    for left, top, side, amplitude in squares:
        window = slice(top, top + side), slice(left, left + side)
        image[window] = np.array([200, 90, 70]) + amplitude * checks[window][..., None]
    return image


class Hand:
    """Feeds an edge and keeps what comes out."""

    def __init__(self, edge, fps=10.0):
        self.edge, self.fps = edge, fps
        self.index, self.now = -1, 0.0
        self.packets: list[Packet] = []
        self.results: list[Result] = []

    def take(self, out):
        out = list(out)
        self.packets += [one for one in out if isinstance(one, Packet)]
        self.results += [one for one in out if isinstance(one, Result)]
        return out

    def frame(self, image=None):
        self.index += 1
        self.now = max(self.now, self.index / self.fps)
        image = scene((30, 30, 24, 8)) if image is None else image
        return self.take(self.edge.on_frame(Frame(self.index, self.now, image), self.now))

    def feed(self, feedback, now=None):
        self.now = self.now if now is None else now
        return self.take(self.edge.on_feedback(feedback, self.now))

    def timeout(self, now):
        self.now = now
        return self.take(self.edge.on_timeout(now))

    def finish(self):
        return self.take(self.edge.finish(self.now))

    def of(self, stream):
        return [one for one in self.packets if one.stream == stream]


def request(serial, *wanted, found=(), size=SIZE):
    """``wanted`` and `found` as boxes."""
    wanted = tuple(Region(*box) for box in wanted or [(30, 30, 54, 54)])
    return RegionRequest(serial, *size, wanted, objects(*found))


def detections(serial, *found, size=SIZE):
    return Detections(serial, *size, objects(*found))


def objects(*boxes):
    return tuple(Region(*box, 0.75, CAR) for box in boxes)


@pytest.fixture(scope="session")
def by_hand():
    return SimpleNamespace(
        Hand=Hand, TextureDetector=TextureDetector, scene=scene, request=request, detections=detections,
        objects=objects, SIZE=SIZE, TABLE_SET=TABLE_SET, CAR=CAR,
    )  # fmt: skip


@pytest.fixture
def hand():
    """Makes a hand-fed edge: ``hand(chunk_frames=3, options={...})``."""

    def make(options=None, **policy):
        return Hand(DdsEdge(TABLE_SET, policy=DdsPolicy(**policy), **(options or {})))

    return make
