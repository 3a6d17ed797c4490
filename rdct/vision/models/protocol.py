"""What the rest of the project may assume of a network, and the two ways it asks one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Model", "labels", "logits"]


@runtime_checkable
class Model(Protocol):
    """A segmentation network as the codec's side sees it.

    Attributes
    ----------
    name : str
        What tables and records call it.
    class_names : tuple of str
        One per class, K in all.
    palette : numpy.ndarray
        uint8 ``[K, 3]`` RGB.
    ignore_label : int or None
        The label that reference pictures give to pixels that count nowhere (CamVid: 11).
    working_size : (int, int) or None
        Height and width the network was made for, where that is less than its pictures have:
        evaluation resizes them to it before every codec. None: it takes pictures as they come.
        Either way every size is answered. Absent means None.
    """

    name: str
    class_names: tuple[str, ...]
    palette: np.ndarray
    ignore_label: int | None

    def __call__(self, image: Tensor) -> Tensor:
        """Logits ``[N, K, H, W]`` for RGB in 0..255, float ``[N, 3, H, W]``, any H, W >= 1.

        Differentiable with respect to `image`; deterministic.
        """
        ...


def _batch(model: Model, image: np.ndarray) -> Tensor:
    import torch

    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"image must be RGB [H, W, 3] with H, W >= 1, got shape {image.shape}")
    if image.dtype != np.uint8 and image.dtype.kind != "f":
        raise TypeError(f"image must be uint8 or float in 0..255, got dtype {image.dtype}")
    planes = np.ascontiguousarray(image.transpose(2, 0, 1)[None], dtype=np.float32)
    return torch.from_numpy(planes).to(getattr(model, "device", "cpu"))


def logits(model: Model, image: np.ndarray) -> np.ndarray:
    """The network's logits for one picture, without gradients.

    Parameters
    ----------
    model : Model
        From `load`, or anything that keeps the protocol.
    image : numpy.ndarray
        RGB ``[H, W, 3]``, uint8 or float in 0..255.

    Returns
    -------
    numpy.ndarray
        float32 ``[K, H, W]``.
    """
    import torch

    with torch.no_grad():
        return model(_batch(model, image))[0].float().cpu().numpy()


def labels(model: Model, image: np.ndarray) -> np.ndarray:
    """The network's label of every pixel: the class of the largest logit.

    Parameters
    ----------
    model : Model
        From `load`, or anything that keeps the protocol.
    image : numpy.ndarray
        RGB ``[H, W, 3]``, uint8 or float in 0..255.

    Returns
    -------
    numpy.ndarray
        uint8 ``[H, W]``.
    """
    import torch

    with torch.no_grad():
        return model(_batch(model, image)).argmax(1)[0].to(torch.uint8).cpu().numpy()
