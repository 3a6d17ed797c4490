"""The network and table set that a command line names, and what the user must know of them.

Either may be missing or wrong: `UsageError` where the command line is, `Failure` where the installation is.
"""

from __future__ import annotations

import contextlib
import importlib.util
from typing import TYPE_CHECKING

from stac.console import Console, Failure, UsageError, one_line

if TYPE_CHECKING:
    from grace import NetworkTables
    from rdct.vision.detectors import Detector
    from rdct.vision.models import Model
    from stac.ladder import GenericLadder

__all__ = [
    "foreign",
    "licences",
    "load_detector_or_model",
    "load_model",
    "load_tables",
    "shipped_tables",
]


def load_model(spec: str | None, threads: int | None = None, *, without: str = "") -> Model:
    """The network of a spec, or the built-in one.

    Parameters
    ----------
    spec : str or None
        As for `rdct.vision.models.load`.
    threads : int, optional
        For torch; None leaves its own choice.
    without : str
        What to say of doing without PyTorch, if it is missing.
    """
    missing = f'the network needs PyTorch, which is not installed: pip install "rdct[model]"{without}'
    if importlib.util.find_spec("torch") is None:
        raise Failure(missing)
    import torch

    from rdct.vision import models

    if threads is not None:
        torch.set_num_threads(threads)
    spec = spec or models.DEFAULT_MODEL
    try:
        return models.load(spec)
    except ModuleNotFoundError as error:
        if error.name in ("torch", "safetensors"):
            raise Failure(missing) from error
        raise Failure(f"--model {spec}: {one_line(error)}") from error
    except (ValueError, OSError) as error:
        raise UsageError(f"--model {spec}: {one_line(error)}") from error
    except Exception as error:  # a model file runs code of the user's
        raise Failure(f"--model {spec}: {type(error).__name__}: {one_line(error)}") from error


def load_detector_or_model(spec: str | None, threads: int | None = None) -> Detector | Model:
    """The detector of a spec as for `rdct.vision.detectors.load`, or else as `load_model`."""
    from rdct.vision import detectors

    if spec is None or not detectors.is_spec(spec):
        return load_model(spec, threads)
    try:
        return detectors.load(spec)
    except ImportError as error:
        raise Failure(f"--model {spec}: {one_line(error)}") from error
    except (ValueError, OSError) as error:
        raise UsageError(f"--model {spec}: {one_line(error)}") from error
    except Exception as error:  # a model file runs code of the user's
        raise Failure(f"--model {spec}: {type(error).__name__}: {one_line(error)}") from error


def load_tables(name: str) -> NetworkTables:
    """The table set of ``--tables``."""
    from grace import load_tables

    try:
        return load_tables(name)
    except (ValueError, OSError) as error:
        raise UsageError(f"--tables {name}: {one_line(error)}") from error


def shipped_tables(
    model: Model | None, console: Console, *, paper: bool = False
) -> NetworkTables | GenericLadder:
    """The set shipped for a network (None: the built-in one), else the generic ladder, which is said."""
    from stac.encode import tables_for

    try:
        tables = tables_for(model, paper=paper)
    except (ValueError, OSError) as error:
        raise Failure(f"no table set: {one_line(error)}") from error
    if tables.budget is None:
        console.warn(
            f"no table set is known for {model.name}: a generic ladder of scaled JPEG tables "
            "is used; stac-tables build makes a better one"
        )
    return tables


def foreign(tables: NetworkTables, model: Model) -> str | None:
    """A sentence if a table set was made for another network, by name or by weights."""
    from grace.provenance import weights_sha256

    made_for = tables.provenance.get("model")
    if made_for is not None and made_for != model.name:
        return f"made for {made_for}, used for {model.name}"
    known = tables.provenance.get("weights_sha256")
    if known is not None and known != weights_sha256(model):
        return f"made for other weights of {made_for}; its levels may not suit these"
    return None


def licences(model: Model | None, tables: NetworkTables | GenericLadder) -> str:
    """What a user of the shipped network and table set must know."""
    from grace import load_tables
    from rdct.vision.models import BUILTIN

    shipped = []
    for name in BUILTIN:
        if model is not None and model.name == name:
            shipped.append(f"the network {name}")
        with contextlib.suppress(FileNotFoundError):
            if load_tables(name).table_set == tables.table_set:
                shipped.append(f"the table set {tables.table_set.id_hex}")
    lines = ["patents: tables made from gradients (GRACE) may fall under US 11,010,929 and US 11,049,286"]
    if shipped:
        lines.append(
            f"licence: {' and '.join(shipped)}: made from CamVid pictures, CC BY-NC 4.0, "
            "non-commercial use only (the code is Apache-2.0)"
        )
    return "\n".join(reversed(lines))
