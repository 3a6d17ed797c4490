"""Resuming: what is finished stays, torn lines and foreign files do no harm."""

from __future__ import annotations

import pytest

from grace.state import State


def test_interrupted_work_is_found_again(tmp_path):
    path = tmp_path / "x.state"
    with pytest.raises(KeyboardInterrupt), State(path, {"a": 1}) as state:
        state.put("one", [1, 2.5])
        state.put("two", {"x": 0.1})
        raise KeyboardInterrupt
    assert path.exists()
    with path.open("a") as file:
        file.write('{"key": "three", "val')
    with State(path, {"a": 1}) as state:
        assert state.resumed == 2 and not state.discarded
        assert state.get("one") == [1, 2.5] and state.get("two") == {"x": 0.1}
        assert state.get("three") is None
        state.put("three", 3)
    assert not path.exists()


def test_other_work_starts_over(tmp_path):
    path = tmp_path / "x.state"
    with pytest.raises(RuntimeError), State(path, {"a": 1}) as state:
        state.put("one", 1)
        raise RuntimeError
    with State(path, {"a": 2}) as state:
        assert state.discarded and state.resumed == 0 and state.get("one") is None


def test_a_foreign_file_is_not_touched(tmp_path):
    path = tmp_path / "x.state"
    path.write_text("precious\n")
    with pytest.raises(ValueError, match="no build state"):
        State(path, {})
    assert path.read_text() == "precious\n"


def test_without_a_file():
    with State(None, {}) as state:
        state.put("k", 1)
        assert state.get("k") == 1 and state.resumed == 0
