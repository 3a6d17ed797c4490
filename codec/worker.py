# SPDX-License-Identifier: Apache-2.0
"""What encoders and decoders keep from one picture to the next: memory and threads."""

from __future__ import annotations

from codec import _core, arguments

__all__ = ["Worker"]


class Worker:
    """Scratch memory and a pool of threads, for one call at a time."""

    def __init__(self, *, threads: int = 1, cpu: str = "auto") -> None:
        self._context = _core.Context(
            arguments.integer("threads", threads, 1, 256), arguments.choice("cpu", cpu, _core.CPUS)
        )

    @property
    def threads(self) -> int:
        """Number of threads."""
        return self._context.threads

    @property
    def cpu(self) -> str:
        """The instruction set in use: "c", "ssse3", ..."""
        return self._context.cpu
