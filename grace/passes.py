"""Forward and backward passes of a network over one picture, down to its DCT coefficients.

A backward pass ends at the network's RGB input; from there an exact linear map leads to coefficients: the
adjoint of T.81's colour transform, the adjoint of chroma up-sampling, and the orthonormal block DCT,
which is its own inverse's adjoint. No differentiable codec is needed.

A `Look` keeps what a forward pass leaves behind, so that a server can send the labels first and go
backward from the same pass later, and several probes share one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from grace.dct import block_dct, upsample_adjoint, ycc_adjoint
from grace.geometry import Geometry, geometry
from grace.tiles import ALIGN, Tile, cut

if TYPE_CHECKING:
    from rdct.vision.models import Model

__all__ = ["AUTO_TILE_PIXELS", "Look", "Objective"]

#: Pictures of more pixels than this are tiled unless told otherwise.
AUTO_TILE_PIXELS = 1_200_000
_AUTO_TILE = (640, 896)

#: From the logits of a tile's core ``[1, K, h, w]``, and given labels there if any, to the scalar to derive.
Objective = Callable[[Tensor, "Tensor | None"], Tensor]


class Look:
    """A network's look at one picture.

    Parameters
    ----------
    model : Model
        As `rdct.vision.models.load` gives it, or any callable from float ``[1, 3, H, W]`` in 0..255
        to logits ``[1, K, H, W]`` that autograd can follow, in evaluation mode.
    image : numpy.ndarray
        RGB ``[H, W, 3]``, uint8 or float in 0..255, raw or decoded; grey ``[H, W]`` (seen by the
        network as RGB) with ``subsampling="grey"``.
    subsampling : {"444", "422", "420", "grey"}
        How the codec will sample chroma.
    tile : int or (int, int), optional
        Largest height and width of a tile's core; multiples of 32. By default pictures above 1.2
        megapixels are cut into cores of at most 640x896, smaller ones are not cut.
    overlap : int
        Context around a core, a multiple of 32. Gradients are exact for a network that looks no
        further; one that pools over the whole picture sees the tile as its picture.

    Attributes
    ----------
    height, width : int
        The picture's size.

    Notes
    -----
    The network runs when it is first needed. What it leaves behind is kept for a picture that is not cut,
    and given up with the last backward pass; tiles are run anew for each, so that memory is that of one.
    """

    def __init__(
        self,
        model: Model,
        image: np.ndarray,
        *,
        subsampling: str = "444",
        tile: int | tuple[int, int] | None = None,
        overlap: int = 128,
    ) -> None:
        self._image = _checked_image(image, subsampling)
        _refuse_training(model)
        self._model = model
        self.subsampling = subsampling
        self.height, self.width = self._image.shape[:2]
        self._tiles = _tiles_of(self.height, self.width, tile, overlap)
        self._kept: tuple[Tensor, Tensor] | None = None

    @property
    def model(self) -> Model:
        return self._model

    def labels(self) -> np.ndarray:
        """The network's labels of the whole picture, uint8 ``[H, W]``."""
        if len(self._tiles) > 1:
            from rdct.vision import models

            return models.labels(self._model, self._image)
        return _labels(self._forward(self._tiles[0])[1])

    def backward(
        self, objective: Objective, given: np.ndarray | None = None, *, last: bool = True
    ) -> tuple[tuple[np.ndarray, ...], float, np.ndarray]:
        """Derive an objective, summed over the picture, by every coded coefficient.

        Parameters
        ----------
        objective : callable
            Called for each tile with the logits of its core and the given labels there.
        given : numpy.ndarray, optional
            Integer labels ``[H, W]``.
        last : bool
            False keeps the forward pass for another call.

        Returns
        -------
        planes : tuple of numpy.ndarray
            Per component float32 ``[by, bx, 8, 8]``: objective per unit of coefficient (orthonormal
            DCT of samples in 0..255). Whole MCUs as the codec codes them; padding holds 0.
        total : float
            The objective.
        labels : numpy.ndarray
            uint8 ``[H, W]``: the network's own.
        """
        shape = geometry(self.height, self.width, self.subsampling)
        rows, columns = (8 * side for side in shape.blocks[0])
        # Full-size Y, Cb, Cr gradients. Padding stays 0: no pixel depends on it.
        gradient = [np.zeros((rows, columns), np.float32) for _ in shape.sizes]
        own = np.empty((self.height, self.width), np.uint8)
        total = 0.0
        for tile in self._tiles:
            core = tile.core_rows.slice, tile.core_columns.slice
            inner = tile.core_rows.within(tile.rows), tile.core_columns.within(tile.columns)
            x, logits = self._forward(tile)
            labels = None
            if given is not None:
                labels = torch.from_numpy(given[core].astype(np.int64)[None]).to(x.device)
            with torch.enable_grad():
                logits = logits[(..., *inner)]
                value = objective(logits, labels)
                # Not value.backward(): parameters of a network that is not frozen stay untouched.
                (rgb,) = torch.autograd.grad(value, x, retain_graph=not last)
            own[core] = _labels(logits)
            total += float(value.detach())
            seen = tile.rows.slice, tile.columns.slice
            for plane, share in zip(gradient, ycc_adjoint(rgb[0]).cpu().numpy(), strict=False):
                plane[seen] += share
        if last:
            self._kept = None
        planes = []
        while gradient:
            planes.append(_to_blocks(gradient.pop(0), shape, len(planes)))
        return tuple(planes), total, own

    def squares(
        self, probe: Callable[[Tensor], Tensor], probes: int
    ) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """Mean over random probes v of (J^T v)^2, J being the derivative of the logits.

        That is Hutchinson's estimate of the diagonal of J^T C J for probes of covariance C.

        Parameters
        ----------
        probe : callable
            From detached logits to a v of their shape, drawn anew at each call.
        probes : int
            At least 1; each is a backward pass from the one forward pass.

        Returns
        -------
        planes : tuple of numpy.ndarray
            Per component float32 ``[by, bx, 8, 8]``; a mean over the picture's pixels, too.
        labels : numpy.ndarray
            uint8 ``[H, W]``: the network's own.
        """
        if probes < 1:
            raise ValueError(f"probes must be at least 1, got {probes}")

        def objective(logits: Tensor, given: Tensor | None) -> Tensor:
            return (logits * probe(logits.detach())).sum()

        total: list[np.ndarray] = []
        for drawn in range(1, probes + 1):
            planes, _, own = self.backward(objective, last=drawn == probes)
            found = [np.square(plane, out=plane) for plane in planes]
            total = [a + b for a, b in zip(total, found, strict=True)] if total else found
        for plane in total:
            plane *= 1 / (probes * self.height * self.width)
        return tuple(total), own

    def _forward(self, tile: Tile) -> tuple[Tensor, Tensor]:
        """What the network was given and what it answered, with the graph between them."""
        if self._kept is not None:
            return self._kept
        part = self._image[tile.rows.slice, tile.columns.slice]
        part = np.ascontiguousarray(part.transpose(2, 0, 1)[None], dtype=np.float32)
        x = torch.from_numpy(part).to(getattr(self._model, "device", "cpu")).requires_grad_(True)
        with torch.enable_grad():
            found = x, _answer(self._model, x)
        if len(self._tiles) == 1:
            self._kept = found
        return found


