"""Still-picture systems behind one protocol: a name, a dial, bytes out, pixels back.

`NAMES` lists the rows of every table, in their order; `build` makes one of them, or says by
`Absent` why this machine cannot. Each family has its own file: `stock` (codecs of others, each
through its maintained library), `own` (everything that goes through our codec), `variants` (rows
for the paper's figures, made when asked for by name), `foreign` (``FILE.py:FACTORY``).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from rdct.vision.models import Model

__all__ = [
    "NAMES", "REFERENCE", "TABLE_MODES", "Absent", "Coded", "Dial", "Setup", "System", "build",
    "check_dials", "check_name", "is_row",
]  # fmt: skip

#: The row that percentages are given against unless another is named.
REFERENCE = "jpeg-turbo-444"
#: How a stream carries its table set: whole, or as the 8-byte id of one that both ends hold.
TABLE_MODES = ("inline", "id")


class Absent(Exception):
    """This system cannot run here (library, tables or room missing); its row says so."""


@dataclass(frozen=True)
class Dial:
    """The one knob of a system that moves its rate.

    Parameters
    ----------
    name : str
        What the library calls it: "quality", "distance", "scale".
    low, high : float
        The useful range, both ends included.
    grid : float
        Values are multiples of this (1 for whole qualities, 1/256 for the stream's Q8.8 scale).
    coordinate : callable
        Of a value: what is roughly linear in log rate. The logarithm, unless told otherwise.
    """

    name: str
    low: float
    high: float
    grid: float = 1.0
    coordinate: Callable[[float], float] = math.log

    def points(self, count: int) -> tuple[float, ...]:
        """At most `count` different values from `low` to `high`, spaced evenly in log rate.

        Fewer come back only where the grid is too coarse for `count` of them.
        """
        if count < 1:
            raise ValueError(f"points must be at least 1, got {count}")
        steps = range(round(self.low / self.grid), round(self.high / self.grid) + 1)
        values = [_plain(step * self.grid) for step in steps]
        at = np.array([self.coordinate(value) for value in values])
        wanted = np.linspace(at[0], at[-1], count)
        nearest = {int(np.argmin(np.abs(at - one))) for one in wanted}
        return tuple(values[index] for index in sorted(nearest))


def _plain(value: float) -> float:
    """Whole numbers as int, so that records read `90`, not `90.0`; others to nine digits."""
    value = round(value, 9)
    return int(value) if value == int(value) else value


@dataclass(frozen=True)
class Coded:
    """What a system made of one picture.

    Attributes
    ----------
    streams : Mapping of str or None to bytes
        By table mode; None for a system without table sets. All decode to the same pixels.
    facts : Mapping
        Small JSON values for the record (the spread of ln rho, the realised sum, ...).
    decoded, labels : numpy.ndarray, optional
        The decoded picture and the network's labels on it, where the system asked for them itself:
        saves asking again for the same pixels.
    """

    streams: Mapping[str | None, bytes]
    facts: Mapping[str, Any]
    decoded: np.ndarray | None = None
    labels: np.ndarray | None = None


class System(ABC):
    """One row of a table.

    Attributes
    ----------
    name : str
        The row's name.
    settings : str
        Library, version and flags: whatever changes the bytes, but for the dial.
    dial : Dial
    table_modes : tuple
        The table modes it can write; ``(None,)`` for a system without table sets.
    table_set : str or None
        Id of the set its plans come from, for the record.
    tables_sha256 : str or None
        Of the file that set and calibration came from.
    rooms : tuple of str
        The packages of ours that make its bytes; their version then belongs to the record.
    source : Path or None
        A file outside of our packages that makes its bytes; likewise.
    """

    name: str
    settings: str
    dial: Dial
    table_modes: tuple[str | None, ...] = (None,)
    table_set: str | None = None
    tables_sha256: str | None = None
    rooms: tuple[str, ...] = ()
    source: Path | None = None

    @abstractmethod
    def encode(self, image: np.ndarray, dial: float) -> bytes:
        """Code RGB uint8 ``[H, W, 3]``; every byte that the decoder needs is in the answer."""

    @abstractmethod
    def decode(self, data: bytes) -> np.ndarray:
        """The uint8 ``[H, W, 3]`` that the network will see."""

    def code(self, image: np.ndarray, dial: float, modes: tuple[str | None, ...]) -> Coded:
        """Code once for each table mode of `modes`; systems without table sets ignore it."""
        return Coded({None: self.encode(image, dial)}, {})

    def parts(self, data: bytes) -> dict[str, int] | None:
        """Bytes by kind (they add up to ``len(data)``), where the format tells."""
        return None


@dataclass(frozen=True)
class Setup:
    """What a system may need besides the picture.

    Attributes
    ----------
    model : Model or None
        The network, for the systems that ask it.
    tables : grace NetworkTables or None
    paper_tables : grace NetworkTables or None
        For the published schemes, where that is another set: of gradients, as they have it.
    """

    model: Model | None = None
    tables: Any = None
    paper_tables: Any = None


def _families() -> dict[str, tuple[str, str]]:
    stock, own = "rdct.evaluation.codecs.stock", "rdct.evaluation.codecs.own"
    return {
        "jpeg-turbo-444": (stock, "jpeg_444"),
        "jpeg-turbo-420": (stock, "jpeg_420"),
        "jpeg-precise-444": (own, "JpegPrecise"),
        "webp": (stock, "WebP"),
        "avif": (stock, "Avif"),
        "jxl": (stock, "JpegXL"),
        "grace": (own, "Grace"),
        "grace-capped": (own, "GraceCapped"),
        "stac-paper": (own, "StacPaper"),
        "stac-fisher": (own, "StacFisher"),
        "stac-fisher-context": (own, "StacFisherContext"),
        "stac-fisher-deadzone": (own, "StacFisherDeadzone"),
        "stac-fisher-trellis": (own, "StacFisherTrellis"),
        "stac-fisher-rate": (own, "StacFisherRate"),
        "stac-fisher-rate-deadzone": (own, "StacFisherRateDeadzone"),
        "stac-margin": (own, "StacMargin"),
        "stac-fisher-balanced": (own, "StacFisherBalanced"),
        "stac-predicted": (own, "StacPredicted"),
        "default": (own, "Default"),
        "default-jpeg": (own, "DefaultJpeg"),
        "default-jpeg-pillow": (own, "DefaultJpegPillow"),
    }


#: The rows of every table unless told otherwise, in its order.
NAMES = tuple(_families())


def is_row(name: str) -> bool:
    """Whether a name is a row of ours: one of `NAMES`, or a variant."""
    from rdct.evaluation.codecs import variants

    return name in NAMES or variants.is_variant(name)


def check_dials(dials: Mapping[str, tuple[float, float]], rows: tuple[str, ...] | None = None) -> None:
    """Raise ValueError unless every entry is a range, and of one of `rows` (where they are known already)."""
    for name, span in dials.items():
        if len(span) != 2 or not 0 < span[0] < span[1]:
            raise ValueError(f"dials: {name} = {list(span)}; give its lowest and its highest value")
    unknown = sorted(set(dials) - set(rows if rows is not None else dials))
    if unknown:
        raise ValueError(f"dials: {', '.join(unknown)} is none of the rows {', '.join(rows)}")


def check_name(name: str) -> None:
    """Raise ValueError unless `build` knows what `name` stands for."""
    from rdct.evaluation.codecs import foreign, variants

    if not (is_row(name) or foreign.is_spec(name)):
        raise ValueError(
            f"unknown system {name!r}; known systems: {', '.join(NAMES)}; {variants.FORMS}; FILE.py:FACTORY"
        )


def build(name: str, setup: Setup) -> System:
    """Make the system of that row name, or the one that ``FILE.py:FACTORY`` makes.

    Raises
    ------
    Absent
        It cannot run here; the message names what is missing.
    ValueError
        No such row, or a foreign system that breaks the protocol.
    """
    import importlib

    from rdct.evaluation.codecs import foreign, variants

    check_name(name)
    try:
        if foreign.is_spec(name):
            return foreign.load(name, setup)
        if name not in NAMES:
            return variants.build(name, setup)
        module, factory = _families()[name]
        return getattr(importlib.import_module(module), factory)(setup)
    except ImportError as error:
        raise Absent(f"not installed here: {error}") from error
