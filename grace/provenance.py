"""What a table set was made from: hashes and names, nothing that tells the time or the place."""

from __future__ import annotations

import hashlib
from importlib import metadata
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from grace.pictures import Pictures

__all__ = ["package_version", "pictures_sha256", "weights_sha256"]


def weights_sha256(model: object) -> str | None:
    """Hash of a network's parameters and buffers by name, size and value; None if it shows none."""
    module = getattr(model, "module", model)
    if not hasattr(module, "state_dict"):
        return None
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        if not hasattr(value, "cpu"):
            continue
        array = np.ascontiguousarray(value.detach().cpu().numpy())
        digest.update(repr((name, array.dtype.str, array.shape)).encode())
        digest.update(array)
    return digest.hexdigest()


def pictures_sha256(pictures: Pictures, hashes: list[str]) -> str:
    """Hash of the names and contents of all pictures, in order."""
    digest = hashlib.sha256()
    for index, content in enumerate(hashes):
        digest.update(f"{pictures.name(index)}\0{content}\n".encode())
    return digest.hexdigest()


def package_version() -> str:
    try:
        return metadata.version("rdct")
    except metadata.PackageNotFoundError:
        return "not installed"
