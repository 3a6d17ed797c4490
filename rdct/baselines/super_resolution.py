# SPDX-License-Identifier: Apache-2.0
"""A small network that doubles the sides of a picture, and its weights.

It works on luma and adds what it finds to bicubic interpolation; chroma is interpolated alone. Layers at the
low resolution and a last one that gives the four phases of the high one: ESPCN (Shi et al., "Real-Time Single
Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network", CVPR 2016), with
the residual learning of VDSR. CloudSeg itself uses CARN, which has some twenty times the parameters.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

__all__ = ["FACTOR", "SuperResolution", "load", "save", "upscaled"]

#: By which each side grows.
FACTOR = 2
SHIPPED = Path(__file__).parent / "data" / "espcn_x2.safetensors"
_FORMAT = "rdct-espcn-x2"


class SuperResolution(nn.Module):
    """Luma ``[N, 1, H, W]``, float 0..1, to ``[N, 1, 2 H, 2 W]``.

    Parameters
    ----------
    width : int
        Channels inside.
    depth : int
        Layers between the first and the last.
    """

    def __init__(self, width: int = 24, depth: int = 4) -> None:
        super().__init__()
        self.head = nn.Conv2d(1, width, 5, padding=2, padding_mode="replicate")
        self.body = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=1, padding_mode="replicate") for _ in range(depth)
        )
        self.tail = nn.Conv2d(width, FACTOR**2, 3, padding=1, padding_mode="replicate")
        for layer in (self.head, *self.body):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        # It starts as bicubic interpolation and learns what that misses.
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)

    def forward(self, luma: Tensor) -> Tensor:
        features = first = F.relu(self.head(luma - 0.5))
        for layer in self.body:
            features = F.relu(layer(features))
        detail = F.pixel_shuffle(self.tail(features + first), FACTOR)
        return F.interpolate(luma, scale_factor=FACTOR, mode="bicubic", align_corners=False) + detail


def upscaled(network: nn.Module, image: np.ndarray) -> np.ndarray:
    """A picture with twice the sides.

    Parameters
    ----------
    network : SuperResolution
        From `load`, or any module of the same shapes.
    image : numpy.ndarray
        u8 RGB ``[H, W, 3]``.

    Returns
    -------
    numpy.ndarray
        u8 RGB ``[2 H, 2 W, 3]``.
    """
    height, width = image.shape[:2]
    planes = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)
    with torch.no_grad():
        luma = torch.from_numpy(planes[..., 0].astype(np.float32) / 255)[None, None]
        fine = network(luma)[0, 0].clamp(0, 1).mul(255).round().byte().numpy()
    large = cv2.resize(planes, (FACTOR * width, FACTOR * height), interpolation=cv2.INTER_CUBIC)
    large[..., 0] = fine
    return cv2.cvtColor(large, cv2.COLOR_YCrCb2RGB)


def save(network: SuperResolution, path: str | Path, facts: dict[str, str]) -> None:
    """Write the weights as fp16, with `facts` about their training beside them."""
    tensors = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    path = Path(path)
    temporary = path.with_suffix(".tmp")
    save_file(tensors, str(temporary), {**facts, "format": _FORMAT})
    temporary.replace(path)


def load(path: str | Path | None = None) -> SuperResolution:
    """The network with the weights of a file, ready to use.

    Parameters
    ----------
    path : str or Path, optional
        Written by ``python -m rdct.baselines.train_sr``; the shipped weights.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It holds no weights of this network.
    """
    path = SHIPPED if path is None else Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"there are no weights {str(path)!r}; python -m rdct.baselines.train_sr makes some"
        )
    try:
        with safe_open(str(path), "pt") as file:
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}
            facts = file.metadata() or {}
        if facts.get("format") != _FORMAT:
            raise ValueError(f"its format is {facts.get('format')!r}, not {_FORMAT!r}")
        depth = sum(name.startswith("body.") and name.endswith(".weight") for name in tensors)
        network = SuperResolution(len(tensors["head.bias"]), depth)
        network.load_state_dict(tensors)
    except (SafetensorError, KeyError, RuntimeError, ValueError) as error:
        raise ValueError(f"{path} holds no weights of this network: {error}") from None
    # Channels last take two thirds of the time on a processor.
    return network.requires_grad_(False).eval().to(memory_format=torch.channels_last)
