"""ESPNetv2 (Mehta et al., 2019) for segmentation, for the weights published with EdgeNets.

The encoder's block (EESP) projects to a quarter of the channels, runs four depth-wise dilated
convolutions side by side, adds them up one after the other against gridding, and mixes them
again. Where the encoder halves its maps, the picture itself, scaled down, is fed in once more. The
decoder goes up from 1/16 to 1/2, each time through a pyramid that looks at its map at five sizes.
Written from the paper (sections 3 and 4.2); attribute names are those of the published state dict.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rdct.vision.models.layers import IMAGENET, Normalize, pad_to_multiple

__all__ = ["SCALES", "STRIDE", "ESPNetv2"]

#: Sides are padded to a multiple of this, as in training.
STRIDE = 32
#: Widths that weights were published for.
SCALES = (0.5, 1.0, 1.5, 2.0)

_BRANCHES = 4
# Dilations of an EESP's branches. The paper bounds a branch's field (17 down to 7 pixels with depth);
# at the depth of segmentation only the last level's fourth branch is beyond it, and falls back to 1.
_WIDE = (1, 2, 3, 4)
_DEEP = (1, 1, 2, 3)
# Blocks after each halving (1/8 and 1/16), and the sizes a pyramid looks at.
_REPEATS = (3, 7)
_PYRAMID = (2.0, 1.5, 1.0, 0.5, 0.1)
_SMALLEST = 5  # no map of a pyramid is smaller than this


class _ConvNorm(nn.Module):
    def __init__(self, cin: int, cout: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(cout)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x))


class _ConvNormAct(_ConvNorm):
    def __init__(self, cin: int, cout: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(cin, cout, kernel, stride, groups)
        self.act = nn.PReLU(cout)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(super().forward(x))


class _NormAct(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(channels)
        self.act = nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(x))


class _Dilated(nn.Module):
    """A depth-wise 3x3 convolution."""

    def __init__(self, channels: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            channels, channels, 3, stride, dilation, dilation=dilation, groups=channels, bias=False
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class _EESP(nn.Module):
    """Extremely efficient spatial pyramid: reduce, split over dilations, add up, mix.

    With stride 2 it is one branch of a `_Down` and leaves shortcut and activation to that.
    """

    def __init__(self, cin: int, cout: int, dilations: tuple[int, ...], stride: int = 1) -> None:
        super().__init__()
        narrow = cout // _BRANCHES
        self.proj_1x1 = _ConvNormAct(cin, narrow, 1, groups=_BRANCHES)
        self.spp_dw = nn.ModuleList(_Dilated(narrow, stride, dilation) for dilation in dilations)
        self.conv_1x1_exp = _ConvNorm(cout, cout, 1, groups=_BRANCHES)
        self.br_after_cat = _NormAct(cout)
        self.module_act = nn.PReLU(cout)  # published with stride 2, too, where nothing uses it
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        reduced = self.proj_1x1(x)
        branches: list[Tensor] = []
        for branch in self.spp_dw:
            out = branch(reduced)
            branches.append(out + branches[-1] if branches else out)
        out = self.conv_1x1_exp(self.br_after_cat(torch.cat(branches, 1)))
        return out if self.stride == 2 else self.module_act(out + x)


class _Down(nn.Module):
    """Halve the size: average and EESP side by side, plus what the small picture says."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.eesp = _EESP(cin, cout - cin, _WIDE, stride=2)
        self.inp_reinf = nn.Sequential(_ConvNormAct(3, 3, 3), _ConvNorm(3, cout, 1))
        self.act = nn.PReLU(cout)

    def forward(self, x: Tensor, picture: Tensor) -> Tensor:
        out = torch.cat((_halve(x), self.eesp(x)), 1)
        return self.act(out + self.inp_reinf(picture))


def _halve(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, 2, 1)


