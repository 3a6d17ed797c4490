# SPDX-License-Identifier: Apache-2.0
"""One system in one setting, played over the clip: a record for every frame."""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from rdct.evaluation.detection.objects import IOUS, counted, known_times
from rdct.evaluation.detection.scenario import DetectionScenario, Setting
from rdct.evaluation.detection.systems import TIMES, Given, opened
from rdct.evaluation.measure import fold_ignored
from rdct.evaluation.video.clip import Clip, load
from rdct.offload.driver import Output, Transfer, simulate
from rdct.offload.link import SimulatedLink
from rdct.offload.messages import Detections, Feedback, Notice, Packet, PlanUpdate, RegionRequest, Result
from rdct.vision import metrics
from rdct.vision.detectors import Candidates
from rdct.vision.frames import Frame
from rdct.vision.regions import Region, match

__all__ = ["Bench", "Task", "Watched", "load_models", "make_bench"]

_UNLABELLED = 255
#: Answers of a detector that are remembered: settings that ask for other regions share their first look.
_REMEMBERED = 4096


@dataclass(frozen=True)
class Task:
    """One point.

    Attributes
    ----------
    system : str
        Row name.
    setting : dict
    identity : dict
        The fields of its point record.
    """

    system: str
    setting: Setting
    identity: dict[str, Any] = field(default_factory=dict)


