"""Dilated residual networks DRN-D-22 and DRN-D-38 (Yu, Koltun, Funkhouser, 2017) for segmentation.

A residual network that stops shrinking at 1/8 and dilates its convolutions instead; in the D family
the first and the last levels are plain convolutions, the last two of them there to take away the
gridding that dilation leaves (paper, section 4). The head is one 1x1 convolution and a fixed
bilinear up-sampling. Attribute names are those of the state dicts published with github.com/fyu/drn.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rdct.vision.models.layers import Normalize, pad_to_multiple

__all__ = ["CITYSCAPES", "DEPTHS", "STRIDE", "DRNSeg"]

#: The map that is labelled is this much smaller than the picture.
STRIDE = 8
#: Residual blocks at levels 3 to 6, by the number of layers in the network's name.
DEPTHS = {22: (2, 2, 2, 2), 38: (3, 4, 6, 3)}
#: RGB mean and deviation of the Cityscapes train pictures that the published weights expect
#: (fyu/drn, datasets/cityscapes/info.json).
CITYSCAPES = ((0.290101, 0.328081, 0.286964), (0.182954, 0.186566, 0.184475))

_WIDTHS = (64, 128, 256, 512)  # of levels 3 to 6
_STRIDES = (2, 2, 1, 1)
_DILATIONS = (1, 1, 2, 4)


def _conv(cin: int, cout: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(cin, cout, kernel, stride, dilation * (kernel // 2), dilation, bias=False)


def _plain(cin: int, cout: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        _conv(cin, cout, kernel, stride, dilation), nn.BatchNorm2d(cout), nn.ReLU(inplace=True)
    )


class _Block(nn.Module):
    """Two 3x3 convolutions around a shortcut."""

    def __init__(self, cin: int, cout: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = _conv(cin, cout, stride=stride, dilation=dilation)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = _conv(cout, cout, dilation=dilation)
        self.bn2 = nn.BatchNorm2d(cout)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if cin != cout:
            self.downsample = nn.Sequential(_conv(cin, cout, 1, stride), nn.BatchNorm2d(cout))

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


class DRNSeg(nn.Module):
    """DRN-D with its segmentation head.

    Parameters
    ----------
    layers : int
        22 or 38: which of the two, see `DEPTHS`.
    num_classes : int
        Number K of classes; the published Cityscapes weights have 19.
    statistics : (mean, std)
        RGB in 0..1 of the pictures it was trained on.

    Notes
    -----
    ``forward`` takes RGB in 0..255, float, ``[N, 3, H, W]`` with any H, W >= 1, and returns logits
    ``[N, K, H, W]``. (The published code ends in a log-softmax, which moves all K logits of a
    pixel alike: same labels, same cross-entropy.)
    """

    def __init__(
        self,
        layers: int,
        num_classes: int = 19,
        statistics: tuple[tuple[float, ...], tuple[float, ...]] = CITYSCAPES,
    ) -> None:
        super().__init__()
        if layers not in DEPTHS:
            raise ValueError(f"DRN-D is built with {' or '.join(map(str, DEPTHS))} layers, got {layers}")
        self.num_classes = num_classes
        self.normalize = Normalize(*statistics)
        levels = [_plain(3, 16, 7), _plain(16, 16), _plain(16, 32, stride=2)]
        width = 32
        for cout, depth, stride, dilation in zip(_WIDTHS, DEPTHS[layers], _STRIDES, _DILATIONS, strict=True):
            first = _Block(width, cout, stride, dilation)
            levels.append(nn.Sequential(first, *(_Block(cout, cout, 1, dilation) for _ in range(depth - 1))))
            width = cout
        self.base = nn.Sequential(*levels, _plain(width, width, dilation=2), _plain(width, width))
        self.seg = nn.Conv2d(width, num_classes, 1)
        self.up = nn.ConvTranspose2d(
            num_classes, num_classes, 2 * STRIDE, STRIDE, STRIDE // 2, groups=num_classes, bias=False
        )
        ramp = 1 - (torch.arange(2 * STRIDE) - STRIDE + 0.5).abs() / STRIDE
        with torch.no_grad():
            self.up.weight.copy_(torch.outer(ramp, ramp))
        self.up.weight.requires_grad_(False)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.seg.bias)

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        x = pad_to_multiple(self.normalize(image), STRIDE)
        x = x.contiguous(memory_format=torch.channels_last)
        return self.up(self.seg(self.base(x)))[..., :height, :width]
