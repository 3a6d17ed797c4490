# SPDX-License-Identifier: Apache-2.0
"""Train the super-resolution of CloudSeg: ``python -m rdct.baselines.train_sr PICTURES... -o FILE``.

Patches of the pictures are halved by area, most of them also coded as JPEG of a random quality, and the
network learns to undo that: mean absolute error of luma. With ``--task SPEC`` the loss of a segmentation
network against its own labels on the untouched patch is added, which makes NAS-style super-resolution into
CloudSeg's (Wang et al., "Bridging the Edge-Cloud Barrier for Real-time Advanced Vision Analytics",
HotCloud 2019). The defaults are the run that made the shipped weights (rdct/baselines/data).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rdct.baselines.super_resolution import FACTOR, SuperResolution, load, save, upscaled
from rdct.vision.frames import PICTURES

__all__ = ["degraded", "main", "score"]

#: Of the JPEG that a patch goes through.
_QUALITIES = 40, 96


def pictures(folders: Sequence[str | Path]) -> list[np.ndarray]:
    """All pictures of some folders, u8 RGB, their sides cut to even numbers."""
    files = [
        path for one in folders for path in sorted(Path(one).iterdir()) if path.suffix.lower() in PICTURES
    ]
    if not files:
        raise FileNotFoundError(f"no pictures in {', '.join(map(str, folders))}")
    images = []
    for path in files:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            raise ValueError(f"{path} is no picture that OpenCV can read")
        height, width = (side - side % FACTOR for side in image.shape[:2])
        images.append(np.ascontiguousarray(image[:height, :width, ::-1]))
    return images


def degraded(image: np.ndarray, quality: int | None) -> np.ndarray:
    """A picture with half the sides, as the server gets it.

    Parameters
    ----------
    image : numpy.ndarray
        u8 RGB ``[H, W, 3]``, H and W even.
    quality : int or None
        Of JPEG, 1..100; None for no coding.
    """
    height, width = image.shape[:2]
    small = cv2.resize(image, (width // FACTOR, height // FACTOR), interpolation=cv2.INTER_AREA)
    if quality is None:
        return small
    data = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


def batches(
    images: Sequence[np.ndarray], count: int, batch: int, side: int, seed: int, coded: float
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Patches as YCbCr: small ``[N, side / 2, side / 2, 3]`` and whole ``[N, side, side, 3]``, u8."""
    for iteration in range(count):
        rng = np.random.default_rng([seed, iteration])
        pairs = []
        while len(pairs) < batch:
            image = images[rng.integers(len(images))]
            y, x = (rng.integers(0, max(length - side, 0) + 1) for length in image.shape[:2])
            patch = image[y : y + side, x : x + side]
            if patch.shape[:2] != (side, side):
                raise ValueError(f"pictures must have sides of {side} pixels or more, got {image.shape[:2]}")
            if rng.random() < 0.5:
                patch = patch[:, ::-1]
            if rng.random() < 0.5:
                patch = patch.transpose(1, 0, 2)
            patch = np.ascontiguousarray(patch)
            quality = int(rng.integers(*_QUALITIES)) if rng.random() < coded else None
            both = degraded(patch, quality), patch
            pairs.append([cv2.cvtColor(one, cv2.COLOR_RGB2YCrCb) for one in both])
        yield tuple(np.stack(part) for part in zip(*pairs, strict=True))


def task_loss(model: nn.Module, luma: Tensor, small: Tensor, whole: Tensor) -> Tensor:
    """Cross-entropy of a segmentation network on the enlarged patch against its labels on the true one.

    Parameters
    ----------
    model : Model
        See `rdct.vision.models`.
    luma : torch.Tensor
        ``[N, 1, H, W]``, 0..1: of the enlarged patch.
    small, whole : torch.Tensor
        Y, Cr, Cb ``[N, 3, H / 2, W / 2]`` and ``[N, 3, H, W]``, 0..1.
    """
    chroma = F.interpolate(small[:, 1:], scale_factor=FACTOR, mode="bicubic", align_corners=False)
    with torch.no_grad():
        labels = model(_rgb(whole)).argmax(1)
    return F.cross_entropy(model(_rgb(torch.cat([luma, chroma], 1))), labels)


