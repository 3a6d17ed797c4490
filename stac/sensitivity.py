"""What levels are chosen by: the sensitivities by name, each with its way to levels.

`gradient` is the paper's, with Algorithm 1 (`select_levels`); `fisher` and `margin` are of second order,
with errors made equal (`equal_error_levels`) or traded for bits (`rate_aware_levels`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from stac.equal_error import equal_error_levels
from stac.levels import Mode, Selection, select_levels
from stac.rate import rate_aware_levels

if TYPE_CHECKING:
    import numpy as np

    from grace import CoefficientGradients, FisherSensitivity, Look, MarginSensitivity, NetworkTables
    from stac.ladder import GenericLadder

__all__ = ["Levels", "Sensitivity", "check_sensitivity", "checked_levels", "levels_by", "sensitivity_of"]

Sensitivity = Literal["gradient", "fisher", "margin"]
Levels = Literal["closest", "equal-error", "rate"]
_LEVELS: dict[str, tuple[Levels, ...]] = {
    "gradient": ("closest",),
    "fisher": ("equal-error", "rate"),
    "margin": ("equal-error", "rate"),
    "predicted": ("equal-error",),
}


def check_sensitivity(name: str, mode: Mode = "closest", probes: int = 1, *, predicted: bool = False) -> None:
    """Raise ValueError for an unknown name, or a mode or probes that it does not know.

    With `predicted` the sensitivity may be "predicted", too, which asks no network.
    """
    names = get_args(Sensitivity) + ("predicted",) * predicted
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
    if name == "predicted" and probes != 1:
        raise ValueError(f"sensitivity 'predicted' asks no network; leave out probes={probes}")


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


def checked_levels(levels: str | None, sensitivity: str) -> Levels:
    """The way to levels, by default the first that goes with the sensitivity; ValueError if it does not."""
    known = _LEVELS[sensitivity]
    if levels is None:
        return known[0]
    if levels not in known:
        raise ValueError(
            f"levels is {levels!r}, but sensitivity {sensitivity!r} knows {' and '.join(map(repr, known))}"
        )
    return levels


def levels_by(
    levels: Levels,
    found: CoefficientGradients | FisherSensitivity | MarginSensitivity,
    tables: NetworkTables | GenericLadder,
    image: np.ndarray,
    *,
    mode: Mode = "closest",
    scale: float = 1.0,
    region_blocks: int = 3,
) -> Selection:
    """Levels of the regions of `image`, which is encoded next: see the functions of each way."""
    options = {"scale": scale, "region_blocks": region_blocks}
    if levels == "rate":
        return rate_aware_levels(found, tables, image, **options)
    if levels == "equal-error":
        return equal_error_levels(found, tables, image_shape=image.shape, **options)
    return select_levels(found, tables, image_shape=image.shape, mode=mode, **options)
