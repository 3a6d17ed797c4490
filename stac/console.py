"""The manners stac-encode and stac-decode share: messages, names of outputs, safe writing.

Data and JSON go to stdout, everything else to stderr. Exit codes: 0 done, 1 something failed,
2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

__all__ = [
    "FAILED",
    "INTERRUPTED",
    "OK",
    "STDIO",
    "USAGE",
    "Console",
    "Failure",
    "UsageError",
    "available_threads",
    "check_free",
    "guarded",
    "is_terminal",
    "one_line",
    "output_paths",
    "plural",
    "print_json",
    "print_text",
    "read_input",
    "write_output",
]

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
STDIO = "-"


class UsageError(Exception):
    """The command line makes no sense; found before any work is done."""


class Failure(Exception):
    """One input cannot be handled; the others may."""


class Console:
    """What a command says, on stderr, as loud as asked for.

    Parameters
    ----------
    program : str
        Stands in front of warnings and errors.
    quiet : bool
        Say nothing but errors.
    verbose : bool
        Say details, too.
    """

    def __init__(self, program: str, *, quiet: bool = False, verbose: bool = False) -> None:
        self.program = program
        self.quiet = quiet
        self.verbose = verbose
        self._progress = ""

    def _write(self, text: str) -> None:
        self.clear()
        stream = sys.stderr
        encoding = getattr(stream, "encoding", None) or "ascii"
        print(text.encode(encoding, "replace").decode(encoding), file=stream, flush=True)

    def say(self, text: str) -> None:
        """The result of the work: a line or more, unless quiet."""
        if not self.quiet:
            self._write(text)

    def detail(self, text: str) -> None:
        """Only with -v."""
        if self.verbose and not self.quiet:
            self._write(text)

    def warn(self, text: str) -> None:
        """Something the user should know, unless quiet."""
        if not self.quiet:
            self._write(f"{self.program}: {text}")

    def error(self, text: str) -> None:
        """Something that went wrong: always said."""
        self._write(f"{self.program}: error: {text}")

    def progress(self, text: str) -> None:
        """A line that the next one replaces; terminals only."""
        if self.quiet or not is_terminal():
            return
        self.clear()
        # A longer line would wrap, and what wrapped could not be taken away.
        text = self._progress = text[: max(shutil.get_terminal_size().columns - 1, 1)]
        print(text, end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Take the progress line away."""
        if self._progress:
            print("\r" + " " * len(self._progress) + "\r", end="", file=sys.stderr, flush=True)
            self._progress = ""

    def can_show(self, text: str) -> bool:
        """Whether stderr has these characters."""
        try:
            text.encode(getattr(sys.stderr, "encoding", None) or "ascii")
        except UnicodeError:
            return False
        return True


def is_terminal() -> bool:
    """Whether stderr is one, so that lines can be taken back."""
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):
        return False