def _rgb(planes: Tensor) -> Tensor:
    """Y, Cr, Cb of 0..1 as RGB of 0..255 (BT.601, full range)."""
    y, cr, cb = planes.clamp(0, 1).mul(255).unbind(1)
    cr, cb = cr - 128, cb - 128
    return torch.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], 1).clamp(0, 255)


def score(network: nn.Module, images: Sequence[np.ndarray], quality: int | None) -> tuple[float, float]:
    """Mean PSNR in dB over RGB of bicubic interpolation, and of the network, on halved pictures."""
    values = []
    for image in images:
        small = degraded(image, quality)
        bicubic = cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_CUBIC)
        values.append([cv2.PSNR(one, image) for one in (bicubic, upscaled(network, small))])
    first, second = np.mean(values, axis=0)
    return float(first), float(second)


def parser() -> argparse.ArgumentParser:
    """Build the argument parser; its defaults are the shipped run."""
    p = argparse.ArgumentParser(prog="python -m rdct.baselines.train_sr", description=__doc__)
    p.add_argument("pictures", nargs="+", help="folders of pictures")
    p.add_argument("-o", "--output", type=Path, required=True, help="safetensors file to write")
    p.add_argument("--held-out", action="append", default=[], metavar="DIR", help="pictures to score on")
    p.add_argument("--start", type=Path, help="go on from these weights (default: bicubic interpolation)")
    p.add_argument("--iterations", type=int, default=3500)
    p.add_argument("--batch", type=int, default=16, help="patches an iteration")
    p.add_argument("--side", type=int, default=96, help="of a patch in pixels, before it is halved; even")
    p.add_argument("--rate", type=float, default=2e-3, help="peak learning rate of Adam")
    p.add_argument("--coded", type=float, default=0.7, help="share of patches that go through JPEG")
    p.add_argument("--task", metavar="SPEC", help="a segmentation network whose loss is added")
    p.add_argument("--weight", type=float, default=0.02, help="of that loss")
    p.add_argument("--seed", type=int, default=1)
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run the training; returns the exit status."""
    args = parser().parse_args(argv)
    torch.manual_seed(args.seed)
    cv2.setNumThreads(1)
    images = pictures(args.pictures)
    network = SuperResolution() if args.start is None else load(args.start).requires_grad_(True).train()
    model = None
    if args.task is not None:
        from rdct.vision import models

        model = models.load(args.task)
    optimizer = torch.optim.Adam(network.parameters(), lr=args.rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, args.rate, args.iterations, pct_start=0.05)
    began, losses = time.monotonic(), []
    source = batches(images, args.iterations, args.batch, args.side, args.seed, args.coded)
    for iteration, pair in enumerate(source, 1):
        small, whole = (torch.from_numpy(one).permute(0, 3, 1, 2).float() / 255 for one in pair)
        luma = network(small[:, :1])
        loss = (luma - whole[:, :1]).abs().mean()
        if model is not None:
            loss = loss + args.weight * task_loss(model, luma, small, whole)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if iteration % 500 == 0 or iteration == args.iterations:
            pace = (time.monotonic() - began) / iteration
            print(f"{iteration}/{args.iterations}: loss {np.mean(losses):.5f}, {pace:.3f} s each", flush=True)
            losses = []
    places = ("pictures", "output", "held_out", "start", "task")
    facts = {name: str(value) for name, value in vars(args).items() if name not in places}
    save(network, args.output, {**facts, "pictures": str(len(images)), "task": str(model is not None)})
    for folder in args.held_out:
        for quality in (None, 75):
            bicubic, own = score(load(args.output), pictures([folder]), quality)
            print(f"{folder}, JPEG {quality or 'none'}: bicubic {bicubic:.2f} dB, network {own:.2f} dB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
