"""What the networks of this package share around their layers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: RGB mean and deviation of ImageNet in 0..1, which most encoders were trained with.
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def pad_to_multiple(x: Tensor, stride: int) -> Tensor:
    """Extend ``[N, C, H, W]`` below and to the right until both sides are multiples of `stride`.

    Replicated, not zero: a black border would be seen as an edge of the scene.
    """
    below, right = -x.shape[-2] % stride, -x.shape[-1] % stride
    return F.pad(x, (0, right, 0, below), mode="replicate") if below or right else x


class Normalize(nn.Module):
    """RGB in 0..255 -> what a network was trained on: ``(x / 255 - mean) / std`` per channel.

    It sits inside the networks, so that gradients with respect to the picture come out per grey
    level; its constants are no part of a state dict.
    """

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        for name, values in (("mean", mean), ("std", std)):
            constant = 255 * torch.tensor(values, dtype=torch.float64)
            self.register_buffer(name, constant.float().view(1, -1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std
