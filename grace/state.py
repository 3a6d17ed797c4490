"""The state file of a build that may be interrupted: one JSON object a line, appended.

A line is complete or it is the last one and ignored, so a build killed at any moment resumes with
all that was finished. The first line names the work; a file of other work is not reused.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType

__all__ = ["State"]

_FORMAT = "rdct-build-state"


class State:
    """Finished pieces of work by key; kept in memory only when `path` is None.

    Parameters
    ----------
    path : Path or None
        The file.
    work : dict
        What the pieces belong to. JSON values only.
    """

    def __init__(self, path: Path | None, work: dict) -> None:
        self._done: dict[str, object] = {}
        self._file = None
        self.path = path
        #: Pieces found in the file, and whether a file of other work was thrown away.
        self.resumed = 0
        self.discarded = False
        if path is None:
            return
        header = {"format": _FORMAT, "version": 1, "work": work}
        lines = _lines(path)
        if lines and lines[0] == header:
            for line in lines[1:]:
                if isinstance(line, dict) and isinstance(line.get("key"), str):
                    self._done[line["key"]] = line.get("value")
            self.resumed = len(self._done)
        elif path.exists():
            if not lines or not isinstance(lines[0], dict) or lines[0].get("format") != _FORMAT:
                if path.stat().st_size:
                    raise ValueError(f"{path} exists and is no build state; remove it or rename it")
            self.discarded = bool(lines)
        # Written anew, so that a torn last line is gone.
        self._file = path.open("w", encoding="utf-8")
        self._write(header)
        for key, value in self._done.items():
            self._write({"key": key, "value": value})

    def get(self, key: str) -> object | None:
        return self._done.get(key)

    def put(self, key: str, value: object) -> None:
        self._done[key] = value
        if self._file is not None:
            self._write({"key": key, "value": value})

    def _write(self, line: dict) -> None:
        self._file.write(json.dumps(line, allow_nan=False, separators=(",", ":")) + "\n")
        self._file.flush()

    def __enter__(self) -> State:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close; remove the file when the work came to its end."""
        if self._file is not None:
            self._file.close()
            if kind is None:
                self.path.unlink(missing_ok=True)


def _lines(path: Path) -> list[object]:
    if not path.exists():
        return []
    lines = []
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]:
        try:
            lines.append(json.loads(line))
        except ValueError:
            break
    return lines