def plural(count: int, word: str) -> str:
    """ "1 input", "2 inputs"."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def one_line(error: Exception) -> str:
    """What an exception says, without line breaks."""
    return " ".join(str(error).split()) or type(error).__name__


def output_paths(inputs: Sequence[str], out: str | None, extension: str) -> list[str]:
    """Where each input's result goes.

    Parameters
    ----------
    inputs : sequence of str
        Paths, or "-" for stdin.
    out : str or None
        None: beside each input, with the new extension. An existing folder, or a name that ends
        in a slash (made if missing): into it. "-": stdout. Else the one output's name.
    extension : str
        With the dot.

    Returns
    -------
    list of str
        "-" stands for stdout.

    Raises
    ------
    UsageError
        Two inputs would go to one place, or an output would replace an input.
    """
    if not inputs:
        raise UsageError("no input given")
    doubled = sorted({name for name in inputs if list(inputs).count(name) > 1})
    if doubled:
        raise UsageError(f"input {doubled[0]} is given more than once")
    is_folder = out is not None and out != STDIO and (out.endswith(("/", os.sep)) or os.path.isdir(out))
    if out is None or is_folder:
        if STDIO in inputs:
            raise UsageError("stdin has no name to derive the output's from; name a file with -o, or -o -")
        folder = None if out is None else Path(out)
        names = []
        for source in inputs:
            path = Path(source)
            names.append(str((path.parent if folder is None else folder) / (path.stem + extension)))
    elif len(inputs) > 1:
        what = "stdout" if out == STDIO else out
        raise UsageError(
            f"{len(inputs)} inputs cannot all go to {what}; give a folder: -o DIR/ "
            "(with the slash it is made if missing)"
        )
    else:
        names = [out]
    _check_distinct(inputs, names)
    return names


def _check_distinct(inputs: Sequence[str], names: Sequence[str]) -> None:
    sources = {os.path.realpath(name): name for name in inputs if name != STDIO}
    seen: dict[str, str] = {}
    for source, name in zip(inputs, names, strict=True):
        if name == STDIO:
            continue
        real = os.path.realpath(name)
        if real in seen:
            raise UsageError(
                f"{seen[real]} and {source} would both become {name}; give them one by one with -o"
            )
        if real in sources:
            raise UsageError(
                f"the output {name} would replace the input {sources[real]}; name another with -o"
            )
        seen[real] = source


def read_input(name: str) -> bytes:
    """The bytes of a file, or of stdin for "-"."""
    try:
        if name == STDIO:
            return sys.stdin.buffer.read()
        with open(name, "rb") as file:
            return file.read()
    except OSError as error:
        raise Failure(f"cannot be read: {error.strerror or error}") from error


def check_free(name: str, force: bool) -> None:
    """Fail early if the output exists and may not be replaced."""
    if name != STDIO and not force and os.path.lexists(name):
        raise Failure(f"{name} exists; -f replaces it")


def write_output(name: str, data: bytes, force: bool) -> None:
    """Write a whole file or none: to a temporary name in the same folder, then renamed.

    Parameters
    ----------
    name : str
        Path, or "-" for stdout. Its folder is made if missing.
    data : bytes
    force : bool
        Whether an existing file is replaced.

    Raises
    ------
    Failure
        The file exists and `force` is false, or it cannot be written.
    """
    if name == STDIO:
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except OSError as error:
            raise Failure(f"stdout cannot be written: {error.strerror or error}") from error
        return
    path = Path(name)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise Failure(f"{name} is a folder")
        try:
            with open(temporary, "xb") as file:
                file.write(data)
            _publish(temporary, path, force)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
    except FileExistsError:
        raise Failure(f"{name} exists; -f replaces it") from None
    except OSError as error:
        raise Failure(f"{name} cannot be written: {error.strerror or error}") from error


def _publish(temporary: Path, path: Path, force: bool) -> None:
    if not force:
        try:
            # Unlike a rename, a link fails if another process made the file in the meantime.
            os.link(temporary, path)
        except FileExistsError:
            raise
        except (OSError, NotImplementedError):
            # No hard links here (FAT, some network file systems).
            if os.path.lexists(path):
                raise FileExistsError(str(path)) from None
        else:
            return
    os.replace(temporary, path)


def print_json(rows: Sequence[dict]) -> None:
    """One JSON array on stdout, a line for each row."""
    lines = ",\n ".join(json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows)
    sys.stdout.buffer.write(f"[{lines}]\n".encode())
    sys.stdout.buffer.flush()


def print_text(text: str) -> None:
    """Text that was asked for, on stdout."""
    sys.stdout.buffer.write(f"{text}\n".encode())
    sys.stdout.buffer.flush()


def available_threads() -> int:
    """Processors this process may use, 1..256."""
    try:
        number = len(os.sched_getaffinity(0))
    except AttributeError:
        number = os.cpu_count() or 1
    return min(number, 256)


def guarded(program: str, run: Callable[[], int]) -> int:
    """Run a command's body and turn what ends it early into an exit code."""
    try:
        return run()
    except UsageError as error:
        print(f"{program}: error: {error}\nTry '{program} --help'.", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print(f"\n{program}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our stdout has gone; keep the interpreter from complaining at exit.
        _silence_stdout()
        return FAILED


def _silence_stdout() -> None:
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