def _labels(logits: Tensor) -> np.ndarray:
    return logits.detach().argmax(1)[0].to(torch.uint8).cpu().numpy()


def _refuse_training(model: object) -> None:
    """Raise ValueError for a network whose answers are not those it is used for."""
    if getattr(model, "training", False):
        raise ValueError(
            "model is in training mode, where batch norm and dropout would distort the gradient; "
            "call model.eval() first"
        )


def _checked_image(image: np.ndarray, subsampling: str) -> np.ndarray:
    """The picture as the network sees it, RGB ``[H, W, 3]``."""
    image = np.asarray(image)
    if image.dtype != np.uint8 and image.dtype.kind != "f":
        raise TypeError(f"image must be uint8 or float in 0..255, got dtype {image.dtype}")
    if image.ndim == 2 and image.size:
        if subsampling != "grey":
            raise ValueError(f'a grey image [H, W] takes subsampling="grey", not {subsampling!r}')
        return np.broadcast_to(image[..., None], (*image.shape, 3))
    if image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(f"image must be RGB [H, W, 3] or grey [H, W], got {list(image.shape)}")
    return image


def _tiles_of(height: int, width: int, tile: int | tuple[int, int] | None, overlap: int) -> list[Tile]:
    """What a backward pass is cut into; see `Look`."""
    if tile is None:
        if height * width <= AUTO_TILE_PIXELS:
            tile = tuple(-(-side // ALIGN) * ALIGN for side in (height, width))
        else:
            tile = _AUTO_TILE
    elif isinstance(tile, int):
        tile = (tile, tile)
    return list(cut(height, width, tile, overlap))


def _answer(model: Model, x: Tensor) -> Tensor:
    logits = model(x)
    if logits.ndim != 4 or logits.shape[0] != 1 or logits.shape[2:] != x.shape[2:]:
        raise ValueError(
            f"model answered {list(logits.shape)} to a {list(x.shape)} input; logits must be "
            "[1, K, H, W] at the input's size"
        )
    if not logits.requires_grad:
        raise ValueError(
            "the model's answer does not depend on its input in a way autograd can follow; "
            "a model under torch.no_grad, or one that rounds its input, has no gradient"
        )
    return logits


def _to_blocks(plane: np.ndarray, shape: Geometry, component: int) -> np.ndarray:
    """A full-size component's gradient -> ``[by, bx, 8, 8]``; may reuse the memory of `plane`."""
    rows, columns = shape.blocks[component]
    if component and (shape.across, shape.down) != (1, 1):
        height, width = shape.sizes[0]
        true = upsample_adjoint(torch.from_numpy(plane[:height, :width]), shape.across, shape.down).numpy()
        plane = np.zeros((8 * rows, 8 * columns), np.float32)
        plane[: true.shape[0], : true.shape[1]] = true
    # A row of blocks takes as much memory before the transform as after it.
    blocks = plane.reshape(rows, 8, 8 * columns)
    for row in blocks:
        row.reshape(columns, 8, 8)[:] = block_dct(torch.from_numpy(row))[0].numpy()
    return plane.reshape(rows, columns, 8, 8)
