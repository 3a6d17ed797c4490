"""ESPNet (Mehta et al., 2018), for the weights published with it; written from the paper.

An efficient spatial pyramid first narrows the channels, then runs five dilated 3x3 convolutions
side by side and adds them up one after the other before they are joined, which takes away the
gridding that dilation alone leaves. Attribute names are those of the published state dict.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rdct.vision.models.layers import pad_to_multiple

#: Sides are padded to a multiple of this.
STRIDE = 8

# The published weights expect BGR, these statistics of the CamVid train split removed, and then a
# division by 255 on top.
_MEAN_BGR = (110.3313, 108.4091, 105.0335)
_STD_BGR = (72.1252, 72.6885, 69.9026)

_DILATIONS = (1, 2, 4, 8, 16)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class _Conv(nn.Module):
    """A convolution without bias, "same" padded."""

    def __init__(self, cin: int, cout: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel, stride, dilation * (kernel // 2), dilation, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class _NormAct(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bn = _norm(channels)
        self.act = nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(x))


class _ConvNormAct(_Conv):
    def __init__(self, cin: int, cout: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(cin, cout, kernel, stride)
        self.bn = _norm(cout)
        self.act = nn.PReLU(cout)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class _Pyramid(nn.Module):
    """Reduce, split over five dilations, add up hierarchically, join."""

    def __init__(self, cin: int, cout: int, kernel: int, stride: int) -> None:
        super().__init__()
        narrow = cout // len(_DILATIONS)
        # The first branch takes what the division leaves over.
        widths = (cout - narrow * (len(_DILATIONS) - 1), *[narrow] * (len(_DILATIONS) - 1))
        self.c1 = _Conv(cin, narrow, kernel, stride)
        for dilation, width in zip(_DILATIONS, widths, strict=True):
            setattr(self, f"d{dilation}", _Conv(narrow, width, dilation=dilation))

    def pyramid(self, x: Tensor) -> Tensor:
        reduced = self.c1(x)
        branches = [getattr(self, f"d{dilation}")(reduced) for dilation in _DILATIONS]
        for index in range(2, len(branches)):
            branches[index] = branches[index] + branches[index - 1]
        return torch.cat(branches, 1)


class _Down(_Pyramid):
    """A pyramid that halves the size."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__(cin, cout, kernel=3, stride=2)
        self.bn = _norm(cout)
        self.act = nn.PReLU(cout)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.pyramid(x)))


class _Block(_Pyramid):
    """A pyramid at the same size, with a shortcut where the channels allow one."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__(cin, cout, kernel=1, stride=1)
        self.bn = _NormAct(cout)
        self.shortcut = cin == cout

    def forward(self, x: Tensor) -> Tensor:
        out = self.pyramid(x)
        return self.bn(out + x if self.shortcut else out)


class _Encoder(nn.Module):
    """ESPNet-C: three sizes, each joined with the picture scaled down to it."""

    def __init__(self, num_classes: int, p: int, q: int) -> None:
        super().__init__()
        self.level1 = _ConvNormAct(3, 16, 3, 2)
        self.b1 = _NormAct(16 + 3)
        self.level2_0 = _Down(16 + 3, 64)
        self.level2 = nn.ModuleList(_Block(64, 64) for _ in range(p))
        self.b2 = _NormAct(128 + 3)
        self.level3_0 = _Down(128 + 3, 128)
        self.level3 = nn.ModuleList(_Block(128, 128) for _ in range(q))
        self.b3 = _NormAct(256)
        self.classifier = _Conv(256, num_classes, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        half = F.avg_pool2d(x, 3, 2, 1)
        quarter = F.avg_pool2d(half, 3, 2, 1)
        out1 = self.b1(torch.cat((self.level1(x), half), 1))
        first = deep = self.level2_0(out1)
        for block in self.level2:
            deep = block(deep)
        out2 = self.b2(torch.cat((deep, first, quarter), 1))
        first = deep = self.level3_0(out2)
        for block in self.level3:
            deep = block(deep)
        return out1, out2, self.b3(torch.cat((first, deep), 1))


class ESPNet(nn.Module):
    """ESPNet with its light decoder.

    Parameters
    ----------
    num_classes : int
        Number K of classes; the published CamVid weights have 12, the last one void.
    p, q : int
        Blocks at a quarter and at an eighth of the size.

    Notes
    -----
    ``forward`` takes RGB in 0..255, float, ``[N, 3, H, W]`` with any H, W >= 1, and returns logits
    ``[N, K, H, W]``.
    """

    def __init__(self, num_classes: int = 12, p: int = 2, q: int = 8) -> None:
        super().__init__()
        k = num_classes
        self.num_classes = k
        self.register_buffer("mean", torch.tensor(_MEAN_BGR).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD_BGR).view(1, 3, 1, 1), persistent=False)
        self.encoder = _Encoder(k, p, q)
        self.level3_C = _Conv(128 + 3, k, 1)
        self.br = _norm(k)
        self.up_l3 = nn.Sequential(nn.ConvTranspose2d(k, k, 2, 2, bias=False))
        self.combine_l2_l3 = nn.Sequential(_NormAct(2 * k), _Block(2 * k, k))
        self.up_l2 = nn.Sequential(nn.ConvTranspose2d(k, k, 2, 2, bias=False), _NormAct(k))
        self.conv = _ConvNormAct(16 + 3 + k, k)
        self.classifier = nn.ConvTranspose2d(k, k, 2, 2, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        x = pad_to_multiple((image.flip(1) - self.mean) / self.std / 255, STRIDE)
        out1, out2, out3 = self.encoder(x)
        deep = self.up_l3(self.br(self.encoder.classifier(out3)))
        deep = self.up_l2(self.combine_l2_l3(torch.cat((self.level3_C(out2), deep), 1)))
        logits = self.classifier(self.conv(torch.cat((deep, out1), 1)))
        return logits[..., :height, :width]
