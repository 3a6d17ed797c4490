# SPDX-License-Identifier: Apache-2.0
"""What an edge takes from a `Welcome`: the table set, checked, and the options that the server asks for."""

from __future__ import annotations

from typing import Any

import codec
from rdct.offload.errors import ProtocolError
from rdct.offload.messages import Welcome

__all__ = ["opened"]


def opened(welcome: Welcome) -> tuple[codec.TableSet, dict[str, Any]]:
    """The table set that a Welcome brings, and ``scale``, ``region_blocks``, ``subsampling`` and ``classes``.

    Parameters
    ----------
    welcome : Welcome
        With its table set: who knew it already puts it in.

    Returns
    -------
    table_set : codec.TableSet
    options : dict
        Keyword arguments of an edge.

    Raises
    ------
    ProtocolError
        The table set is missing, damaged, or not the one that the Welcome names.
    """
    if welcome.table_set is None:
        raise ProtocolError("the Welcome brings no table set; put in the one that its set_id names")
    try:
        table_set = codec.TableSet.from_bytes(welcome.table_set)
    except (codec.CodecError, ValueError) as error:
        raise ProtocolError(f"the Welcome's table set is damaged: {error}") from error
    if table_set.id != welcome.set_id:
        raise ProtocolError(
            f"the Welcome names table set {welcome.set_id.hex()} and brings {table_set.id_hex}"
        )
    return table_set, {
        "scale": welcome.scale,
        "region_blocks": welcome.region_blocks,
        "subsampling": welcome.subsampling,
        "classes": len(welcome.class_names),
    }
