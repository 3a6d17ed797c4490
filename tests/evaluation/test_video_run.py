"""Videos end to end on a toy network and a panning clip: whole, resumable, and what the records say holds."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from rdct.evaluation import records, scenario
from rdct.evaluation.video import play, run, summary, systems
from rdct.evaluation.video import scenario as video

COUNT, HEIGHT, WIDTH = 12, 72, 96
pytest.importorskip("av", reason="H.264 needs PyAV")


@pytest.fixture
def clip(tmp_path):
    """A folder of 12 frames that pan over one picture, with a cut in the middle, and one of their labels."""
    rng = np.random.default_rng(7)
    frames, labels = tmp_path / "frames", tmp_path / "truth"
    frames.mkdir()
    labels.mkdir()
    scenes = []
    for _ in range(2):
        small = rng.uniform(30, 225, (9, 14, 3)).astype(np.uint8)
        scenes.append(np.asarray(Image.fromarray(small).resize((160, 96), Image.BICUBIC)))
    for index in range(COUNT):
        scene = scenes[index >= COUNT // 2]
        image = scene[8 : 8 + HEIGHT, 3 * index : 3 * index + WIDTH]
        image = np.clip(image + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)
        Image.fromarray(image).save(frames / f"f{index}.png")
        Image.fromarray(image.argmax(-1).astype(np.uint8)).save(labels / f"f{index}.png")
    return frames, labels


def make(clip, toy, tables, **more) -> video.VideoScenario:
    values = {"source": clip[0], "labels": clip[1], "model": toy, "tables": tables, "fps": 10, "points": 2}
    return video.make(**{**values, **more})


def held(folder, kind: str) -> list[dict]:
    found = [r for r in records.read(folder) if r["kind"] == kind]
    timeless = [{k: v for k, v in r.items() if k not in ("edge_s", "server_s")} for r in found]
    return sorted(timeless, key=lambda r: (r["point"], r.get("frame", 0)))


def test_every_system_end_to_end(tmp_path, clip, toy, tables):
    what = make(clip, toy, tables, points=6)
    outcome = run.run(what, tmp_path / "o", jobs=1, command="stac-eval test")
    assert not outcome.failed and not outcome.absent
    assert outcome.written == 6 * len(systems.NAMES)
    (group,) = summary.groups(tmp_path / "o")
    found = {row["codec"]: row for row in summary.summarise(group, (0.8,))["rows"]}
    assert tuple(found) == systems.NAMES
    sent = {name: {p["keyframes"] for p in row["points"]} for name, row in found.items()}
    assert sent.pop("h264-all") == {COUNT}
    # One trigger for all: the first frame and the cut, and not every frame.
    assert len({frozenset(one) for one in sent.values()}) == 1
    assert all(2 <= count < COUNT for one in sent.values() for count in one)
    for row in found.values():
        for p in row["points"]:
            assert p["unlabelled"] == 0 and 0.3 < p["agreement"] <= 1 and 0 < p["miou"] <= 1
            assert p["kbps"] > 0 and p["kbps_down"] > 0
    # The same pixels, so the same answers, in fewer bytes.
    for paper, default in zip(found["stac-paper"]["points"], found["default"]["points"], strict=True):
        assert paper["agreement"] == default["agreement"] and paper["kbps"] > default["kbps"]
    rates = {name: [p["kbps"] for p in row["points"]] for name, row in found.items()}
    assert all(a < b for a, b in zip(rates["h264-keyframes"], rates["h264-intra"], strict=True))


def test_a_record_says_what_happened(tmp_path, clip, toy, tables):
    from rdct.vision import metrics, models

    what = make(clip, toy, tables, systems=["jpeg-turbo-444"], points=1)
    run.run(what, tmp_path / "o", jobs=1)
    frames = held(tmp_path / "o", "frame")
    assert [f["frame"] for f in frames] == list(range(COUNT))
    model = models.load(toy)
    image = np.asarray(Image.open(clip[0] / "f0.png"))
    still = systems.build_still("jpeg-turbo-444", systems.Setup())
    (plan,) = [r for r in records.read(tmp_path / "o") if r["kind"] == "run"]
    data = still.encode(image, plan["systems"]["jpeg-turbo-444"]["dials"][0])
    labels, raw = models.labels(model, still.decode(data)), models.labels(model, image)
    first = frames[0]
    assert first["bytes_up"]["stream"] == len(data) and 8 < first["bytes_up"]["message"] < 64
    assert first["result"] == "server" and first["age_frames"] == 0 and first["delay_s"] == 0
    assert first["raw_confusion"] == metrics.confusion(labels, raw, 3, None).ravel().tolist()
    truth = np.asarray(Image.open(clip[1] / "f0.png"))
    assert first["truth_confusion"] == metrics.confusion(labels, truth, 3, None).ravel().tolist()
    between = [f for f in frames if f["keyframe"] is None]
    assert between and all(not f["bytes_up"] and f["result"] == "propagated" for f in between)
    assert frames[COUNT // 2]["keyframe"] is not None, "the cut must be a keyframe"


def test_kilobits_are_bytes_over_time(tmp_path, clip, toy, tables):
    run.run(make(clip, toy, tables, systems=["grace"], points=1), tmp_path / "o", jobs=1)
    (point,) = held(tmp_path / "o", "point")
    up = point["hello_bytes"] + sum(sum(f["bytes_up"].values()) for f in held(tmp_path / "o", "frame"))
    (group,) = summary.groups(tmp_path / "o")
    (row,) = summary.summarise(group)["rows"]
    assert row["points"][0]["kbps"] == pytest.approx(8 * up / 1000 / (COUNT / 10), abs=1e-3)
    assert row["points"][0]["keyframes_per_s"] == pytest.approx(row["points"][0]["keyframes"] / 1.2, abs=1e-3)


def test_killed_run_continues(tmp_path, clip, toy, tables):
    what = make(clip, toy, tables, systems=["jpeg-turbo-444", "stac-paper", "default"])
    run.run(what, tmp_path / "whole", jobs=1)

    def dies(done, *_):
        if done >= 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.run(what, tmp_path / "o", jobs=1, progress=dies)
    file = tmp_path / "o" / records.FILE
    assert 0 < len(held(tmp_path / "o", "point")) < 6
    file.write_bytes(file.read_bytes()[:-40])  # the last point record is torn, its frames are there
    outcome = run.run(what, tmp_path / "o", jobs=1)
    assert outcome.present > 0 and outcome.present + outcome.written == 6
    assert held(tmp_path / "o", "point") == held(tmp_path / "whole", "point")
    whole, again = (summary.groups(tmp_path / name)[0] for name in ("whole", "o"))
    rows = [summary.summarise(one, (0.9,))["rows"] for one in (whole, again)]
    for one in rows:
        for row in one:
            for p in row["points"]:
                assert p.pop("edge_s") > 0 and p.pop("labels_s") > 0
                p.pop("levels_s")
    assert rows[0] == rows[1]
    assert run.run(what, tmp_path / "o", jobs=1).written == 0


@pytest.mark.slow
def test_two_workers_measure_the_same(tmp_path, clip, toy, tables):
    what = make(clip, toy, tables, systems=["jpeg-turbo-444", "grace"])
    run.run(what, tmp_path / "one", jobs=1)
    run.run(what, tmp_path / "two", jobs=2)
    assert held(tmp_path / "one", "frame") == held(tmp_path / "two", "frame")


def test_a_dial_of_another_range(tmp_path, clip, toy, tables):
    dials = {"jpeg-turbo-444": [50, 96], "h264-all": [13, 38]}  # the latter of a row left out of this run
    what = make(clip, toy, tables, systems=["jpeg-turbo-444", "grace"], dials=dials)
    run.run(what, tmp_path / "o", jobs=1)
    (group,) = summary.groups(tmp_path / "o")
    dials = {
        row["codec"]: [p["dial"] for p in row["points"]] for row in summary.summarise(group, (0.9,))["rows"]
    }
    assert dials == {"jpeg-turbo-444": [50, 96], "grace": [0.125, 4]}


def test_a_failing_point_does_not_stop_the_others(tmp_path, clip, toy, tables, monkeypatch):
    monkeypatch.setattr(systems.Jpeg, "parts", lambda self, payload: 1 / 0)
    what = make(clip, toy, tables, systems=["jpeg-turbo-444", "h264-intra"], points=1)
    outcome = run.run(what, tmp_path / "o", jobs=1)
    assert outcome.written == 1 and len(outcome.failed) == 1 and "ZeroDivisionError" in outcome.failed[0]


def test_absent_pyav_keeps_its_row(tmp_path, clip, toy, tables, monkeypatch):
    def missing():
        raise ImportError("No module named 'av'")

    monkeypatch.setattr(systems.h264, "settings", missing)
    what = make(clip, toy, tables, systems=["jpeg-turbo-444", "h264-all"], points=1)
    outcome = run.run(what, tmp_path / "o", jobs=1)
    assert not outcome.failed and "av" in outcome.absent["h264-all"]
    (group,) = summary.groups(tmp_path / "o")
    row = summary.summarise(group, (0.9,))["rows"][-1]
    assert row["codec"] == "h264-all" and row["settings"].startswith("absent") and row["why"] == ["absent"]


def test_a_link_delays_labels(tmp_path, clip, toy, tables):
    link = {"up_bps": 1e6, "down_bps": 1e6, "delay_s": 0.15, "labels_s": 0.05}
    what = make(clip, toy, tables, systems=["stac-paper", "h264-all"], points=1, link=link)
    bench = play.make_bench(what)
    frames, _ = bench.play(systems.build("stac-paper", bench.setup), 1.0)
    again, _ = bench.play(systems.build("stac-paper", bench.setup), 1.0)
    assert [f["bytes_up"] for f in frames] == [f["bytes_up"] for f in again]
    # 0.35 s there and back at 10 frames a second: nothing is known of the first frames.
    assert [f["result"] for f in frames[:4]] == ["none"] * 4 and frames[4]["age_frames"] == 4
    classes = 3
    matrix = np.array(frames[0]["raw_confusion"]).reshape(classes, classes + 1)
    assert matrix[:, :classes].sum() == 0 and matrix.sum() == HEIGHT * WIDTH
    run.run(what, tmp_path / "o", jobs=1)
    (group,) = summary.groups(tmp_path / "o")
    for row in summary.summarise(group, (0.5,))["rows"]:
        (p,) = row["points"]
        assert p["unlabelled"] >= 4 and p["freshness_mean_s"] > 0.35 and p["delay_mean_s"] < 0.05


def test_the_committed_scenarios_load(tmp_path):
    names = ["table-1", *sorted(path.stem for path in scenario.FOLDER.glob("video-*.toml"))]
    assert "video-camvid-val" in names and "video-camvid-val-espnet" in names
    for name in names:
        what = scenario.load(name, tmp_path)
        assert isinstance(what, video.VideoScenario) and what.points == 6
        assert "{data}" not in json.dumps([what.source, what.model, str(what.labels)])


@pytest.mark.parametrize(
    "values, word",
    [
        ({"systems": ["webp"]}, "webp"),
        ({"points": 0}, "points"),
        ({"limit": 0}, "limit"),
        ({"size": [4, 4]}, "size"),
        ({"link": {"bps": 1}}, "bps"),
        ({"dials": {"grace": [4, 1]}}, "lowest and its highest"),
        ({"dials": {"webp": [1, 4]}}, "webp is none of the rows"),
    ],
)
def test_what_a_scenario_refuses(values, word):
    with pytest.raises(ValueError, match=word):
        video.make(source="clip.mp4", model="m", **values)


def test_a_file_of_the_wrong_kind(tmp_path):
    path = tmp_path / "s.toml"
    path.write_text('kind = "film"\nsource = "x"\nmodel = "m"\n')
    with pytest.raises(ValueError, match="film"):
        scenario.load(str(path))
    path.write_text('kind = "video"\nimages = "x"\nmodel = "m"\n')
    with pytest.raises(ValueError, match="images"):
        scenario.load(str(path))
    path.write_text('kind = "video"\nmodel = "m"\n')
    with pytest.raises(ValueError, match="lacks source"):
        scenario.load(str(path))
