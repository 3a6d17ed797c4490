"""What stac-encode and stac-decode do alike: inputs one by one, one JSON row each, errors in one line."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from stac import console
from stac.console import STDIO, Console, Failure, UsageError, one_line

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

__all__ = ["Command", "kilobytes", "png"]


class Command(ABC):
    """Runs over the inputs: one that fails does not stop the others."""

    program: str

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.console = Console(self.program, quiet=args.quiet, verbose=args.verbose)
        self.threads = args.threads or console.available_threads()

    def check_stdout(self) -> None:
        if self.args.out == STDIO and self.args.json:
            raise UsageError("-o - and --json both write to stdout; choose one")

    def check_picture_option(self, option: str, name: str | None, outputs: Sequence[str | None]) -> None:
        if name is None:
            return
        if len(self.args.inputs) > 1:
            raise UsageError(f"{option} draws one picture, but there are {len(self.args.inputs)} inputs")
        if not name.lower().endswith(".png"):
            raise UsageError(f"{option} writes a PNG; {name} must end in .png")
        real = os.path.realpath(name)
        for other in [*self.args.inputs, *(out for out in outputs if out is not None)]:
            if other != STDIO and os.path.realpath(other) == real:
                raise UsageError(f"{option} {name} would replace {other}; choose another name")

    def each(self, outputs: Sequence[str | None]) -> int:
        rows: list[dict] = []
        code = console.OK
        inputs = self.args.inputs
        try:
            for number, (source, out) in enumerate(zip(inputs, outputs, strict=True), 1):
                prefix = f"[{number}/{len(inputs)}] " if len(inputs) > 1 else ""
                self.console.progress(f"{prefix}{source} ...")
                try:
                    rows.append(self.one(source, out))
                except Exception as error:
                    if isinstance(error, BrokenPipeError):
                        raise
                    message = self.explain(error)
                    self.console.error(f"{source}: {message}")
                    rows.append({"input": source, "error": message})
                    code = console.FAILED
        finally:
            self.console.clear()
            if self.args.json:
                console.print_json(rows)
        return code

    @abstractmethod
    def one(self, source: str, out: str | None) -> dict:
        """Do one input; its JSON row."""

    def explain(self, error: Exception) -> str:
        """What to tell of an exception; only those that are no fault of ours are short."""
        from codec import CodecError
        from stac.pictures import PictureError

        if isinstance(error, (Failure, PictureError, CodecError)):
            return one_line(error)
        if isinstance(error, MemoryError):
            return "not enough memory"
        if self.args.verbose:
            import traceback

            self.console.detail(traceback.format_exc().rstrip())
        if isinstance(error, ValueError):
            return one_line(error)
        return f"{type(error).__name__}: {one_line(error)}" + (
            "" if self.args.verbose else " (-v shows where)"
        )


def kilobytes(size: int) -> str:
    """A size for people."""
    return f"{size} bytes" if size < 1000 else f"{size / 1000:.1f} kB"


def png(image) -> bytes:
    """A Pillow image as a file."""
    import io

    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
