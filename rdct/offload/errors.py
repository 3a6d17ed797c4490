# SPDX-License-Identifier: Apache-2.0
"""What can go wrong between two ends, as exceptions that are also the builtin a caller would catch anyway."""

from __future__ import annotations

__all__ = ["LinkError", "ProtocolError"]


class LinkError(ConnectionError):
    """The other end cannot be reached, or went away. Trying again later may help."""


class ProtocolError(ValueError):
    """A message breaks the protocol: what arrived is no message, or one with a value out of its range.

    Trying again does not help; the text names the field, its value and the rule.
    """
