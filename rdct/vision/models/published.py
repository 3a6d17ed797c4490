"""Published architectures whose weights the user brings: ``NAME:WEIGHTS``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rdct.vision.models.classes import (
    CAMVID_CLASSES,
    CAMVID_PALETTE,
    CAMVID_VOID,
    CITYSCAPES_CLASSES,
    CITYSCAPES_PALETTE,
    CITYSCAPES_VOID,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["PUBLISHED", "Published", "fill", "read_state"]

_SHOWN = 3  # so many tensors an error names


@dataclass(frozen=True)
class Published:
    """One architecture, as its weights were published.

    Attributes
    ----------
    build : callable
        Makes the network, without weights. Imports torch.
    what : str
        The network in words, for messages.
    file : str
        How the published file is called.
    class_names, palette, ignore_label, working_size
        As in `rdct.vision.models.Model`.
    unused : tuple of str
        Prefixes of tensors in the file that only training needs.
    """

    build: Callable[[], nn.Module]
    what: str
    file: str
    class_names: tuple[str, ...]
    palette: np.ndarray
    ignore_label: int
    working_size: tuple[int, int] | None = None
    unused: tuple[str, ...] = ()


def read_state(file: Path) -> dict[str, Tensor]:
    """Read a state dict: a PyTorch file (nothing in it is run) or safetensors.

    What training scripts put around it is taken off: a checkpoint with the dict under
    ``"state_dict"``, and the ``module.`` that ``DataParallel`` prefixes.

    Raises
    ------
    ValueError
        The file holds something else than tensors by name.
    """
    import torch

    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        state = {name: value.float() for name, value in load_file(str(file)).items()}
    else:
        state = torch.load(file, map_location="cpu", weights_only=True)
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping) or not all(isinstance(one, torch.Tensor) for one in state.values()):
        raise ValueError("it holds no mapping from names to tensors")
    if state and all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): value for name, value in state.items()}
    return dict(state)


def fill(network: nn.Module, state: Mapping[str, Tensor], unused: tuple[str, ...] = ()) -> None:
    """Put all tensors of `state` into `network`, none left over on either side.

    Raises
    ------
    ValueError
        Names the tensors that are missing, unknown or of another shape.
    """
    own = network.state_dict()
    state = {name: value for name, value in state.items() if not name.startswith(unused)}
    complaints = (
        ("lacks", [name for name in own if name not in state and not _is_count(name)]),
        ("has unknown", [name for name in state if name not in own and not _is_count(name)]),
        (
            "differs in",
            [
                f"{name} {list(value.shape)}, expected {list(own[name].shape)}"
                for name, value in state.items()
                if name in own and value.shape != own[name].shape
            ],
        ),
    )
    said = [f"{verb} {_some(names)}" for verb, names in complaints if names]
    if said:
        raise ValueError("; ".join(f"it {words}" for words in said))
    network.load_state_dict({name: state.get(name, value) for name, value in own.items()}, strict=True)


def _is_count(name: str) -> bool:
    # Files from before PyTorch 0.4.1 lack it, and evaluation has no use for it.
    return name.endswith("num_batches_tracked")


def _some(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _espnet() -> nn.Module:
    from rdct.vision.models.espnet import ESPNet

    return ESPNet(len(CAMVID_CLASSES) + 1, p=2, q=8)


def _espnetv2(scale: float) -> Published:
    def build() -> nn.Module:
        from rdct.vision.models.espnetv2 import ESPNetv2

        return ESPNetv2(len(CITYSCAPES_CLASSES) + 1, scale)

    return Published(
        build,
        f"ESPNetv2 s={scale} with 20 classes",
        f"espnetv2_s_{scale}_city_1024x512.pth",
        (*CITYSCAPES_CLASSES, "background"),
        _with_black(CITYSCAPES_PALETTE),
        CITYSCAPES_VOID,
        working_size=(512, 1024),
    )


def _drn(layers: int) -> Published:
    def build() -> nn.Module:
        from rdct.vision.models.drn import DRNSeg

        return DRNSeg(layers, len(CITYSCAPES_CLASSES))

    return Published(
        build,
        f"DRN-D-{layers} with 19 classes",
        f"drn_d_{layers}_cityscapes.pth",
        CITYSCAPES_CLASSES,
        CITYSCAPES_PALETTE,
        CITYSCAPES_VOID,
    )


def _bisenet_r18_cityscapes() -> nn.Module:
    from rdct.vision.models.bisenet_r18 import CITYSCAPES, BiSeNetR18

    return BiSeNetR18(len(CITYSCAPES_CLASSES), CITYSCAPES)


def _bisenet_r18_camvid() -> nn.Module:
    from rdct.vision.models.bisenet_r18 import BiSeNetR18

    return BiSeNetR18(len(CAMVID_CLASSES))


def _with_black(palette: np.ndarray) -> np.ndarray:
    return np.concatenate((palette, np.zeros((1, 3), np.uint8)))


_AUXILIARY = ("conv_out16.", "conv_out32.")

#: By name, in the order messages list them.
PUBLISHED: dict[str, Published] = {
    "espnet-camvid": Published(
        _espnet,
        "ESPNet p=2 q=8 with 12 classes",
        "espnet_p2_q8_camvid.pth",
        (*CAMVID_CLASSES, "Void"),
        _with_black(CAMVID_PALETTE),
        CAMVID_VOID,
    ),
    **{f"espnetv2-{scale}-cityscapes": _espnetv2(scale) for scale in (0.5, 1.0, 1.5, 2.0)},
    **{f"drn-d-{layers}": _drn(layers) for layers in (22, 38)},
    "bisenet-r18-cityscapes": Published(
        _bisenet_r18_cityscapes,
        "BiSeNet (ResNet-18) with 19 classes",
        "model_final_v1_city_new.pth",
        CITYSCAPES_CLASSES,
        CITYSCAPES_PALETTE,
        CITYSCAPES_VOID,
        unused=_AUXILIARY,
    ),
    "bisenet-r18-camvid": Published(
        _bisenet_r18_camvid,
        "BiSeNet (ResNet-18) with 11 classes",
        "weights trained on CamVid",
        CAMVID_CLASSES,
        CAMVID_PALETTE,
        CAMVID_VOID,
        unused=_AUXILIARY,
    ),
}
