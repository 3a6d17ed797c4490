"""A drawn clip, a toy detector, a toy network, and edges fed by hand."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from rdct.offload import Detections, Hello, Notice, Packet, Result
from rdct.offload.driver import Output, simulate
from rdct.offload.link import SimulatedLink
from rdct.offload.tally import Tally
from rdct.vision.detectors import Candidates
from rdct.vision.frames import Frame
from rdct.vision.regions import Region

SIZE = (96, 144)


class RedDetector:
    """Finds reddish things. For tests only: it looks for what `scene` draws."""

    name = "red"
    class_names = ("thing", "other")

    def __init__(self):
        self.shown = []

    def __call__(self, image):
        self.shown.append(image.shape[:2])
        red = (image[..., 0].astype(int) - image[..., 2] > 50).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(red)
        boxes = [(x, y, x + w, y + h) for x, y, w, h, area in stats[1:] if area >= 20]
        ones = np.full(len(boxes), 0.9)
        return Candidates(np.array(boxes), ones, np.zeros(len(boxes), int), ones)


def scene(*boxes, size=SIZE):
    """A textured grey ground with reddish, textured boxes ``(x0, y0, x1, y1)``."""
    y, x = np.mgrid[: size[0], : size[1]]
    ground = 110 + 25 * np.sin(x / 5.0) * np.cos(y / 7.0)
    image = np.repeat(ground[..., None], 3, axis=2)
    for x0, y0, x1, y1 in boxes:
        texture = 25 * np.sin((x - x0) / 2.5) * np.sin((y - y0) / 3.0)
        inside = np.s_[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
        image[inside] = np.array([190, 90, 70]) + texture[inside][..., None]
    return image.clip(0, 255).astype(np.uint8)


def walk(frames=24, fps=12.0, step=2, size=SIZE):
    """A box that walks to the right, and another that stays."""
    for t in range(frames):
        image = scene((5 + step * t, 60, 29 + step * t, 84), (100, 10, 124, 40), size=size)
        yield Frame(t, t / fps, image)


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
        image = scene((30, 30, 54, 54)) if image is None else image
        return self.take(self.edge.on_frame(Frame(self.index, self.now, image), self.now))

    def frames(self, count, image=None):
        return [one for _ in range(count) for one in self.frame(image)]

    def feed(self, feedback, now=None):
        self.now = self.now if now is None else now
        return self.take(self.edge.on_feedback(feedback, self.now))

    def timeout(self, now):
        self.now = now
        return self.take(self.edge.on_timeout(now))

    def finish(self):
        return self.take(self.edge.finish(self.now))


def detections(serial, *boxes, size=SIZE):
    return Detections(serial, *size, tuple(Region(*box, 0.75, 0) for box in boxes))


def play(edge, server, frames, rate=1e6, delay_s=0.02, server_s=0.01, **link):
    """Through `simulate`: the edge of the server's Welcome, Results by frame, and all the rest."""
    frames = list(frames)
    height, width = frames[0].size
    edge = edge(server.on_hello(Hello(width, height), 0.0))
    tally = Tally()
    up, down = SimulatedLink(rate, delay_s, **link), SimulatedLink(1e6, delay_s)
    records = list(simulate(edge, server, frames, up, down, server_s=server_s, tally=tally))
    results = {one.result.frame: one.result for one in records if isinstance(one, Output)}
    assert tally.results_lost == 0 and sorted(results) == [one.index for one in frames]
    return SimpleNamespace(edge=edge, results=results, tally=tally, records=records, frames=frames)


@pytest.fixture(scope="session")
def by_hand():
    return SimpleNamespace(
        Hand=Hand, RedDetector=RedDetector, scene=scene, walk=walk, detections=detections, play=play,
        Notice=Notice, SIZE=SIZE,
    )  # fmt: skip
