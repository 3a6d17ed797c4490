"""One system at one point of its dial, played over the clip: a record for every frame."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from rdct.evaluation.codecs import Setup
from rdct.evaluation.measure import fold_ignored, make_setup
from rdct.evaluation.video.clip import Clip, load
from rdct.evaluation.video.scenario import VideoScenario
from rdct.evaluation.video.systems import Ends, VideoSystem, build
from rdct.offload import wire
from rdct.offload.driver import Output, Transfer, simulate
from rdct.offload.link import SimulatedLink
from rdct.offload.messages import Feedback, Hello, Notice, Packet, Result
from rdct.vision import metrics

__all__ = ["Bench", "Task", "make_bench"]

_UNLABELLED = 255


@dataclass(frozen=True)
class Task:
    """Points of one family at one dial: they show the server the same pixels, so they are played together.

    Attributes
    ----------
    dial : float
    systems : tuple of str
    identities : tuple of dict
        For each system the fields of its point record.
    """

    dial: float
    systems: tuple[str, ...]
    identities: tuple[dict[str, Any], ...] = field(default=())


def make_bench(scenario: VideoScenario) -> Bench:
    """Everything a worker needs."""
    return Bench(scenario, make_setup(scenario.model, scenario.tables), load(scenario))


class _Device:
    """The edge, with the time its last frame took."""

    def __init__(self, edge: Any) -> None:
        self._edge = edge
        self.seconds: dict[int, float] = {}

    def on_frame(self, frame, now: float) -> list[Packet | Result]:
        began = time.perf_counter()
        out = list(self._edge.on_frame(frame, now))
        self.seconds[frame.index] = time.perf_counter() - began
        return out

    def __getattr__(self, name: str) -> Any:
        return getattr(self._edge, name)


class _Server:
    """Decodes, answers, and remembers answers by the pixels they were for."""

    def __init__(self, ends: Ends, clip: Clip, answers: dict[bytes, list[tuple[Feedback, float]]]) -> None:
        self._ends, self._clip, self._answers = ends, clip, answers
        self.psnr: dict[int, float] = {}
        self.seconds: dict[int, list[float]] = {}

    def on_packet(self, packet: Packet, now: float) -> Iterator[Feedback]:
        image = self._ends.decode(packet.payload)
        self.psnr[packet.frame] = metrics.psnr(image, self._clip.frames[packet.frame].image)
        key = hashlib.sha256(image.tobytes()).digest()
        if key not in self._answers:
            found, began = [], time.perf_counter()
            for answer in self._ends.answer(packet, image):
                if isinstance(answer, Notice):
                    raise RuntimeError(f"the server refused frame {packet.frame}: {answer.message}")
                found.append((answer, time.perf_counter() - began))
                began = time.perf_counter()
            self._answers[key] = found
        self.seconds[packet.frame] = [seconds for _, seconds in self._answers[key]]
        for answer, _ in self._answers[key]:
            yield replace(answer, keyframe=packet.keyframe)


class Bench:
    """Network, clip and systems, ready to play.

    Parameters
    ----------
    scenario : VideoScenario
    setup : Setup
    clip : Clip
    """

    def __init__(self, scenario: VideoScenario, setup: Setup, clip: Clip) -> None:
        self.scenario, self.setup, self.clip = scenario, setup, clip
        self._systems: dict[str, VideoSystem] = {}
        # The workers share the machine's cores, so each keeps to one thread.
        import cv2

        cv2.setNumThreads(1)
        try:
            import torch
        except ImportError:  # a network without torch brings its own threads
            return
        torch.set_num_threads(1)

    @cached_property
    def raw(self) -> list[np.ndarray]:
        """The network's labels on every raw frame."""
        from rdct.vision import models

        return [models.labels(self.setup.model, frame.image) for frame in self.clip.frames]

    def measure(self, task: Task) -> Iterator[dict[str, Any]]:
        """For each system its frames, then the point that says they are whole."""
        answers: dict[bytes, list[tuple[Feedback, float]]] = {}
        for name, identity in zip(task.systems, task.identities, strict=True):
            if name not in self._systems:
                self._systems[name] = build(name, self.setup)
            frames, session = self.play(self._systems[name], task.dial, answers)
            yield from ({"kind": "frame", "point": identity["point"], **frame} for frame in frames)
            yield {"kind": "point", **identity, "dial": task.dial, "frames": len(frames), **session}

    def play(
        self, system: VideoSystem, dial: float, answers: dict | None = None
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """One session from the first frame to the last.

        Returns
        -------
        frames : list of dict
            What happened to each frame.
        session : dict
            What belongs to none: ``hello_bytes`` up and ``welcome_bytes`` down.
        """
        scenario, clip = self.scenario, self.clip
        ends = system.ends(clip, scenario, dial)
        device = _Device(ends.edge)
        server = _Server(ends, clip, {} if answers is None else answers)
        if scenario.link is None:
            up, down, times = SimulatedLink(), SimulatedLink(), {}
        else:
            link = scenario.link
            up, down = link.both(scenario.seed)
            times = {"edge_s": link.edge_s, "server_s": (link.labels_s, link.levels_s)}
        frames = [self._blank(frame) for frame in clip.frames]
        sent: dict[int, int] = {}  # keyframe to frame
        for event in simulate(device, server, clip.frames, up, down, **times):
            if isinstance(event, Output):
                frames[event.result.frame] |= self._result(event)
            elif event.direction == "up":
                sent[event.message.keyframe] = event.message.frame
                frames[event.message.frame] |= _packet(event, system)
            else:
                kind = "labels" if event.message.labels is not None else "levels"
                frames[sent[event.message.keyframe]]["bytes_down"][kind] = event.size_bytes
        for row in frames:
            index = row["frame"]
            row["edge_s"] = round(device.seconds[index], 5)
            row["server_s"] = [round(one, 5) for one in server.seconds.get(index, [])]
            if index in server.psnr and np.isfinite(server.psnr[index]):
                row["decoded_psnr"] = round(server.psnr[index], 4)
        height, width = clip.shape
        hello = len(wire.encode(Hello(width, height)))
        return frames, {"hello_bytes": hello, "table_set_bytes": ends.set_bytes}

    def _blank(self, frame: Any) -> dict[str, Any]:
        return {
            "frame": frame.index,
            "time_s": round(frame.time_s, 6),
            "keyframe": None,
            "bytes_up": {},
            "bytes_down": {},
            "decoded_psnr": None,
        }

    def _result(self, event: Output) -> dict[str, Any]:
        result, model = event.result, self.setup.model
        labels, classes = result.labels, len(model.class_names)
        if labels is None:
            labels = np.full(self.clip.shape, _UNLABELLED, np.uint8)
        truth = None
        if self.clip.truth is not None:
            matrix = metrics.confusion(
                labels, self.clip.truth[result.frame], classes, ignore=model.ignore_label
            )
            truth = fold_ignored(matrix, model.ignore_label).ravel().tolist()
        raw = metrics.confusion(labels, self.raw[result.frame], classes, ignore=None)
        known = result.psnr_db is not None and np.isfinite(result.psnr_db)
        return {
            "result": result.kind,
            "age_frames": result.age_frames,
            "delay_s": round(event.at_s - result.time_s, 6),
            "carried_psnr": round(result.psnr_db, 4) if known else None,
            "raw_confusion": raw.ravel().tolist(),
            "truth_confusion": truth,
        }


def _packet(event: Transfer, system: VideoSystem) -> dict[str, Any]:
    payload = event.message.payload
    around = {"message": event.size_bytes - len(payload)}
    return {"keyframe": event.message.keyframe, "bytes_up": {**around, **system.parts(payload)}}
