# SPDX-License-Identifier: Apache-2.0
"""Systems on objects end to end, on a rendered street whose cars an oracle knows: whole, resumable, true."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from rdct.evaluation import records, scenario
from rdct.evaluation.cli import main
from rdct.evaluation.detection import play, run, summary
from rdct.evaluation.detection import scenario as detection
from rdct.offload import Detections, Packet, PlanUpdate, Result, Welcome, registry, wire
from rdct.offload.labels import decode_labels, encode_labels
from rdct.vision import detectors, models
from rdct.vision.detectors import Candidates

EXAMPLES = Path(__file__).parents[2] / "examples"
COUNT, HEIGHT, WIDTH, FPS = 6, 144, 192, 10
CAR = 8


class Oracle:
    """Knows where the cars of each frame are, and is the less sure of them the worse it looks there."""

    name, class_names = "oracle", ("car", "lorry")

    def __init__(self, frames, boxes):
        self.frames, self.boxes, self.asked = frames, boxes, 0

    def __call__(self, image):
        self.asked += 1
        whole = cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        errors = [np.abs(whole.astype(float) - frame).mean(-1) for frame in self.frames]
        t = int(np.argmin([one.mean() for one in errors]))
        boxes = self.boxes[t]
        scores = [
            float(np.clip(1 - errors[t][int(y0) : int(y1), int(x0) : int(x1)].mean() / 13, 0.06, 0.95))
            for x0, y0, x1, y1 in boxes
        ]
        places = np.array(boxes) * np.tile([image.shape[1] / WIDTH, image.shape[0] / HEIGHT], 2)
        return Candidates(places, scores, [0] * len(boxes), [0.8] * len(boxes))


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """A folder of frames of our own street, and the oracle of its cars."""
    sys.path.insert(0, str(EXAMPLES))
    try:
        from street import Scene
    finally:
        sys.path.remove(str(EXAMPLES))
    folder = tmp_path_factory.mktemp("street")
    scene = Scene(3, WIDTH, HEIGHT)
    frames, boxes = [], []
    for t in range(COUNT):
        image, labels = scene.frame(t, FPS)
        _, _, stats, _ = cv2.connectedComponentsWithStats((labels == CAR).astype(np.uint8))
        boxes.append([(x, y, x + w, y + h) for x, y, w, h, area in stats[1:] if area > 60])
        frames.append(image)
        cv2.imwrite(str(folder / f"f{t}.png"), image[..., ::-1])
    assert all(boxes), "a street without cars shows nothing"
    return SimpleNamespace(folder=folder, frames=frames, boxes=boxes)


@pytest.fixture
def oracle(street, monkeypatch):
    """What every detector spec loads here."""
    made = Oracle(street.frames, street.boxes)
    monkeypatch.setattr(detectors, "load", lambda spec: made)
    return made


def make(street, systems, **more):
    values = {"source": street.folder, "model": "oracle:x", "fps": FPS, "systems": systems, "set": "street"}
    return detection.make(**{**values, **more})


DDS = {"scale": 1.0, "quality": [60, 85], "ratio": 8.0, "max_area": 1.0}


def held(folder, kind):
    found = [r for r in records.read(folder) if r["kind"] == kind]
    timeless = [{k: v for k, v in r.items() if k not in ("edge_s", "server_s")} for r in found]
    return sorted(timeless, key=lambda r: (r["point"], r.get("frame", 0)))


# ------------------------------------------------------------------------------------ a system by hand


class TinyEdge:
    """Sends every frame as so many bytes; knows nothing else."""

    def __init__(self, size):
        self.size, self.serial, self.owed = size, 0, {}

    @classmethod
    def from_welcome(cls, welcome, *, size=100):
        return cls(size)

    def on_frame(self, frame, now):
        self.serial += 1
        self.owed[self.serial] = frame
        return [Packet(frame.index, frame.time_s, self.serial, bytes(self.size))]

    def on_feedback(self, feedback, now):
        frame = self.owed.pop(feedback.keyframe)
        return [
            Result(frame.index, frame.time_s, keyframe=feedback.keyframe, age_frames=0, kind="server",
                   regions=feedback.found)
        ]  # fmt: skip

    def next_timeout(self):
        return None

    def on_timeout(self, now):
        return []

    def finish(self, now):
        return [Result(frame.index, frame.time_s) for frame in self.owed.values()]


class TinyServer:
    """Asks the oracle about the raw frame; blind for the first ones."""

    frames: list = []  # noqa: RUF012  (set by the test)

    def __init__(self, model, tables=None, *, blind=0):
        self.model, self.blind = model, blind

    def on_hello(self, hello, now):
        from codec import TableSet

        table_set = TableSet.ijg(50)
        return Welcome(
            table_set.id, table_set.to_bytes(), 1.0, 3, ("car", "lorry"), np.zeros((2, 3), np.uint8)
        )

    def on_packet(self, packet, now):
        found = self.model(self.frames[packet.frame]).regions() if packet.frame >= self.blind else ()
        yield Detections(packet.keyframe, HEIGHT, WIDTH, found)


@pytest.fixture
def tiny(street, monkeypatch):
    monkeypatch.setattr(TinyServer, "frames", street.frames)
    ends = registry.System(f"{__name__}:TinyEdge.from_welcome", f"{__name__}:TinyServer")
    monkeypatch.setitem(registry.SYSTEMS, "tiny", ends)


def test_delay_by_hand_on_a_trace(street, oracle, tiny):
    oracle.boxes = [[(20 + 2 * t, 30, 60 + 2 * t, 70)] for t in range(COUNT)]
    bits = 8 * len(wire.encode(Packet(5, 0.5, 6, bytes(1000))))
    # A message takes 0.05 s at first; from 0.25 s on the link carries only a fifth of that.
    link = {"up_bps": [[0, 20 * bits], [0.25, 4 * bits]], "down_bps": 1e12, "delay_s": 0.01, "server_s": 0.02}
    what = make(street, {"tiny": {}}, link=link)
    frames, session = play.make_bench(what).play("tiny", {"size": 1000, "blind": 1})
    assert [frame["inferences"] for frame in frames] == [0, 1, 1, 1, 1, 1]
    sizes = [frame["bytes_up"]["message"] + frame["bytes_up"]["key"] for frame in frames]
    takes = [8 * size / bits for size in sizes]  # 1, and a little less for the first frames
    # Three leave at once, in 0.05 s each; then each waits for the one before it, 0.25 s each.
    left = [0.05 * takes[0], 0.1 + 0.05 * takes[1], 0.2 + 0.05 * takes[2], 0.3 + 0.25 * takes[3]]
    left += [left[3] + 0.25 * takes[4], left[3] + 0.25 * takes[4] + 0.25 * takes[5]]
    # Twice 10 ms on the way and 20 ms for an answer.
    assert [frame["at_s"] for frame in frames] == pytest.approx([one + 0.04 for one in left], abs=2e-6)
    assert [frame["known_s"] for frame in frames] == [[None], *([frame["at_s"]] for frame in frames[1:])]
    assert [frame["strict"] for frame in frames] == [[0, 0, 1], *[[1, 0, 0]] * 5]
    run_record = {"fps": FPS, "task": "detection"}
    point = summary.point_of("x", {**session, "setting": {}}, frames, run_record)
    # One car, there from the first frame on and first seen in the second.
    assert (point["objects"], point["objects_found"]) == (1, 1)
    assert point["response_s"] == pytest.approx(0.1 + 0.05 * takes[1] + 0.04, abs=1e-4)
    waits = [one + 0.04 - t / FPS for t, one in enumerate(left)]
    assert point["box_delay_s"] == pytest.approx(sum(waits[1:]) / 5, abs=1e-4)
    assert point["f1"] == pytest.approx(10 / 11, abs=1e-6)
    assert point["analysed"] == pytest.approx(5 / 6, abs=1e-4)
    up = session["hello_bytes"] + sum(sizes)
    assert point["kbps"] == pytest.approx(8e-3 * up / (COUNT / FPS), abs=1e-3)
    assert point["network_dollars"] == pytest.approx(0.75 * point["kbps"] / 1000, abs=1e-5)
    assert point["server_dollars"] == pytest.approx(0.405 * 5 / 6, abs=1e-4)


def test_parameters_reach_the_end_that_takes_them(street, oracle, tiny, tmp_path):
    what = make(street, {"tiny": {"size": [50, 500]}})
    outcome = run.run(what, tmp_path, jobs=1)
    assert outcome.written == 2 and not outcome.failed
    sizes = {f["bytes_up"]["key"] for f in held(tmp_path, "frame")}
    assert sizes == {50, 500}
    assert {p["setting"]["size"] for p in held(tmp_path, "point")} == {50, 500}
    with pytest.raises(ValueError, match="no parameter colour"):
        run.run(make(street, {"tiny": {"colour": 1}}), tmp_path, jobs=1)


# ---------------------------------------------------------------------------------------- labels of pixels


class LabellingServer(TinyServer):
    """The network's labels of the raw frame, the right half never seen."""

    def on_packet(self, packet, now):
        found = models.labels(self.model, self.frames[packet.frame])
        found[:, WIDTH // 2 :] = 0
        yield PlanUpdate(packet.keyframe, labels=encode_labels(found))


class LabellingEdge(TinyEdge):
    def on_feedback(self, feedback, now):
        frame = self.owed.pop(feedback.keyframe)
        labels = decode_labels(feedback.labels, HEIGHT * WIDTH)
        return [
            Result(frame.index, frame.time_s, labels, keyframe=feedback.keyframe, age_frames=0, kind="server")
        ]


def test_labels_are_held_against_those_on_the_raw_frame(street, tiny, toy, tmp_path, monkeypatch):
    ends = registry.System(f"{__name__}:LabellingEdge.from_welcome", f"{__name__}:LabellingServer")
    monkeypatch.setitem(registry.SYSTEMS, "tiny", ends)
    network = models.load(toy)
    names = network.class_names
    what = make(street, {"tiny": {}}, task="segmentation", model=toy, classes=[names[1], names[2]])
    outcome = run.run(what, tmp_path, jobs=1)
    assert outcome.written == 1 and not outcome.failed
    frames = held(tmp_path, "frame")
    assert all(frame["inferences"] == 1 and set(frame["bytes_down"]) == {"labels"} for frame in frames)
    raw = np.stack([models.labels(network, image) for image in street.frames])
    seen = raw.copy()
    seen[..., WIDTH // 2 :] = 0
    of_class = [((raw == k) & (seen == k)).sum() / ((raw == k) | (seen == k)).sum() for k in (1, 2)]
    (row,) = summary.summarise(summary.groups(tmp_path)[0])["rows"]
    (point,) = row["points"]
    assert point["agreement"] == pytest.approx((raw == seen).mean(), abs=1e-6)
    assert point["iou"] == pytest.approx(np.mean(of_class), abs=1e-6) and point["miou"] is None
    assert main(["table", str(tmp_path)]) == 0
    assert main(["report", str(tmp_path), "-o", str(tmp_path / "report.html"), "--metric", "agreement"]) == 0


# ------------------------------------------------------------------------------------------------- DDS


def test_a_frame_s_record_adds_up(street, oracle, tmp_path):
    run.run(make(street, {"dds": {**DDS, "quality": 85}}), tmp_path, jobs=1, command="stac-eval test")
    frames = held(tmp_path, "frame")
    assert [f["frame"] for f in frames] == list(range(COUNT))
    for frame in frames:
        assert set(frame["bytes_up"]) == {"low", "high", "message"} and frame["bytes_up"]["low"] > 100
        assert set(frame["bytes_down"]) == {"request", "detections"}
        assert frame["inferences"] == 2 and frame["camera_inferences"] == 0
        right, wrong, missed = frame["strict"]
        assert right + wrong == len(frame["boxes"]) and right + missed == len(frame["reference"])
        assert sum(at is not None for at in frame["known_s"]) >= right
    assert sum(f["strict"][0] for f in frames) > sum(len(f["first"]["boxes"]) for f in frames)
    raw = [[round(side, 2) for side in row] for row in street.boxes[0]]
    assert [one[:4] for one in frames[0]["reference"]] == raw


def test_killed_run_continues(street, oracle, tmp_path):
    what = make(street, {"dds": DDS, "dds-static": DDS})
    run.run(what, tmp_path / "whole", jobs=1)

    def dies(done, *_):
        if done >= 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.run(what, tmp_path / "o", jobs=1, progress=dies)
    file = tmp_path / "o" / records.FILE
    assert len(held(tmp_path / "o", "point")) == 3
    file.write_bytes(file.read_bytes()[:-40])  # the last point record is torn, its frames are there
    outcome = run.run(what, tmp_path / "o", jobs=1)
    assert (outcome.present, outcome.written) == (2, 2)
    assert held(tmp_path / "o", "point") == held(tmp_path / "whole", "point")
    rows = [summary.summarise(summary.groups(tmp_path / name)[0], (0.5,))["rows"] for name in ("whole", "o")]
    for one in rows:
        for row in one:
            for p in row["points"]:
                assert p.pop("edge_s") > 0
    assert rows[0] == rows[1] and rows[0][0]["missing"] == 0
    assert run.run(what, tmp_path / "o", jobs=1).written == 0


def test_an_unfinished_row_says_so(street, oracle, tmp_path):
    what = make(street, {"dds": DDS})

    def dies(done, *_):
        if done >= 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.run(what, tmp_path, jobs=1, progress=dies)
    (row,) = summary.summarise(summary.groups(tmp_path)[0])["rows"]
    assert row["missing"] == 1 and len(row["points"]) == 1


def test_table_plot_and_report(street, oracle, tmp_path, capsys, monkeypatch):
    file = tmp_path / "s.toml"
    file.write_text(
        f'kind = "detection"\nset = "street"\nsource = "{street.folder}"\nmodel = "oracle:x"\nfps = {FPS}\n'
        'classes = ["car"]\n[systems.dds]\nscale = 1.0\nquality = [60, 85]\nratio = 8.0\nmax_area = 1.0\n'
        "[systems.nonesuch]\nquality = [1, 2]\n"
    )
    out = str(tmp_path / "o")
    assert main(["run", str(file), "-j", "1", "-o", out]) == 0
    assert "nonesuch is absent: rdct.offload.registry has no system" in capsys.readouterr().err
    assert main(["table", out, "--json", "--reference", "dds", "--accuracy", "0.5,1"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    dds, absent = found["rows"]
    assert dds["percent"][0] == 0 and dds["best"][0] in {p["dial"] for p in dds["points"]}
    assert dds["kbps"][0] == min(p["kbps"] for p in dds["points"] if p["f1"] >= 0.5)
    assert absent["why"] == ["absent", "absent"] and absent["kbps"] == [None, None]
    assert main(["table", out]) == 0
    text = capsys.readouterr().out
    assert "nonesuch: absent: " in text and "inferences a frame" in text
    page = tmp_path / "page.md"
    page.write_text("<!-- begin street -->\n<!-- end street -->\n")
    assert main(["table", out, "--into", str(page), "--section", "street"]) == 0
    assert "Classes that count: car." in page.read_text() and "| dds |" in page.read_text()
    assert main(["plot", out, "-o", str(tmp_path / "curves.svg")]) == 0
    assert (tmp_path / "curves.svg").stat().st_size > 5000
    assert main(["report", out, "-o", str(tmp_path / "report.html")]) == 0
    html = (tmp_path / "report.html").read_text()
    assert html.count("data:image/svg") == 2 and "response ms" in html
    assert main(["table", out, "--metric", "miou"]) == 1
    assert "metric must be one of f1, f1_loose" in capsys.readouterr().err
    assert main(["run", str(file), "-j", "1", "-o", out, "--systems", "webp"]) == 1


def test_a_failing_setting_does_not_stop_the_others(street, oracle, tiny, tmp_path, monkeypatch):
    def fails(self, packet, now):
        raise ZeroDivisionError

    monkeypatch.setattr(TinyServer, "on_packet", fails)
    outcome = run.run(make(street, {"tiny": {"size": 9}, "dds": {**DDS, "quality": 85}}), tmp_path, jobs=1)
    assert outcome.written == 1 and len(outcome.failed) == 1
    assert "tiny, size 9: ZeroDivisionError" in outcome.failed[0]


def test_the_committed_scenarios_load(tmp_path):
    names = sorted(
        path.stem
        for path in scenario.FOLDER.glob("*.toml")
        if 'kind = "detection"' in path.read_text("utf-8")
    )
    assert {"detection-motorway", "detection-roadside", "detection-roadside-trace", "dds-camvid-val"} <= set(
        names
    )
    for name in names:
        what = scenario.load(name, tmp_path)
        assert isinstance(what, detection.DetectionScenario)
        assert "{data}" not in repr(what)
