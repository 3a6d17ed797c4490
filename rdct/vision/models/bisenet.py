"""The built-in network: a compact two-path segmentation network of the BiSeNet kind.

A shallow *detail path* keeps edges at a quarter and an eighth of the picture's size; a deep, narrow
*context path* of short-term-dense-concatenation blocks goes down to 1/32 and sees the whole scene.
Attention refines the context, a fusion module joins the two, and a light head at a quarter of the
size keeps poles and signs. Ideas: BiSeNet (Yu et al., 2018) and STDC (Fan et al., 2021); the code
and the proportions are ours.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from rdct.vision.models.layers import pad_to_multiple

#: The coarsest feature map is this much smaller than the picture; sides are padded to a multiple.
STRIDE = 32

# The usual RGB statistics of natural images, in 0..255. They sit inside the network so that
# gradients with respect to the picture come out per grey level.
_MEAN = (123.675, 116.28, 103.53)
_STD = (58.395, 57.12, 57.375)


class ConvBNReLU(nn.Sequential):
    """Convolution with "same" padding, batch norm and (unless told otherwise) a ReLU."""

    def __init__(self, cin: int, cout: int, kernel: int = 3, stride: int = 1, *, relu: bool = True) -> None:
        layers: list[nn.Module] = [
            nn.Conv2d(cin, cout, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(cout),
        ]
        if relu:
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


class DenseConcat(nn.Module):
    """Short-term dense concatenation: four ever narrower convolutions, outputs side by side.

    Channels go n/2, n/4, n/8, n/8, so that the block sees four scales for little more than the cost
    of one narrow convolution. Blocks that keep their shape add a shortcut.
    """

    def __init__(self, cin: int, cout: int, stride: int = 1) -> None:
        super().__init__()
        half, quarter, eighth = cout // 2, cout // 4, cout // 8
        self.enter = ConvBNReLU(cin, half, 1)
        self.second = ConvBNReLU(half, quarter, 3, stride)
        self.third = ConvBNReLU(quarter, eighth)
        self.fourth = ConvBNReLU(eighth, eighth)
        self.stride = stride
        self.shortcut = stride == 1 and cin == cout

    def forward(self, x: Tensor) -> Tensor:
        first = self.enter(x)
        second = self.second(first)
        third = self.third(second)
        fourth = self.fourth(third)
        if self.stride == 2:
            first = F.avg_pool2d(first, 2)
        out = torch.cat((first, second, third, fourth), 1)
        return out + x if self.shortcut else out


class AttentionRefinement(nn.Module):
    """Project to `cout` channels, then weigh each channel by what the whole map says of it."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.project = ConvBNReLU(cin, cout, 1)
        self.attend = nn.Conv2d(cout, cout, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.project(x)
        return x * torch.sigmoid(self.attend(x.mean((2, 3), keepdim=True)))


class FeatureFusion(nn.Module):
    """Join detail and context at 1/8: mix, then a squeeze-and-excite residual."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.mix = ConvBNReLU(cin, cout, 1)
        self.squeeze = nn.Conv2d(cout, cout // 4, 1)
        self.excite = nn.Conv2d(cout // 4, cout, 1)

    def forward(self, detail: Tensor, context: Tensor) -> Tensor:
        x = self.mix(torch.cat((detail, context), 1))
        pooled = x.mean((2, 3), keepdim=True)
        return x + x * torch.sigmoid(self.excite(F.relu(self.squeeze(pooled))))


def _upsample(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


class CompactBiSeNet(nn.Module):
    """Two-path real-time segmentation network.

    Parameters
    ----------
    num_classes : int
        Number K of classes.
    auxiliary : bool
        Build the two extra heads that only training uses; the stored weights have none.

    Notes
    -----
    ``forward`` takes RGB in 0..255, float, ``[N, 3, H, W]`` with any H, W >= 1, and returns logits
    ``[N, K, H, W]``. In training mode with `auxiliary` it returns a tuple of logits at 1/4 of the
    padded size (the main head, not yet up-sampled), at 1/8 and at 1/16 (the auxiliary heads).
    """

    def __init__(self, num_classes: int = 11, *, auxiliary: bool = False) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)
        self.stem = nn.Sequential(ConvBNReLU(3, 32, 3, 2), ConvBNReLU(32, 48, 3, 2))  # 1/2, 1/4
        self.detail4 = ConvBNReLU(48, 48)
        self.detail8 = nn.Sequential(ConvBNReLU(48, 96, 3, 2), ConvBNReLU(96, 96))
        self.context8 = nn.Sequential(DenseConcat(48, 128, 2), DenseConcat(128, 128))
        self.context16 = nn.Sequential(DenseConcat(128, 256, 2), DenseConcat(256, 256), DenseConcat(256, 256))
        self.context32 = nn.Sequential(DenseConcat(256, 384, 2), DenseConcat(384, 384), DenseConcat(384, 384))
        self.refine32 = AttentionRefinement(384, 128)
        self.refine16 = AttentionRefinement(256, 128)
        self.whole = nn.Conv2d(384, 128, 1)
        self.smooth16 = ConvBNReLU(128, 128)
        self.fuse8 = FeatureFusion(96 + 128 + 128, 128)
        self.smooth8 = ConvBNReLU(128, 96)
        self.up4 = ConvBNReLU(96, 64, 1, relu=False)
        self.skip4 = ConvBNReLU(48, 64, 1, relu=False)
        self.head = nn.Sequential(ConvBNReLU(64, 64), nn.Dropout2d(0.1), nn.Conv2d(64, num_classes, 1))
        self.auxiliary = (
            nn.ModuleList(nn.Sequential(ConvBNReLU(c, 64), nn.Conv2d(64, num_classes, 1)) for c in (128, 128))
            if auxiliary
            else None
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def fuse(self) -> CompactBiSeNet:
        """Fold every batch norm into its convolution, for evaluation only; returns itself."""
        for module in self.modules():
            if isinstance(module, ConvBNReLU) and isinstance(module[1], nn.BatchNorm2d):
                module[0] = fuse_conv_bn_eval(module[0], module[1])
                module[1] = nn.Identity()
        return self

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        height, width = image.shape[-2:]
        x = pad_to_multiple((image - self.mean) / self.std, STRIDE)
        size = x.shape[-2:]
        x = x.contiguous(memory_format=torch.channels_last)

        quarter = self.stem(x)
        detail4 = self.detail4(quarter)
        detail8 = self.detail8(detail4)
        context8 = self.context8(quarter)
        context16 = self.context16(context8)
        context32 = self.context32(context16)

        whole = F.relu(self.whole(context32.mean((2, 3), keepdim=True)))
        deep = self.refine32(context32) + whole
        refined16 = self.refine16(context16)
        deep = self.smooth16(refined16 + _upsample(deep, refined16))
        fused = self.fuse8(torch.cat((detail8, context8), 1), _upsample(deep, detail8))
        fused = self.smooth8(fused)
        fine = F.relu(_upsample(self.up4(fused), detail4) + self.skip4(detail4))
        logits = self.head(fine).float()
        if self.training and self.auxiliary is not None:
            return logits, self.auxiliary[0](context8), self.auxiliary[1](deep)
        logits = F.interpolate(logits, size=size, mode="bilinear", align_corners=False)
        return logits[..., :height, :width]
