"""The sensitivity of a network in the DCT domain, and quantisation tables made from it.

`coefficient_gradients` says how much each DCT coefficient of a picture matters to a network;
`build_table_set` turns the mean over a folder of pictures into a table set (GRACE, Xie and Kim,
MobiCom 2019) with the levels that STAC (Xiao et al., INFOCOM 2022) chooses from region by region.

Importing this package does not import torch; the functions that run a network do.
"""

from __future__ import annotations

import importlib

# Where each public name lives; modules load when a name is first asked for.
_HOME = {
    "CoefficientGradients": "grace.gradients",
    "FisherSensitivity": "grace.fisher",
    "Look": "grace.passes",
    "MarginSensitivity": "grace.margin",
    "NetworkTables": "grace.network_tables",
    "SensitivityPredictor": "grace.predictor",
    "SearchResult": "grace.search",
    "UnreachableError": "grace.search",
    "balanced_weights": "grace.classes",
    "build_table_set": "grace.build",
    "capped_table": "grace.tables",
    "coefficient_gradients": "grace.gradients",
    "fisher_sensitivity": "grace.fisher",
    "grace_table": "grace.tables",
    "level_budgets": "grace.tables",
    "load_tables": "grace.network_tables",
    "margin_sensitivity": "grace.margin",
    "RegionSums": "grace.sensitivity",
    "nearest_levels": "grace.sensitivity",
    "region_rho": "grace.sensitivity",
    "region_sums": "grace.sensitivity",
    "smallest": "grace.search",
    "train_predictor": "grace.train_predictor",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    try:
        home = _HOME[name]
    except KeyError:
        raise AttributeError(f"module 'grace' has no attribute {name!r}") from None
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
