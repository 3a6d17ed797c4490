"""A network's table set with what it was made from, and its file (.rdts, JSON)."""

from __future__ import annotations

import base64
import binascii
import json
import math
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from codec import TableSet
from grace.predictor import SensitivityPredictor
from grace.tables import MAX_STEP, capped_table, level_budgets, rounded_steps

__all__ = ["DATA", "NetworkTables", "load_tables"]

DATA = Path(__file__).with_name("data")
SUFFIX = ".rdts"
_FORMAT = "rdct-network-tables"
_VERSION = 1
_MAX_FILE_BYTES = 8 << 20
_WEIGHTS = {"444": (1, 1, 1), "422": (2, 1, 1), "420": (4, 1, 1)}
#: What a calibration can be for: one table throughout, or levels chosen region by region.
USES = ("uniform", "regions")
_MIN_SCALE, _MAX_SCALE = 1 / 256, 65535 / 256


@dataclass(frozen=True, eq=False)
class NetworkTables:
    """Quantisation tables for one network, made by `grace.build_table_set`.

    Attributes
    ----------
    table_set : codec.TableSet
        Logarithmic form. Its steps lie within 2.2 % (then rounded) of the exact ones.
    mean_gradient : numpy.ndarray
        float64 ``[3, 8, 8]``: gbar, mean \\|g\\| of the loss per pixel.
    mean_coefficient : numpy.ndarray
        float64 ``[3, 8, 8]``: mean \\|s\\|.
    coefficients : float
        M of the pictures that `mean_gradient` speaks of; M gbar holds for any size.
    budget : float
        B, which the middle level carries.
    rho : float
        Levels reach from B / rho to nearly B * rho.
    subsampling : str
        "444", "422" or "420".
    region_blocks : int
        Side of a region in luma blocks that the calibration used.
    calibration : dict
        ``{"uniform" | "regions": {quality: scale}}``: the scale at which the set's pictures cost as
        many bytes as optimised JPEGs of that quality.
    provenance : dict
        Model, hashes, demand, version, command.
    class_shares : numpy.ndarray or None
        float64 ``[K]``, sum 1: how often each class is among the network's labels of the set's pictures;
        None where nobody counted. See `grace.balanced_weights`.
    predictor : SensitivityPredictor or None
        What foretells region sensitivity on a device (`grace.train_predictor`). The id does not depend on it.
    """

    table_set: TableSet
    mean_gradient: np.ndarray
    mean_coefficient: np.ndarray
    coefficients: float
    budget: float
    rho: float
    subsampling: str = "444"
    region_blocks: int = 3
    calibration: dict[str, dict[int, float]] = field(default_factory=dict)
    provenance: dict = field(default_factory=dict)
    class_shares: np.ndarray | None = None
    predictor: SensitivityPredictor | None = None

    def __post_init__(self) -> None:
        for name in ("mean_gradient", "mean_coefficient"):
            values = np.array(getattr(self, name), np.float64)
            if values.shape != (3, 8, 8):
                raise ValueError(f"{name} must be [3, 8, 8], got {list(values.shape)}")
            if not np.isfinite(values).all() or (values < 0).any():
                raise ValueError(f"{name} must be finite and not negative")
            values.flags.writeable = False
            object.__setattr__(self, name, values)
        if self.class_shares is not None:
            shares = np.array(self.class_shares, np.float64)
            if shares.ndim != 1 or not np.isfinite(shares).all() or (shares < 0).any() or not shares.any():
                raise ValueError(f"class_shares must be numbers from 0, not all 0, got {shares}")
            if abs(shares.sum() - 1) > 1e-12:  # what is normalised already stays as it is, bit for bit
                shares /= shares.sum()
            shares.flags.writeable = False
            object.__setattr__(self, "class_shares", shares)
        for name in ("budget", "coefficients"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be positive, got {value}")
        if not (math.isfinite(self.rho) and self.rho >= 1):
            raise ValueError(f"rho must be at least 1, got {self.rho}")
        if self.subsampling not in _WEIGHTS:
            raise ValueError(f"subsampling must be one of {', '.join(_WEIGHTS)}, got {self.subsampling!r}")
        if not 1 <= self.region_blocks <= 8:
            raise ValueError(f"region_blocks must be 1..8, got {self.region_blocks}")
        for use, points in self.calibration.items():
            if use not in USES:
                raise ValueError(f"calibration is for {' or '.join(USES)}, not {use!r}")
            for quality, scale in points.items():
                if not (1 <= quality <= 100 and math.isfinite(scale) and scale > 0):
                    raise ValueError(f"calibration {use}: no quality {quality} at scale {scale}")

    @property
    def id(self) -> str:
        """The table set's id, 16 hexadecimal digits."""
        return self.table_set.id_hex

    @property
    def name(self) -> str:
        """The network's name."""
        return str(self.provenance.get("model", "unknown"))

    @property
    def levels(self) -> int:
        return self.table_set.levels

    @property
    def middle(self) -> int:
        """The level that carries `budget`: GRACE's table, and STAC's for a first frame."""
        return self.levels // 2

    @property
    def budgets(self) -> np.ndarray:
        """B_l of every level, float64 ``[L]``."""
        return level_budgets(self.budget, self.levels, self.rho)

    @property
    def capped(self) -> np.ndarray:
        """GRACE's capped table at `budget`: uint16 ``[3, 8, 8]``."""
        return self.capped_at(self.budget)

    def capped_at(self, budget: float, maximum: int = MAX_STEP, at_cap: str = "printed") -> np.ndarray:
        """GRACE's capped table at another budget: caps do not scale, so `scale` cannot stand for it.

        Since caps are granted losses that no step adds to, a budget goes much further here than
        in the plain table; expect useful ones at a tenth of `budget` and below.

        Parameters
        ----------
        budget : float
        maximum : int
            Largest step.
        at_cap : {"printed", "zero"}
            See `grace.capped_table`.

        Returns
        -------
        numpy.ndarray
            uint16 ``[3, 8, 8]``, steps within 1..`maximum`.
        """
        steps = capped_table(
            self.mean_gradient,
            self.mean_coefficient,
            budget,
            self.coefficients,
            _WEIGHTS[self.subsampling],
            at_cap,
        )
        return rounded_steps(steps, maximum)

    def scale_for_budget(self, budget: float) -> float:
        """The plan's scale at which the middle level carries `budget`."""
        if not (math.isfinite(budget) and budget > 0):
            raise ValueError(f"budget must be positive, got {budget}")
        return _within(budget / self.budget)

    def scale_for_quality(self, quality: float, use: str = "regions") -> float:
        """The plan's scale for the bytes of an optimised JPEG of that quality.

        Parameters
        ----------
        quality : float
            1..100, libjpeg's.
        use : {"regions", "uniform"}
            Levels chosen region by region, or the middle level throughout.
        """
        if not 1 <= quality <= 100:
            raise ValueError(f"quality must be 1..100, got {quality}")
        if use not in USES:
            raise ValueError(f"use must be {' or '.join(USES)}, got {use!r}")
        points = self.calibration.get(use)
        if not points:
            raise ValueError(f"table set {self.id} holds no calibration for {use}")
        if quality in points:
            return _within(points[quality])
        qualities = sorted(points)
        quality = min(max(quality, qualities[0]), qualities[-1])
        logs = [math.log(points[q]) for q in qualities]
        return _within(math.exp(np.interp(quality, qualities, logs)))

    def save(self, path: str | Path) -> None:
        """Write the file: complete under its name, or not at all."""
        path = Path(path)
        entries = {
            "format": _FORMAT,
            "version": _VERSION,
            "id": self.id,
            "levels": self.levels,
            "budget": self.budget,
            "rho": self.rho,
            "subsampling": self.subsampling,
            "region_blocks": self.region_blocks,
            "coefficients": self.coefficients,
            "provenance": self.provenance,
            "calibration": {
                use: {str(q): points[q] for q in sorted(points)} for use, points in self.calibration.items()
            },
            **self._shares_entry(),
            "mean_gradient": self.mean_gradient.reshape(3, 64).tolist(),
            "mean_coefficient": self.mean_coefficient.reshape(3, 64).tolist(),
            "table_set": base64.b64encode(self.table_set.to_bytes()).decode("ascii"),
        }
        if self.predictor is not None:
            entries["predictor"] = {
                "layers": base64.b64encode(self.predictor.to_bytes()).decode("ascii"),
                "provenance": self.predictor.provenance,
            }
        # One entry a line: short to diff, and a reader finds the table set at once.
        body = ",\n".join(
            f"{json.dumps(key)}: {json.dumps(value, allow_nan=False)}" for key, value in entries.items()
        )
        write_atomically(path, "{\n" + body + "\n}\n")

    @classmethod
    def load(cls, path: str | Path) -> NetworkTables:
        """Read a file that `save` wrote.

        Raises
        ------
        FileNotFoundError
            There is none.
        ValueError
            It is no table set, or a damaged one; names the file and what is wrong.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"no table set {str(path)!r}")
        try:
            return cls._parsed(path)
        except _FileError as error:
            raise ValueError(f"{path}: {error}") from None
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            what = f"entry {error} is missing" if isinstance(error, KeyError) else str(error)
            raise ValueError(f"{path}: damaged table set ({what})") from error

    @classmethod
    def _parsed(cls, path: Path) -> NetworkTables:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise _FileError("too large for a table set")
        try:
            entries = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_constant)
        except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
            raise _FileError(f"not a table set: no JSON ({error})") from None
        if not isinstance(entries, dict) or entries.get("format") != _FORMAT:
            raise _FileError('not a table set: "format" is missing or another')
        if entries.get("version") != _VERSION:
            raise _FileError(
                f"table set of version {entries.get('version')!r}; this program reads {_VERSION}"
            )
        try:
            canonical = base64.b64decode(entries["table_set"], validate=True)
        except binascii.Error as error:
            raise _FileError(f'damaged table set ("table_set" is no base64: {error})') from None
        table_set = TableSet.from_bytes(canonical)
        if table_set.id_hex != entries["id"]:
            raise _FileError(
                f"damaged table set (its contents have the id {table_set.id_hex}, "
                f"its entry says {entries['id']})"
            )
        provenance = entries["provenance"]
        if not isinstance(provenance, dict):
            raise _FileError("damaged table set (provenance is no object)")
        return cls(
            table_set=table_set,
            mean_gradient=_numbers(entries, "mean_gradient"),
            mean_coefficient=_numbers(entries, "mean_coefficient"),
            coefficients=float(entries["coefficients"]),
            budget=float(entries["budget"]),
            rho=float(entries["rho"]),
            subsampling=entries["subsampling"],
            region_blocks=int(entries["region_blocks"]),
            calibration={
                use: {int(q): float(scale) for q, scale in points.items()}
                for use, points in entries["calibration"].items()
            },
            provenance=provenance,
            class_shares=entries.get("class_shares"),
            predictor=_predictor(entries.get("predictor")),
        )

    def _shares_entry(self) -> dict:
        return {} if self.class_shares is None else {"class_shares": self.class_shares.tolist()}

    def to_json(self) -> dict:
        """What `stac-tables show --json` prints."""
        return {
            "id": self.id,
            "levels": self.levels,
            "middle": self.middle,
            "budget": self.budget,
            "budgets": self.budgets.tolist(),
            "rho": self.rho,
            "subsampling": self.subsampling,
            "region_blocks": self.region_blocks,
            "bands": len(self.table_set.bands),
            "tables": self.table_set.tables.tolist(),
            "capped": self.capped.tolist(),
            "calibration": {
                use: {str(q): points[q] for q in sorted(points)} for use, points in self.calibration.items()
            },
            **self._shares_entry(),
            "provenance": self.provenance,
            "predictor": None if self.predictor is None else self.predictor.provenance,
        }


class _FileError(Exception):
    """A file that is not what it should be, said without the path."""


def _no_constant(text: str) -> float:
    raise _FileError(f"damaged table set (holds {text})")


def _numbers(entries: dict, name: str) -> np.ndarray:
    values = np.array(entries[name], np.float64)
    if values.shape != (3, 64):
        raise _FileError(f"damaged table set ({name} is {list(values.shape)}, not [3, 64])")
    return values.reshape(3, 8, 8)


def _predictor(entry: object) -> SensitivityPredictor | None:
    """Of a file's optional entry."""
    if entry is None:
        return None
    if not isinstance(entry, dict) or not isinstance(entry.get("provenance"), dict):
        raise _FileError("damaged table set (predictor is no object with layers and provenance)")
    try:
        layers = base64.b64decode(entry["layers"], validate=True)
        return SensitivityPredictor.from_bytes(layers, entry["provenance"])
    except binascii.Error as error:
        raise _FileError(f'damaged table set (the predictor\'s "layers" is no base64: {error})') from None
    except ValueError as error:
        raise _FileError(f"damaged table set ({error})") from None


def _within(scale: float) -> float:
    return min(max(scale, _MIN_SCALE), _MAX_SCALE)


def write_atomically(path: Path, text: str) -> None:
    """Write under a temporary name in the same folder, then rename."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent or ".")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def load_tables(name_or_path: str | Path) -> NetworkTables:
    """The shipped table set of a built-in network, or one from a file.

    Parameters
    ----------
    name_or_path : str or Path
        A network's name such as ``"bisenet-camvid"``, or a path to a ``.rdts`` file.
    """
    text = str(name_or_path)
    if text.endswith(SUFFIX) or os.sep in text or Path(text).is_file():
        return NetworkTables.load(text)
    shipped = {p.stem.replace("_", "-"): p for p in sorted(DATA.glob(f"*{SUFFIX}"))}
    if text not in shipped:
        names = ", ".join(shipped) or "none"
        raise FileNotFoundError(
            f"no table set is shipped for {text!r} (shipped: {names}); make one with "
            f"stac-tables build --model {text} --images DIR, and give its {SUFFIX} file"
        )
    return NetworkTables.load(shipped[text])
