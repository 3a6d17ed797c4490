"""A network small enough for tests of the commands: colours of a blurred picture, in four classes."""

import numpy as np
import torch
from torch import nn


class Tiny(nn.Module):
    name = "tiny"
    class_names = ("dark", "warm", "cool", "bright")
    palette = np.array([(20, 20, 30), (220, 120, 40), (40, 110, 220), (240, 240, 210)], np.uint8)

    def forward(self, x):
        x = nn.functional.avg_pool2d(nn.functional.pad(x, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
        light = (x.mean(1, keepdim=True) - 105) / 12
        warm = (x[:, :1] - x[:, 2:]) / 12
        return torch.cat([-light, warm, -warm, light], 1)


def make():
    return Tiny()


def broken():
    raise RuntimeError("no weights today")