class Watched:
    """A model that counts how often it is asked. A detector does not look twice at equal pictures.

    Attributes
    ----------
    calls : int
    spared_s : float
        What looking again would have taken.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._seen: dict[bytes, tuple[Any, float]] = {}
        self.calls, self.spared_s = 0, 0.0

    def __call__(self, image: Any) -> Any:
        self.calls += 1
        if not isinstance(image, np.ndarray):  # a network's input, with or without gradients
            return self._model(image)
        key = hashlib.blake2b(image.tobytes(), digest_size=16, salt=b"%d" % image.shape[1]).digest()
        if key in self._seen:
            answer, seconds = self._seen[key]
            self.spared_s += seconds
            return answer
        began = time.perf_counter()
        answer = self._model(image)
        if len(self._seen) >= _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        self._seen[key] = answer, time.perf_counter() - began
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


class Shortsighted:
    """A detector that sees every picture reduced; its boxes are in pixels of the picture as it was.

    Parameters
    ----------
    detector : Detector
    scale : float
        Of the sides, more than 0, less than 1.
    """

    def __init__(self, detector: Any, scale: float) -> None:
        self._detector, self._scale = detector, scale
        self.name, self.class_names = f"{detector.name} at {scale:g}", detector.class_names

    def __call__(self, image: np.ndarray) -> Candidates:
        import cv2

        height, width = image.shape[:2]
        size = max(round(self._scale * width), 1), max(round(self._scale * height), 1)
        found = self._detector(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
        return replace(found, boxes=found.boxes * np.tile([width / size[0], height / size[1]], 2))


def load_models(scenario: DetectionScenario) -> tuple[Any, Any]:
    """The server's network and the device's own, if any, as they are."""
    from rdct.vision import detectors, models

    of_task = detectors if scenario.task == "detection" else models
    camera = None if scenario.camera is None else of_task.load(scenario.camera)
    if scenario.camera_scale != 1:
        camera = Shortsighted(camera, scenario.camera_scale)
    return of_task.load(scenario.model), camera


def make_bench(scenario: DetectionScenario) -> Bench:
    """Everything a worker needs."""
    return Bench(scenario, *load_models(scenario), load(scenario))


class _Taken:
    """A stopwatch that also counts inferences, and adds the time of those that were remembered."""

    def __init__(self, model: Watched | None) -> None:
        self._model = model
        self._start = self._now()

    def _now(self) -> tuple[float, int]:
        calls, spared = (0, 0.0) if self._model is None else (self._model.calls, self._model.spared_s)
        return time.perf_counter() + spared, calls

    def charge(self, end: _Device | _Server, frame: int) -> None:
        """To a frame, what it took since this was made."""
        seconds, calls = (now - then for now, then in zip(self._now(), self._start, strict=True))
        end.seconds[frame] += seconds
        end.inferences[frame] += calls


class _Device:
    """The edge, with the time that each frame took it."""

    def __init__(self, edge: Any, camera: Watched | None) -> None:
        self._edge, self._camera = edge, camera
        self._frame_of: dict[int, int] = {}
        self.seconds: dict[int, float] = defaultdict(float)
        self.inferences: dict[int, int] = defaultdict(int)

    def on_frame(self, frame: Any, now: float) -> list[Packet | Result]:
        return self._timed(frame.index, self._edge.on_frame, frame, now)

    def on_feedback(self, feedback: Feedback, now: float) -> list[Packet | Result]:
        frame = self._frame_of.get(feedback.keyframe)
        return self._timed(frame, self._edge.on_feedback, feedback, now)

    def on_timeout(self, now: float) -> list[Packet | Result]:
        return self._timed(None, self._edge.on_timeout, now)

    def _timed(self, frame: int | None, call: Any, *what: Any) -> list[Packet | Result]:
        """Call, and charge the frame; where none is named, the first of those that go."""
        took = _Taken(self._camera)
        out = list(call(*what))
        if frame is None:
            frame = next((one.frame for one in out), -1)
        took.charge(self, frame)
        for one in out:
            if isinstance(one, Packet):
                self._frame_of[one.keyframe] = one.frame
        return out

    def __getattr__(self, name: str) -> Any:
        return getattr(self._edge, name)


class _Server:
    """The server, with the time and the inferences that each frame took it."""

    def __init__(self, server: Any, model: Watched) -> None:
        self._server, self._model = server, model
        self.seconds: dict[int, float] = defaultdict(float)
        self.inferences: dict[int, int] = defaultdict(int)

    def on_packet(self, packet: Packet, now: float) -> Iterator[Feedback]:
        took = _Taken(self._model)
        answers = list(self._server.on_packet(packet, now))
        took.charge(self, packet.frame)
        yield from answers


class Bench:
    """Network and clip, ready to play.

    Parameters
    ----------
    scenario : DetectionScenario
    model : Detector or Model
    camera : Detector or None
    clip : Clip
    """

    def __init__(self, scenario: DetectionScenario, model: Any, camera: Any, clip: Clip) -> None:
        self.scenario, self.clip = scenario, clip
        self.model = Watched(model)
        self.camera = None if camera is None else Watched(camera)
        # The workers share the machine's cores, so each keeps to one thread.
        import cv2

        cv2.setNumThreads(1)
        if scenario.task == "segmentation":
            import torch

            torch.set_num_threads(1)

    @cached_property
    def given(self) -> Given:
        """What systems may ask for.

        Raises
        ------
        ValueError
            A class that counts is none of the network's.
        """
        scenario, names = self.scenario, list(self.model.class_names)
        unknown = [name for name in scenario.classes if name not in names]
        if unknown:
            raise ValueError(f"classes: {self.model.name} knows no {', '.join(unknown)}")
        labels = frozenset(names.index(name) for name in scenario.classes) or None
        return Given(
            self.model,
            self.camera,
            self.clip.shape,
            self.clip.fps,
            labels,
            scenario.score,
            scenario.merge_iou,
            self._training,
        )

    def _training(self) -> list[Frame]:
        """What systems may learn from beforehand."""
        if self.scenario.training is None:
            return self.clip.frames
        first, last = self.scenario.training
        return load(replace(self.scenario, limit=last, labels=None)).frames[first:]

    @cached_property
    def reference(self) -> list[Any]:
        """What the server's network says of the raw frames: objects, or labels."""
        from rdct.vision import models

        if self.scenario.task == "segmentation":
            return [models.labels(self.model, frame.image) for frame in self.clip.frames]
        least = self.scenario.reference_score
        return [self._counted(self.model(frame.image).regions(least), least) for frame in self.clip.frames]

    def _counted(self, regions: Any, score: float) -> list[Region]:
        return counted(regions, score=score, classes=self.given.labels, merge_iou=self.scenario.merge_iou)

    def measure(self, task: Task) -> Iterator[dict[str, Any]]:
        """The frames, then the point that says they are whole."""
        frames, session = self.play(task.system, task.setting)
        point = task.identity["point"]
        yield from ({"kind": "frame", "point": point, **frame} for frame in frames)
        yield {"kind": "point", **task.identity, "setting": task.setting, "frames": len(frames), **session}

    def play(self, row: str, setting: Setting) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """One session from the first frame to the last.

        Returns
        -------
        frames : list of dict
            What happened to each frame.
        session : dict
            What belongs to none: ``hello_bytes`` up; ``welcome_bytes`` down, and ``stray_bytes`` of answers
            that the device could not use.
        """
        link, clip = self.scenario.link, self.clip
        _ = self.reference  # or its inferences would be counted as the system's
        session = opened(row, setting, self.given)
        device, server = _Device(session.edge, self.camera), _Server(session.server, self.model)
        times = {} if link is None else {name: setting.get(name, getattr(link, name)) for name in TIMES}
        up, down = (SimulatedLink(), SimulatedLink()) if link is None else link.both(self.scenario.seed)
        seen = [_Seen() for _ in clip.frames]
        frame_of: dict[int, int] = {}  # by serial; of a chunk only its first
        answers = []
        for event in simulate(device, server, clip.frames, up, down, **times):
            if isinstance(event, Output):
                result = event.result
                seen[result.frame].result = event
                if result.kind == "server":
                    frame_of[result.keyframe] = result.frame
            elif event.direction == "up":
                frame_of[event.message.keyframe] = event.message.frame
                seen[event.message.frame].sent(event.message, event.size_bytes)
            else:
                answers.append(event)
        stray = 0
        for event in answers:
            frame = frame_of.get(event.message.keyframe)
            if frame is None:
                stray += event.size_bytes
            else:
                seen[frame].answered(event)
        judge = self._boxes if self.scenario.task == "detection" else self._labels
        frames = []
        for frame, one in zip(clip.frames, seen, strict=True):
            index = frame.index
            frames.append(
                {
                    "frame": index,
                    "time_s": round(frame.time_s, 6),
                    "bytes_up": dict(one.up),
                    "bytes_down": dict(one.down),
                    "inferences": server.inferences[index],
                    "camera_inferences": device.inferences[index],
                    "edge_s": round(device.seconds[index], 5),
                    "server_s": round(server.seconds[index], 5),
                    "result": one.result.result.kind,
                    "at_s": round(one.result.at_s, 6),
                    **judge(index, one),
                }
            )
        sizes = {"hello_bytes": session.hello_bytes, "welcome_bytes": session.welcome_bytes}
        return frames, {**sizes, "stray_bytes": stray}

    def _boxes(self, index: int, seen: _Seen) -> dict[str, Any]:
        """Objects, and how they fit those of the reference."""
        reference, size, score = self.reference[index], self.clip.frames[index].size, self.scenario.score
        result = self._counted(seen.result.result.regions or (), score)
        answers = [(seen.result.at_s, result)]
        first = None
        if seen.first is not None:
            at_s, request = seen.first
            placed = (one.resized((request.height, request.width), size) for one in request.found)
            answers.append((at_s, self._counted(placed, score)))
            first = {"at_s": round(at_s, 6), "boxes": _listed(answers[-1][1])}
        matches = {name: match(result, reference, min_iou=least) for name, least in IOUS.items()}
        known = known_times(answers, reference, IOUS["strict"])
        return {
            "boxes": _listed(result),
            "first": first,
            "reference": _listed(reference),
            **{name: [one.right, one.wrong, one.missed] for name, one in matches.items()},
            "known_s": [None if at is None else round(at, 6) for at in known],
        }

    def _labels(self, index: int, seen: _Seen) -> dict[str, Any]:
        """Confusion with the labels on the raw frame, and with the true ones."""
        labels, model = seen.result.result.labels, self.model
        classes = len(model.class_names)
        if labels is None:
            labels = np.full(self.clip.shape, _UNLABELLED, np.uint8)
        raw = metrics.confusion(labels, self.reference[index], classes, ignore=None)
        truth = None
        if self.clip.truth is not None:
            matrix = metrics.confusion(labels, self.clip.truth[index], classes, ignore=model.ignore_label)
            truth = fold_ignored(matrix, model.ignore_label).ravel().tolist()
        return {"raw_confusion": raw.ravel().tolist(), "truth_confusion": truth}


_KINDS = {RegionRequest: "request", Detections: "detections", PlanUpdate: "labels", Notice: "notice"}


class _Seen:
    """What went by of one frame."""

    def __init__(self) -> None:
        self.up: dict[str, int] = defaultdict(int)
        self.down: dict[str, int] = defaultdict(int)
        self.first: tuple[float, RegionRequest] | None = None
        self.result: Output | None = None

    def sent(self, packet: Packet, size_bytes: int) -> None:
        """A stream's bytes are its payloads'; what is around them is the messages'."""
        self.up[packet.stream] += len(packet.payload)
        self.up["message"] += size_bytes - len(packet.payload)

    def answered(self, event: Transfer) -> None:
        """What came down, and when the first round's objects were known."""
        self.down[_KINDS[type(event.message)]] += event.size_bytes
        if isinstance(event.message, RegionRequest) and event.arrived_s is not None:
            self.first = event.arrived_s, event.message


def _listed(regions: list[Region]) -> list[list[float]]:
    """Boxes in hundredths of a pixel, with score and label."""
    return [
        [*(round(side, 2) for side in (one.x0, one.y0, one.x1, one.y1)), round(one.score, 4), one.label]
        for one in regions
    ]
