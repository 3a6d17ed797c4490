"""Runs end to end on a toy network: complete, resumable, and equal however they were split."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rdct.evaluation import measure, records, run, scenario, summary
from rdct.vision import metrics

STOCK = ("jpeg-turbo-444", "webp")


def make(pictures, toy, **more) -> scenario.Scenario:
    images, labels = pictures
    values = {"images": images, "labels": labels, "model": toy, "systems": STOCK, "points": 6}
    return scenario.make(**{**values, **more})


def points(folder) -> list[dict]:
    found = [r for r in records.read(folder) if r["kind"] == "point"]
    timeless = [{k: v for k, v in r.items() if not k.endswith("_s")} for r in found]
    return sorted(timeless, key=lambda r: (r["picture"], r["system"], r["dial"], r["tables"] or ""))


def test_every_system_end_to_end(tmp_path, pictures, toy, tables):
    from rdct.evaluation.codecs import NAMES

    what = make(pictures, toy, systems=NAMES, tables=tables)
    outcome = run.run(what, tmp_path / "o", jobs=1, command="stac-eval test")
    assert not outcome.failed and outcome.present == 0
    (group,) = summary.groups(tmp_path / "o")
    assert {c.system for c in group.curves} == set(NAMES) - set(outcome.absent)
    found = summary.summarise(group, (0.95,), resamples=20)
    assert found["pictures"] == 2
    for row in found["rows"]:
        for point in row["points"]:
            assert 0 < point["bpp"] < 24 and 0.3 < point["agreement"] <= 1 and 0 < point["miou"] <= 1
    inline, by_id = (next(c for c in group.curves if c.label == f"grace ({m})") for m in ("inline", "id"))
    assert np.all(inline.bits > by_id.bits) and np.array_equal(inline.raw, by_id.raw)
    spread = [
        p["facts"]["ln_rho_std"] for r in found["rows"] if r["codec"] == "stac-paper" for p in r["points"]
    ]
    assert len(spread) == 12 and min(spread) > 0


def test_records_say_what_was_measured(tmp_path, pictures, toy):
    what = make(pictures, toy, systems=["jpeg-turbo-444"])
    run.run(what, tmp_path / "o", jobs=1)
    setup = measure.make_setup(toy, None)
    from rdct.evaluation import codecs
    from rdct.evaluation import pictures as reading
    from rdct.vision.models import labels

    record = points(tmp_path / "o")[3]
    path = pictures[0] / f"{record['picture']}.png"
    image = reading.read_picture(path)
    system = codecs.build("jpeg-turbo-444", setup)
    data = system.encode(image, record["dial"])
    decoded = system.decode(data)
    raw, new = labels(setup.model, image), labels(setup.model, decoded)
    assert record["bytes"] == len(data)
    assert record["agreement"] == metrics.agreement(new, raw)
    matrix = np.array(record["raw_confusion"]).reshape(3, 4)
    assert np.trace(matrix) / matrix.sum() == record["agreement"]
    truth = reading.read_labels(pictures[1] / path.name, image.shape[:2])
    assert record["truth_confusion"] == metrics.confusion(new, truth, 3, None).ravel().tolist()


def test_killed_run_continues(tmp_path, pictures, toy, monkeypatch):
    what = make(pictures, toy)
    run.run(what, tmp_path / "whole", jobs=1)

    calls = []

    def dies(*_):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.run(what, tmp_path / "o", jobs=1, progress=dies)
    file = tmp_path / "o" / records.FILE
    before = len(points(tmp_path / "o"))
    assert 0 < before < 24
    file.write_bytes(file.read_bytes()[:-100])  # as if the power had gone in the middle of a line
    outcome = run.run(what, tmp_path / "o", jobs=1)
    assert outcome.present == before - 1 and outcome.written == 24 - outcome.present
    assert points(tmp_path / "o") == points(tmp_path / "whole")
    again = run.run(what, tmp_path / "o", jobs=1)
    assert again.written == 0 and again.present == 24 and len(points(tmp_path / "o")) == 24


def test_two_workers_measure_the_same(tmp_path, pictures, toy):
    what = make(pictures, toy, systems=["jpeg-turbo-444"])
    run.run(what, tmp_path / "one", jobs=1)
    run.run(what, tmp_path / "two", jobs=2)
    assert points(tmp_path / "one") == points(tmp_path / "two")


def test_one_bad_picture_does_not_stop_the_others(tmp_path, pictures, toy):
    (pictures[0] / "p1.png").write_bytes(b"no picture")
    outcome = run.run(make(pictures, toy), tmp_path / "o", jobs=1)
    assert len(outcome.failed) == 2 and "p1" in outcome.failed[0]
    assert {r["picture"] for r in points(tmp_path / "o")} == {"p2"}


def test_absent_system_is_on_record(tmp_path, pictures, toy):
    outcome = run.run(make(pictures, toy, systems=["grace", "webp"]), tmp_path / "o", jobs=1)
    assert "tables" in outcome.absent["grace"]
    first = json.loads((tmp_path / "o" / records.FILE).read_text().splitlines()[0])
    assert first["kind"] == "run" and "grace" in first["absent"] and first["versions"]["numpy"]


def test_other_weights_are_measured_anew(tmp_path, pictures, toy):
    what = make(pictures, toy, systems=["jpeg-turbo-444"])
    assert run.run(what, tmp_path / "o", jobs=1).written == 12
    path = Path(toy.rpartition(":")[0])
    path.write_text(path.read_text().replace("1 / 25", "1 / 26"))
    assert run.run(what, tmp_path / "o", jobs=1).written == 12
    (group,) = summary.groups(tmp_path / "o")
    assert len(group.curves) == 1 and len(group.curves[0].dials) == 6


def test_ignored_class_is_a_miss_not_a_class():
    pred = np.array([[0, 1, 2, 2]])
    truth = np.array([[0, 1, 1, 2]])
    matrix = measure.fold_ignored(metrics.confusion(pred, truth, 3, ignore=2), 2)
    assert matrix.tolist() == [[1, 0, 0], [0, 1, 1]]
    assert metrics.miou(matrix) == 0.75


def test_scenario_files(tmp_path):
    for path in scenario.FOLDER.glob("*.toml"):
        detects = 'kind = "detection"' in path.read_text()  # such systems have no tables of a network
        found = scenario.load(path.stem, tmp_path, limit=5, **({} if detects else {"tables": "t.rdts"}))
        source = getattr(found, "images", None) or found.source  # pictures or a video
        assert found.limit == 5 and str(tmp_path) in str(source)
    with pytest.raises(ValueError, match="--data"):
        scenario.load("camvid-val-espnet")
    with pytest.raises(FileNotFoundError, match="camvid-val-espnet"):
        scenario.load("nothing")
    (tmp_path / "s.toml").write_text('images = "a"\nmodel = "m"\nspeed = 3\n')
    with pytest.raises(ValueError, match="speed"):
        scenario.load(str(tmp_path / "s.toml"))
    (tmp_path / "s.toml").write_text('images = "a"\nmodel = "m"\nsystems = ["x"]\n')
    with pytest.raises(ValueError, match="unknown system 'x'"):
        scenario.load(str(tmp_path / "s.toml"))


def test_limit_spreads(tmp_path):
    from rdct.evaluation.pictures import find

    for index in range(10):
        (tmp_path / f"{index}.png").touch()
    assert [p.name for p in find(tmp_path, limit=3)] == ["0", "3", "6"]
    assert len(find(tmp_path, limit=99)) == 10
    named = tuple(sorted(tmp_path.glob("*.png")))
    chosen = scenario.make(images=named, model="m", limit=3).pictures()
    assert [p.name for p in chosen] == ["0", "3", "6"]


def test_dials_may_name_rows_that_are_left_out(tmp_path, pictures, toy):
    def dialled(name: str):
        dials = {name: (20, 40)}
        return scenario.make(images=pictures[0], model=toy, systems=["webp"], points=1, dials=dials)

    assert run.run(dialled("jpeg-turbo-444"), tmp_path / "o", jobs=1).written == 2
    with pytest.raises(ValueError, match="jpeg-tubro is none of the rows"):
        run.run(dialled("jpeg-tubro"), tmp_path / "o", jobs=1)
