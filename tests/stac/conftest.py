"""A hand-fed edge: pictures of one brightness, a flow that sees no motion, answers made up."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import codec
from rdct.offload import Packet, PlanUpdate, Result
from rdct.offload.labels import encode_labels
from rdct.vision.flow import FlowField, Prepared
from rdct.vision.frames import Frame
from stac import KeyframePolicy, StacEdge

LEVELS = 4
SIZE = (40, 56)
TABLE_SET = codec.TableSet.from_log(np.full((3, 8, 8), 64), np.arange(LEVELS) * 8)


class ShiftFlow:
    """Everything moves by the same whole pixels from each frame to the next."""

    def __init__(self, dx: float = 0.0, dy: float = 0.0) -> None:
        self.step = dx, dy

    def stride_for(self, shape):
        return 8

    def prepare(self, image):
        if image.dtype != np.uint8 or image.ndim != 3:
            raise ValueError("image must be u8 [H, W, 3]")
        return Prepared(np.empty((0, 0), np.uint8), 8, image.shape[:2])

    def between(self, previous, current):
        assert previous.shape == current.shape
        still = FlowField.identity(current.shape, 8)
        return FlowField(still.values - np.float32(self.step), 8, current.shape)


def picture(brightness: int, size=SIZE) -> np.ndarray:
    """13 steps of brightness apart is 25.85 dB, 12 is 26.5: below and above the threshold."""
    return np.full((*size, 3), brightness, np.uint8)


def labels_of(serial: int, size=SIZE) -> np.ndarray:
    """What the made-up server sees in a keyframe: its serial, everywhere."""
    return np.full(size, serial % 251, np.uint8)


def answer(serial: int, *, labels=True, levels: int | None = None, size=SIZE) -> PlanUpdate:
    coded_map = None
    if levels is not None:
        coded_map = codec.encode_level_map(np.full(codec.map_shape(*size), levels), LEVELS)
    return PlanUpdate(serial, encode_labels(labels_of(serial, size)) if labels else None, coded_map)


class Hand:
    """Feeds an edge and keeps what comes out."""

    def __init__(self, edge, fps: float = 10.0) -> None:
        self.edge, self.fps = edge, fps
        self.index = -1
        self.now = 0.0
        self.packets: list[Packet] = []
        self.results: list[Result] = []

    def _take(self, out):
        out = list(out)
        self.packets += [one for one in out if isinstance(one, Packet)]
        self.results += [one for one in out if isinstance(one, Result)]
        return out

    def frame(self, brightness: int, size=SIZE):
        self.index += 1
        self.now = self.index / self.fps
        return self._take(
            self.edge.on_frame(Frame(self.index, self.now, picture(brightness, size)), self.now)
        )

    def feed(self, feedback, now: float | None = None):
        self.now = self.now if now is None else now
        return self._take(self.edge.on_feedback(feedback, self.now))

    def timeout(self, now: float):
        self.now = now
        return self._take(self.edge.on_timeout(now))

    def finish(self):
        return self._take(self.edge.finish(self.now))

    def run(self, brightness, frames, round_trip=None, answer=None):
        """Frames of the brightness that a function gives, each keyframe answered so many frames later."""
        due = {}
        for t in range(frames):
            for serial in due.pop(t, ()):
                self.feed(answer(serial, levels=1))
            for one in self.frame(brightness(t)):
                if isinstance(one, Packet) and round_trip is not None:
                    due.setdefault(t + round_trip, []).append(one.keyframe)
        self.finish()

    @property
    def keyframes(self) -> list[int]:
        """Frames that were sent."""
        return [packet.frame for packet in self.packets]


@pytest.fixture(scope="session")
def by_hand():
    """The pieces above, for tests to build on."""
    return SimpleNamespace(
        Hand=Hand, ShiftFlow=ShiftFlow, answer=answer, labels_of=labels_of, picture=picture,
        LEVELS=LEVELS, SIZE=SIZE, TABLE_SET=TABLE_SET,
    )  # fmt: skip


@pytest.fixture
def hand():
    """Makes a hand-fed edge whose flow sees no motion."""

    def make(policy=None, *, flow=None, table_set=TABLE_SET, **options):
        policy = KeyframePolicy(**policy) if policy else KeyframePolicy()
        flow = ShiftFlow() if flow is None else flow
        return Hand(StacEdge(table_set, policy=policy, flow=flow, threads=1, **options))

    return make


@pytest.fixture(name="answer")
def answer_fixture():
    """``answer(serial, labels=True, levels=None, size=SIZE)``: a made-up PlanUpdate."""
    return answer
