"""BiSeNet on ResNet-18 (Yu et al., 2018), the network of the paper.

A *spatial path* of three strided convolutions keeps edges at 1/8; a *context path*, ResNet-18 down
to 1/32 with attention on its last two maps and the mean of the last one, sees the scene; a fusion
module joins the two. Attribute names, and what the paper leaves open, are those of
github.com/CoinCheung/BiSeNet (BiSeNetV1), whose weights are the ones in use. That code departs from
the paper in one place: the fusion module weighs channels by one 1x1 convolution with batch norm, where
the paper has two and a ReLU between them. The small network this package ships is `bisenet.py`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rdct.vision.models.layers import IMAGENET, Normalize, pad_to_multiple

__all__ = ["CITYSCAPES", "STRIDE", "BiSeNetR18"]

#: The coarsest map is this much smaller than the picture.
STRIDE = 32
#: RGB mean and deviation that the published Cityscapes weights expect.
CITYSCAPES = ((0.3257, 0.3690, 0.3223), (0.2112, 0.2148, 0.2115))


class _ConvNormAct(nn.Module):
    def __init__(self, cin: int, cout: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(cout)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class _Block(nn.Module):
    """ResNet's basic block."""

    def __init__(self, cin: int, cout: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.downsample = None
        if cin != cout:
            self.downsample = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)), inplace=True)))
        return F.relu(out + (x if self.downsample is None else self.downsample(x)), inplace=True)


class _ResNet18(nn.Module):
    """Answers the maps at 1/16 and 1/32."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(_Block(64, 64, 1), _Block(64, 64, 1))
        self.layer2 = nn.Sequential(_Block(64, 128, 2), _Block(128, 128, 1))
        self.layer3 = nn.Sequential(_Block(128, 256, 2), _Block(256, 256, 1))
        self.layer4 = nn.Sequential(_Block(256, 512, 2), _Block(512, 512, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x)), inplace=True), 3, 2, 1)
        sixteenth = self.layer3(self.layer2(self.layer1(x)))
        return sixteenth, self.layer4(sixteenth)


class _Attention(nn.Module):
    """Attention refinement: each channel weighed by what the whole map says of it."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.conv = _ConvNormAct(cin, cout)
        self.conv_atten = nn.Conv2d(cout, cout, 1, bias=False)
        self.bn_atten = nn.BatchNorm2d(cout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return x * torch.sigmoid(self.bn_atten(self.conv_atten(_whole(x))))


class _ContextPath(nn.Module):
    """Answers the refined context at 1/8 and 1/16."""

    def __init__(self) -> None:
        super().__init__()
        self.resnet = _ResNet18()
        self.arm16 = _Attention(256, 128)
        self.arm32 = _Attention(512, 128)
        self.conv_head32 = _ConvNormAct(128, 128)
        self.conv_head16 = _ConvNormAct(128, 128)
        self.conv_avg = _ConvNormAct(512, 128, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        sixteenth, thirtysecond = self.resnet(x)
        deep = self.arm32(thirtysecond) + self.conv_avg(_whole(thirtysecond))
        deep = self.conv_head32(_double(deep))
        return self.conv_head16(_double(self.arm16(sixteenth) + deep)), deep


class _SpatialPath(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _ConvNormAct(3, 64, 7, 2)
        self.conv2 = _ConvNormAct(64, 64, 3, 2)
        self.conv3 = _ConvNormAct(64, 64, 3, 2)
        self.conv_out = _ConvNormAct(64, 128, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv_out(self.conv3(self.conv2(self.conv1(x))))


class _Fusion(nn.Module):
    """Join the paths: mix, then add the mix once more with its channels weighed."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convblk = _ConvNormAct(channels, channels, 1)
        self.conv = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, spatial: Tensor, context: Tensor) -> Tensor:
        x = self.convblk(torch.cat((spatial, context), 1))
        return x + x * torch.sigmoid(self.bn(self.conv(_whole(x))))


class _Head(nn.Module):
    def __init__(self, cin: int, middle: int, num_classes: int) -> None:
        super().__init__()
        self.conv = _ConvNormAct(cin, middle)
        self.conv_out = nn.Conv2d(middle, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv_out(self.conv(x))


def _whole(x: Tensor) -> Tensor:
    return x.mean((2, 3), keepdim=True)


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")


class BiSeNetR18(nn.Module):
    """BiSeNet with ResNet-18 as its context path.

    Parameters
    ----------
    num_classes : int
        Number K of classes: 19 for Cityscapes, 11 for CamVid.
    statistics : (mean, std)
        RGB in 0..1 of the pictures it was trained on: `CITYSCAPES` for the published weights; by
        default ImageNet's, which a ResNet-18 to start training from expects.
    auxiliary : bool
        Build the two extra heads ``conv_out16`` and ``conv_out32`` that only training uses.

    Notes
    -----
    ``forward`` takes RGB in 0..255, float, ``[N, 3, H, W]`` with any H, W >= 1, and returns logits
    ``[N, K, H, W]``. In training mode with `auxiliary` it returns a tuple of logits, not up-sampled,
    of the main head and the auxiliary ones, at 1/8, 1/8 and 1/16 of the padded size.
    """

    def __init__(
        self,
        num_classes: int = 19,
        statistics: tuple[tuple[float, ...], tuple[float, ...]] = IMAGENET,
        *,
        auxiliary: bool = False,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.normalize = Normalize(*statistics)
        self.cp = _ContextPath()
        self.sp = _SpatialPath()
        self.ffm = _Fusion(256)
        self.conv_out = _Head(256, 256, num_classes)
        self.auxiliary = auxiliary
        if auxiliary:
            self.conv_out16 = _Head(128, 64, num_classes)
            self.conv_out32 = _Head(128, 64, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=1)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        height, width = image.shape[-2:]
        x = pad_to_multiple(self.normalize(image), STRIDE)
        x = x.contiguous(memory_format=torch.channels_last)
        context8, context16 = self.cp(x)
        logits = self.conv_out(self.ffm(self.sp(x), context8))
        if self.training and self.auxiliary:
            return logits, self.conv_out16(context8), self.conv_out32(context16)
        logits = F.interpolate(logits, size=x.shape[-2:], mode="bilinear", align_corners=False)
        return logits[..., :height, :width]
