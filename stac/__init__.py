"""STAC: one compression level per region of a picture, steered by a network's gradients.

>>> import stac
>>> done = stac.encode_image(picture, model, tables, agreement=0.98)        # doctest: +SKIP
>>> open("picture.rdct", "wb").write(done.data)                             # doctest: +SKIP

Pictures go through `encode_image`; video through `StacEdge` on the device and `StacServer` beside the
network (`rdct.offload` drives the two).

Built on `grace` (gradients and tables) and `codec` (the stream). `stac` here is the scheme of Xiao
et al., INFOCOM 2022, not the SpatioTemporal Asset Catalog. Importing this package loads neither
torch nor the codec; the names below do so when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

_HOME = {
    "Encoded": "encode",
    "JpegMatch": "compare",
    "KeyframePolicy": "keyframes",
    "Propagated": "propagation",
    "Selection": "levels",
    "StacEdge": "edge",
    "StacServer": "server",
    "closed_form_levels": "levels",
    "encode_image": "encode",
    "equal_error_levels": "equal_error",
    "generic_ladder": "ladder",
    "jpeg_at_agreement": "compare",
    "predicted_levels": "predicted",
    "propagate": "propagation",
    "propagate_levels": "propagation",
    "rate_aware_levels": "rate",
    "select_levels": "levels",
    "select_levels_loop": "levels",
}

__all__ = [
    "Encoded",
    "JpegMatch",
    "KeyframePolicy",
    "Propagated",
    "Selection",
    "StacEdge",
    "StacServer",
    "closed_form_levels",
    "encode_image",
    "equal_error_levels",
    "generic_ladder",
    "jpeg_at_agreement",
    "predicted_levels",
    "propagate",
    "propagate_levels",
    "rate_aware_levels",
    "select_levels",
    "select_levels_loop",
]

if TYPE_CHECKING:
    from stac.compare import JpegMatch, jpeg_at_agreement
    from stac.edge import StacEdge
    from stac.encode import Encoded, encode_image
    from stac.equal_error import equal_error_levels
    from stac.keyframes import KeyframePolicy
    from stac.ladder import generic_ladder
    from stac.levels import Selection, closed_form_levels, select_levels, select_levels_loop
    from stac.predicted import predicted_levels
    from stac.propagation import Propagated, propagate, propagate_levels
    from stac.rate import rate_aware_levels
    from stac.server import StacServer


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'stac' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"stac.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
