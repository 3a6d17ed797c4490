"""Systems we have never seen: `FILE.py:FACTORY`, a callable that makes one."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np

from rdct.evaluation.codecs import Coded, Dial, Setup, System

__all__ = ["Foreign", "is_spec", "load"]


def is_spec(name: str) -> bool:
    """Whether a name has the form ``FILE.py:FACTORY``."""
    file, colon, factory = name.rpartition(":")
    return bool(colon and factory) and file.endswith(".py")


class Foreign(System):
    """Somebody else's system, held to the protocol: what breaks it is said by name.

    Parameters
    ----------
    spec : str
        Where it came from, for the messages.
    inner : object
        With ``name``, ``settings``, ``dial``, ``encode`` and ``decode`` as `System` has them.
    source : Path
        Its file; what that holds belongs to the records, so that an edited system is measured anew.
    """

    def __init__(self, spec: str, inner: Any, source: Path) -> None:
        for attribute, kind in (("name", str), ("settings", str), ("dial", Dial)):
            found = getattr(inner, attribute, None)
            if not isinstance(found, kind) or not found:
                raise ValueError(
                    f"system {spec!r} has {attribute} = {found!r}; it must be a {kind.__name__}"
                    f"{'' if kind is str else ' of rdct.evaluation.codecs'} that says something"
                )
        for method in ("encode", "decode"):
            if not callable(getattr(inner, method, None)):
                raise ValueError(f"system {spec!r} has no method {method}; see rdct.evaluation.codecs.System")
        self.spec, self.inner, self.source = spec, inner, source
        self.name, self.settings, self.dial = inner.name, inner.settings, inner.dial
        self.rooms = tuple(getattr(inner, "rooms", ()))

    def encode(self, image: np.ndarray, dial: float) -> bytes:
        data = self.inner.encode(image, dial)
        if not isinstance(data, bytes | bytearray | memoryview) or not len(data):
            raise ValueError(f"system {self.spec!r}: encode gave {type(data).__name__}, not bytes")
        return bytes(data)

    def decode(self, data: bytes) -> np.ndarray:
        return np.asarray(self.inner.decode(data))

    def code(self, image: np.ndarray, dial: float, modes: tuple[str | None, ...]) -> Coded:
        # Read-only: one picture serves every row.
        seen = image.view()
        seen.flags.writeable = False
        return Coded({None: self.encode(seen, dial)}, {})


def load(spec: str, setup: Setup) -> Foreign:
    """Make the system that ``FILE.py:FACTORY`` names; FACTORY is called with the `Setup`.

    The file runs with all the caller's rights, so a spec comes from the command line or a scenario
    that the user chose, never from records or a stream.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        No such callable in it, or what it returned breaks the protocol.
    """
    file, _, factory = spec.rpartition(":")
    source = Path(file)
    if not source.is_file():
        raise FileNotFoundError(f"system {spec!r}: no file {file!r}")
    module_spec = importlib.util.spec_from_file_location(f"rdct_system_{source.stem}", source)
    module = importlib.util.module_from_spec(module_spec)
    # Registered, because dataclasses look a class's module up by name.
    sys.modules[module_spec.name] = module
    module_spec.loader.exec_module(module)
    make = getattr(module, factory, None)
    if not callable(make):
        raise ValueError(f"system {spec!r}: {file} defines no callable {factory!r}")
    return Foreign(spec, make(setup), source)
