"""Score a network on CamVid: ``python -m rdct.vision.models.score --data DIR --split val``.

One confusion matrix over all pixels of the split, void pixels left out; a network that answers void
where there is a class has missed it. Run the test split once per reported result.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from rdct.vision import metrics
from rdct.vision.models import CAMVID_CLASSES, CAMVID_VOID, DEFAULT_MODEL, Model, labels, load


def camvid_matrix(model: Model, data: Path, split: str) -> np.ndarray:
    """Confusion matrix of `model` over one CamVid split.

    Parameters
    ----------
    model : Model
        A network whose first 11 classes are CamVid's.
    data : pathlib.Path
        Folder that holds ``camvid360/``.
    split : str
        "train", "val" or "test".

    Returns
    -------
    numpy.ndarray
        int64 ``[11, 12]``, see `rdct.vision.metrics.confusion`.
    """
    from PIL import Image

    count = len(CAMVID_CLASSES)
    matrix = np.zeros((count, count + 1), np.int64)
    files = sorted((data / "camvid360" / split).glob("*.webp"))
    if not files:
        raise FileNotFoundError(f"no .webp pictures in {data / 'camvid360' / split}")
    for file in files:
        with Image.open(file) as image:
            picture = np.asarray(image.convert("RGB"))
        with Image.open(data / "camvid360" / f"{split}annot" / f"{file.stem}.png") as image:
            truth = np.asarray(image)
        matrix += metrics.confusion(labels(model, picture), truth, count, ignore=CAMVID_VOID)
    return matrix


def latency(model: Model, height: int = 360, width: int = 480, rounds: int = 20) -> float:
    """Median seconds for one picture of this size, after a warm-up."""
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    times = []
    for _ in range(rounds + 3):
        began = time.perf_counter()
        labels(model, picture)
        times.append(time.perf_counter() - began)
    return float(np.median(times[3:]))


def main(argv: list[str] | None = None) -> int:
    """Print the scores of one split; returns the exit status."""
    import torch

    p = argparse.ArgumentParser(prog="python -m rdct.vision.models.score", description=__doc__)
    p.add_argument("--data", type=Path, required=True, help="folder that holds camvid360/")
    p.add_argument("--model", default=DEFAULT_MODEL, help="model spec (default: %(default)s)")
    p.add_argument("--split", default="val", choices=("train", "val", "test"))
    p.add_argument("--threads", type=int, default=2)
    args = p.parse_args(argv)
    torch.set_num_threads(args.threads)
    model = load(args.model)
    matrix = camvid_matrix(model, args.data, args.split)
    for name, iou in zip(CAMVID_CLASSES, metrics.iou_per_class(matrix), strict=True):
        print(f"{name:12s} {iou:.3f}")
    print(f"mIoU {metrics.miou(matrix):.4f}  pixel accuracy {metrics.pixel_accuracy(matrix):.4f}")
    print(f"480x360 on {args.threads} threads: {latency(model) * 1000:.0f} ms (median)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
