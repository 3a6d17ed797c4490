# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, as exceptions that are also the builtin a caller would catch anyway.

========================  ===========================  ==========================================
exception                 also a                       attributes
========================  ===========================  ==========================================
`ValueError`, `TypeError`                              an argument broke a rule; the text names it
`BufferTooSmallError`     `ValueError`                 ``needed``, ``limit``
`TruncatedError`          `BitstreamError`             ``offset``, ``slice``, ``rule``
`CorruptError`            `BitstreamError`             ``offset``, ``slice``, ``rule``
`UnsupportedError`        `NotImplementedError`        ``rule``, ``offset``
`LimitError`              `ValueError`                 ``limit``, ``actual``, ``rule``
`MemoryError`
`InternalError`           `RuntimeError`               a defect of this library: please report it
========================  ===========================  ==========================================

A stream whose table set was not given is a `ValueError` with ``rule`` "missing_table_set"; a refinement
stream whose base was not given, one with "missing_refine_base".
"""

from __future__ import annotations

__all__ = [
    "BitstreamError",
    "BufferTooSmallError",
    "CodecError",
    "CorruptError",
    "InternalError",
    "LimitError",
    "TruncatedError",
    "UnsupportedError",
]


class CodecError(Exception):
    """Base of all errors of this package that are not plain argument errors.

    Attributes
    ----------
    rule : str
        Short stable name of the broken rule, such as ``"header_crc"``; empty when none applies.
    offset : int or None
        Byte offset in the stream.
    slice : int or None
        Index of the slice, None outside a slice.
    limit, actual : int or None
        The limit that was applied and the value that passed it.
    """

    rule: str = ""
    offset: int | None = None
    slice: int | None = None
    limit: int | None = None
    actual: int | None = None


class BufferTooSmallError(CodecError, ValueError):
    """The buffer to write into holds fewer bytes than the result has.

    Attributes
    ----------
    needed : int
        Bytes the result has; `limit` is the capacity that was offered.
    """

    @property
    def needed(self) -> int | None:
        return self.actual


class BitstreamError(CodecError, ValueError):
    """The data is no stream this package wrote: `offset`, `slice` and `rule` say where and why."""


class TruncatedError(BitstreamError):
    """The stream ends before it is complete."""


class CorruptError(BitstreamError):
    """The stream breaks the rule `rule` at byte `offset`."""


class UnsupportedError(CodecError, NotImplementedError):
    """Well-formed, but of a kind this version does not read or write."""


class LimitError(CodecError, ValueError):
    """A limit of the caller was passed: `actual` is above `limit`. Nothing was allocated."""


class InternalError(CodecError, RuntimeError):
    """A defect of this library."""


#: The statuses of csrc/include/rdct.h. 10 and 60 are the builtins themselves.
_BY_STATUS: dict[int, type[Exception]] = {
    10: ValueError,
    20: BufferTooSmallError,
    30: TruncatedError,
    31: CorruptError,
    40: UnsupportedError,
    50: LimitError,
    60: MemoryError,
    90: InternalError,
}


def from_status(
    status: int,
    message: str,
    *,
    rule: str = "",
    offset: int = -1,
    slice: int = -1,
    limit: int = 0,
    actual: int = 0,
) -> Exception:
    """Make the exception for a status of the C core; `_core.check` raises it."""
    kind = _BY_STATUS.get(status, InternalError)
    where = [f"rule {rule}"] if rule and issubclass(kind, CodecError) else []
    if offset >= 0:
        where.append(f"byte {offset}")
    if slice >= 0:
        where.append(f"slice {slice}")
    error = kind(f"{message} ({', '.join(where)})" if where else message)
    error.rule = rule  # type: ignore[attr-defined]  # argument errors of the C core have it too
    if isinstance(error, CodecError):
        error.offset = offset if offset >= 0 else None
        error.slice = slice if slice >= 0 else None
        if isinstance(error, (LimitError, BufferTooSmallError)):
            error.limit, error.actual = limit, actual
    return error
