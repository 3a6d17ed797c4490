# SPDX-License-Identifier: Apache-2.0
"""What a camera costs an hour, by the two price settings of DDS (SIGCOMM 2020, section 2.4)."""

from __future__ import annotations

__all__ = ["NETWORK_DOLLARS", "SERVER_DOLLARS", "network_cost", "server_cost"]

#: Of one Mbit/s for an hour, where the network is what costs: a mobile plan of $50 for 30 GB.
NETWORK_DOLLARS = 0.75
#: Of a server with three K80 for an hour, on which one camera's frames keep busy all the time.
SERVER_DOLLARS = 0.405


def network_cost(kbps: float) -> float:
    """Dollars an hour, where the network dominates, of so many kbit/s."""
    return NETWORK_DOLLARS * kbps / 1000


def server_cost(analysed: float) -> float:
    """Dollars an hour, where the server dominates, of so many inferences for each frame of the source.

    A frame that is looked at twice counts twice: more than 1 is possible.
    """
    return SERVER_DOLLARS * analysed