class _Encoder(nn.Module):
    """The classification network without its last level; answers maps at 1/2, 1/4, 1/8, 1/16."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.level1 = _ConvNormAct(3, widths[0], 3, 2)
        self.level2_0 = _Down(widths[0], widths[1])
        self.level3_0 = _Down(widths[1], widths[2])
        self.level3 = nn.ModuleList(_EESP(widths[2], widths[2], _WIDE) for _ in range(_REPEATS[0]))
        self.level4_0 = _Down(widths[2], widths[3])
        self.level4 = nn.ModuleList(_EESP(widths[3], widths[3], _DEEP) for _ in range(_REPEATS[1]))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        quarter = _halve(_halve(x))
        eighth = _halve(quarter)
        level1 = self.level1(x)
        level2 = self.level2_0(level1, quarter)
        level3 = self.level3_0(level2, eighth)
        for block in self.level3:
            level3 = block(level3)
        level4 = self.level4_0(level3, _halve(eighth))
        for block in self.level4:
            level4 = block(level4)
        return level1, level2, level3, level4


# The decoder was published in modules of another naming: `cbr` and `br` hold what the encoder calls
# conv, bn and act.


class _CBR(nn.Module):
    def __init__(self, cin: int, cout: int, kernel: int, groups: int = 1) -> None:
        super().__init__()
        self.cbr = nn.Sequential(
            nn.Conv2d(cin, cout, kernel, padding=kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(cout),
            nn.PReLU(cout),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.cbr(x)


class _BR(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.br = nn.Sequential(nn.BatchNorm2d(channels), nn.PReLU(channels))

    def forward(self, x: Tensor) -> Tensor:
        return self.br(x)


class _Shuffle(nn.Module):
    """Channels from size by size to channel by channel: a group then holds all sizes of one."""

    def forward(self, x: Tensor) -> Tensor:
        return x.unflatten(1, (len(_PYRAMID), -1)).transpose(1, 2).flatten(1, 2)


class _Pyramid(nn.Module):
    """Efficient pyramid pooling: one depth-wise convolution at each of five sizes of the map."""

    def __init__(self, cin: int, narrow: int, cout: int, *, last: bool = False) -> None:
        super().__init__()
        self.projection_layer = _CBR(cin, narrow, 1)
        self.stages = nn.ModuleList(
            nn.Conv2d(narrow, narrow, 3, padding=1, groups=narrow, bias=False) for _ in _PYRAMID
        )
        wide = narrow * len(_PYRAMID)
        self.merge_layer = nn.Sequential(
            _BR(wide), _Shuffle(), _CBR(wide, narrow, 3, groups=narrow), nn.Conv2d(narrow, cout, 1, bias=last)
        )
        self.br = nn.Identity() if last else _BR(cout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.projection_layer(x)
        looks = zip(self.stages, _PYRAMID, strict=True)
        return self.br(self.merge_layer(torch.cat([_at_scale(stage, x, scale) for stage, scale in looks], 1)))


def _at_scale(stage: nn.Module, x: Tensor, scale: float) -> Tensor:
    """Resize, apply `stage`, resize back: averages on the way down, bilinear on the way up."""
    size = x.shape[-2:]
    other = tuple(max(math.ceil(side * scale), _SMALLEST) for side in size)
    if scale < 1:
        return _bilinear(stage(F.adaptive_avg_pool2d(x, other)), size)
    if scale > 1:
        return F.adaptive_avg_pool2d(stage(_bilinear(x, other)), size)
    return stage(x)


class _Merge(nn.Module):
    """An encoder's map on its way into the decoder, each channel weighed by the whole map."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.wt_layer = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(cin, cout, 1, bias=False), nn.Sigmoid()
        )
        self.expansion_layer = _CBR(cin, cout, 3, groups=math.gcd(cin, cout))

    def forward(self, x: Tensor) -> Tensor:
        return self.expansion_layer(x) * self.wt_layer(x)


def _bilinear(x: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(x, size=size, mode="bilinear", align_corners=True)


class ESPNetv2(nn.Module):
    """ESPNetv2 with its pyramid-pooling decoder.

    Parameters
    ----------
    num_classes : int
        Number K of classes; the published Cityscapes weights have 20, the last one background.
    scale : float
        The paper's s, one of `SCALES`: width of the encoder.

    Notes
    -----
    ``forward`` takes RGB in 0..255, float, ``[N, 3, H, W]`` with any H, W >= 1, and returns logits
    ``[N, K, H, W]``. Every answer depends on the whole picture (the decoder weighs channels by
    their mean over it).
    """

    def __init__(self, num_classes: int = 20, scale: float = 2.0) -> None:
        super().__init__()
        if scale not in SCALES:
            raise ValueError(f"ESPNetv2 was published for scales {SCALES}, got {scale}")
        widths = (32 if scale >= 1 else 16, *(round(scale * base) for base in (64, 128, 256)))
        self.num_classes = num_classes
        self.normalize = Normalize(*IMAGENET)
        self.base_net = _Encoder(widths)
        up = (64, 48, 32)
        narrow = min(num_classes // 2, 16)
        self.bu_dec_l1 = _Pyramid(widths[3], narrow, up[0])
        self.bu_dec_l2 = _Pyramid(up[0], narrow, up[1])
        self.bu_dec_l3 = _Pyramid(up[1], narrow, up[2])
        self.bu_dec_l4 = _Pyramid(up[2], narrow, num_classes, last=True)
        self.merge_enc_dec_l2 = _Merge(widths[2], up[0])
        self.merge_enc_dec_l3 = _Merge(widths[1], up[1])
        self.merge_enc_dec_l4 = _Merge(widths[0], up[2])
        self.bu_br_l2, self.bu_br_l3, self.bu_br_l4 = (
            nn.Sequential(nn.BatchNorm2d(channels), nn.PReLU(channels)) for channels in up
        )

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        x = pad_to_multiple(self.normalize(image), STRIDE)
        # The maps are gone before the logits need their memory.
        logits = self._decode(*self.base_net(x))
        return _bilinear(logits, x.shape[-2:])[..., :height, :width]

    def _decode(self, half: Tensor, quarter: Tensor, eighth: Tensor, sixteenth: Tensor) -> Tensor:
        up = _bilinear(self.bu_dec_l1(sixteenth), eighth.shape[-2:])
        up = self.bu_dec_l2(self.bu_br_l2(self.merge_enc_dec_l2(eighth) + up))
        up = _bilinear(up, quarter.shape[-2:])
        up = self.bu_dec_l3(self.bu_br_l3(self.merge_enc_dec_l3(quarter) + up))
        up = _bilinear(up, half.shape[-2:])
        return self.bu_dec_l4(self.bu_br_l4(self.merge_enc_dec_l4(half) + up))
