"""The record file: what is there stays, what was torn goes, nothing is there twice."""

from __future__ import annotations

import json

import pytest

from rdct.evaluation import records


def point(dial: float = 1, **more) -> dict:
    return {"set": "s", "sha256": "a", "system": "x", "settings": "v1", "dial": dial, "tables": None, **more}


def test_adds_once(tmp_path):
    with records.Records(tmp_path) as file:
        assert file.add("point", point(bytes=5))
        assert not file.add("point", point(bytes=6))
        assert point() in file and point(2) not in file
    with records.Records(tmp_path) as file:
        assert not file.add("point", point())
    assert [r["bytes"] for r in records.read(tmp_path)] == [5]


@pytest.mark.parametrize("field", [name for name in records.KEY])
def test_every_part_of_the_key_tells_points_apart(tmp_path, field):
    with records.Records(tmp_path) as file:
        file.add("point", point())
        assert file.add("point", {**point(), field: "other"})


def test_torn_line_is_cut_off(tmp_path):
    with records.Records(tmp_path) as file:
        file.add("point", point(1))
        file.add("point", point(2))
    path = tmp_path / records.FILE
    path.write_bytes(path.read_bytes()[:-7])
    assert [r["dial"] for r in records.read(tmp_path)] == [1]
    with records.Records(tmp_path) as file:
        assert point(2) not in file
        file.add("point", point(2))
    assert [r["dial"] for r in records.read(tmp_path)] == [1, 2]


def test_one_writer_at_a_time(tmp_path):
    pytest.importorskip("fcntl")
    with records.Records(tmp_path), pytest.raises(BlockingIOError, match="another run"):
        records.Records(tmp_path)


@pytest.mark.parametrize("line", ["not json", "[]", json.dumps({"kind": "point", "version": 99})])
def test_a_file_of_something_else_is_refused(tmp_path, line):
    (tmp_path / records.FILE).write_text(line + "\n")
    with pytest.raises(ValueError, match="line 1"):
        list(records.read(tmp_path))


def test_no_records(tmp_path):
    with pytest.raises(FileNotFoundError, match="stac-eval run"):
        list(records.read(tmp_path))
