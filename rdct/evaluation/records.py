"""The records of a run: one JSON line for each picture, system and dial, and nothing derived.

A line is written whole by one call, by one process; a run that was killed leaves at most one torn
last line, which the next run cuts off. What is already on record is not computed again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["FILE", "KEY", "Records", "key_of", "medium", "read"]

FILE = "records.jsonl"
VERSION = 1

#: What makes a point the same point. Anything else in a record follows from these.
KEY = (
    "set", "sha256", "truth_sha256", "system", "settings", "dial", "tables", "table_set",
    "tables_sha256", "model", "weights", "code", "resize",
)  # fmt: skip


def key_of(record: dict[str, Any]) -> tuple:
    """The identity of a point record."""
    return tuple(record.get(name) for name in KEY)


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Every whole record of a folder, in the order written.

    Raises
    ------
    FileNotFoundError
        No records there.
    ValueError
        A line that is no record of this version (a torn last line is passed over).
    """
    path = Path(folder) / FILE
    if not path.is_file():
        raise FileNotFoundError(f"no {FILE} in {folder}; make it with stac-eval run ... -o {folder}")
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                record = json.loads(line)
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: not JSON ({error})") from error
            if not isinstance(record, dict) or record.get("version") != VERSION:
                raise ValueError(f"{path}, line {number}: no record of version {VERSION}")
            yield record


def medium(folder: Path) -> str:
    """What a folder's records are of: "stills", "video" or "detection".

    Raises
    ------
    ValueError
        Of several; a folder takes one.
    """
    kinds = {record.get("medium", "stills") for record in read(folder) if record["kind"] == "run"}
    if len(kinds) > 1:
        raise ValueError(f"{folder} holds runs on {' and on '.join(sorted(kinds))}; use a folder for each")
    return kinds.pop() if kinds else "stills"


class Records:
    """The record file of one folder, open for adding.

    Parameters
    ----------
    folder : Path
        Made if need be.

    Raises
    ------
    BlockingIOError
        Another run is writing there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.path = self.folder / FILE
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            _lock(self._file, self.path)
            self._cut_torn_line()
            self.keys = {key_of(r) for r in read(self.folder) if r["kind"] == "point"}
        except BaseException:
            os.close(self._file)
            raise

    def _cut_torn_line(self) -> None:
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.ftruncate(self._file, whole)

    def __contains__(self, record: dict[str, Any]) -> bool:
        return key_of(record) in self.keys

    def add(self, kind: str, record: dict[str, Any]) -> bool:
        """Append one record; a point that is there already is passed over (returns False)."""
        record = {"kind": kind, "version": VERSION, **record}
        if kind == "point":
            if record in self:
                return False
            self.keys.add(key_of(record))
        line = json.dumps(record, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        written = os.write(self._file, line)
        if written != len(line):
            raise OSError(f"{self.path}: only {written} of {len(line)} bytes were written (disk full?)")
        return True

    def close(self) -> None:
        os.close(self._file)

    def __enter__(self) -> Records:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _lock(file: int, path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows: no two runs at once is then the user's care
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BlockingIOError(f"another run is writing to {path}") from error
