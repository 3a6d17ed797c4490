"""What levels are chosen by: the sensitivities by name, each with its way to levels.

`gradient` is the paper's, with Algorithm 1 (`select_levels`); `fisher` and `margin` are of second order,
with errors made equal (`equal_error_levels`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from stac.equal_error import equal_error_levels
from stac.levels import Mode, Selection, select_levels

if TYPE_CHECKING:
    import numpy as np

    from grace import CoefficientGradients, FisherSensitivity, Look, MarginSensitivity, NetworkTables
    from stac.ladder import GenericLadder

__all__ = ["Sensitivity", "check_sensitivity", "levels_by", "sensitivity_of"]

Sensitivity = Literal["gradient", "fisher", "margin"]


def check_sensitivity(name: str, mode: Mode = "closest", probes: int = 1) -> None:
    """Raise ValueError for an unknown name, or a mode or probes that it does not know."""
    names = get_args(Sensitivity)
    if name not in names:
        known = ", ".join(map(repr, names[:-1]))
        raise ValueError(f"sensitivity is {name!r}; use {known} or {names[-1]!r}")
    if name != "gradient" and mode != "closest":
        raise ValueError(
            f"mode {mode!r} bounds first-order losses; sensitivity {name!r} knows 'closest' only"
        )
    if probes < 1:
        raise ValueError(f"probes must be at least 1, got {probes}")
    if name == "gradient" and probes != 1:
        raise ValueError(f"a gradient is exact and has no probes; leave out probes={probes}")


def sensitivity_of(
    name: Sensitivity, look: Look, class_weights: np.ndarray | None = None, probes: int = 1
) -> CoefficientGradients | FisherSensitivity | MarginSensitivity:
    """Go backward from a forward pass: one backward pass, and one for each probe more."""
    if name == "fisher":
        from grace.fisher import fisher_of

        return fisher_of(look, probes=probes, class_weights=class_weights)
    if name == "margin":
        from grace.margin import margin_of

        return margin_of(look, probes=probes, class_weights=class_weights)
    from grace.gradients import gradients_of

    return gradients_of(look, class_weights=class_weights)


def levels_by(
    name: Sensitivity,
    found: CoefficientGradients | FisherSensitivity | MarginSensitivity,
    tables: NetworkTables | GenericLadder,
    *,
    mode: Mode = "closest",
    **options: Any,
) -> Selection:
    """Levels of the regions; `options` are those of `select_levels`."""
    if name == "gradient":
        return select_levels(found, tables, mode=mode, **options)
    return equal_error_levels(found, tables, **options)
