# SPDX-License-Identifier: Apache-2.0
"""How accuracy falls with the PSNR of what is carried, and what a threshold costs (the paper's Fig. 8).

python -m benchmarks.propagation_distance [--data DIR] [--model SPEC] [--plot FILE.png]

On the 101 consecutive labelled frames of CamVid val (480x360, 15 a second), with the flow of the device and
no codec, so that nothing but propagation is seen. Labels of every second frame are carried up to 15 frames
on: the network's own, held against what it says there (agreement) and against the truth (mIoU), and the
true ones against the truth. PSNR is that of the trigger: the raw keyframe carried to the raw frame.

The knee is where two straight lines, joined, fit the pairs best (least squares over pairs); what it is worth
is said by the share of the one line's error that is left.

Then Algorithm 2 itself, with the network's labels of the raw keyframes, for a range of thresholds.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.pictures import data_folder
from rdct.offload.labels import encode_labels
from rdct.offload.messages import Packet, PlanUpdate
from rdct.vision.flow import DisFlow, FlowAccumulator
from rdct.vision.frames import Frame, open_source
from rdct.vision.metrics import confusion, miou, pixel_accuracy
from rdct.vision.warp import warp_labels, warp_psnr
from stac import KeyframePolicy, StacEdge

__all__ = ["Knee", "Pair", "knee", "main", "pairs", "threshold"]

CLASSES = IGNORED = 11
EVERY, FARTHEST = 2, 15
THRESHOLDS = (18.0, 20.0, 22.0, 23.0, 24.0, 25.0, 26.0, 27.0, 28.0, 30.0)


@dataclass(frozen=True)
class Pair:
    """One keyframe carried to one later frame.

    Attributes
    ----------
    distance : int
        In frames.
    psnr : float
        dB.
    own, truth, carried : numpy.ndarray
        Confusion matrices: the network's labels carried, against its labels there; the same against the
        truth; the true labels carried, against the truth.
    """

    distance: int
    psnr: float
    own: np.ndarray = field(repr=False)
    truth: np.ndarray = field(repr=False)
    carried: np.ndarray = field(repr=False)


@dataclass(frozen=True)
class Knee:
    """Two lines joined at `psnr`: their slopes in accuracy a dB, below and above, and the error left of
    that of a single line, 0..1.
    """

    psnr: float
    below: float
    above: float
    left: float


def pairs(
    images: Sequence[np.ndarray],
    own: Sequence[np.ndarray],
    truth: Sequence[np.ndarray],
    every: int = EVERY,
    farthest: int = FARTHEST,
) -> Iterator[Pair]:
    """Every so many-th frame carried to each frame that follows it, so far.

    Parameters
    ----------
    images : sequence of numpy.ndarray
        u8 ``[H, W, 3]``, consecutive.
    own, truth : sequence of numpy.ndarray
        u8 ``[H, W]``: the network's labels, and the true ones.
    every, farthest : int
        In frames.
    """
    flow, shape = DisFlow(), images[0].shape[:2]
    prepared = [flow.prepare(image) for image in images]
    steps = [flow.between(a, b) for a, b in pairwise(prepared)]
    for start in range(0, len(images) - 1, every):
        way = FlowAccumulator(shape, flow.stride_for(shape))
        for end in range(start + 1, min(start + farthest, len(images) - 1) + 1):
            way.add(steps[end - 1])
            moved = warp_labels(own[start], way.filled)
            yield Pair(
                end - start,
                warp_psnr(images[start], images[end], way.filled),
                confusion(moved, own[end], CLASSES, ignore=None),
                confusion(moved, truth[end], CLASSES, ignore=IGNORED),
                confusion(warp_labels(truth[start], way.filled), truth[end], CLASSES, ignore=IGNORED),
            )


def knee(psnr: Sequence[float], accuracy: Sequence[float]) -> Knee:
    """The joint of the two lines that fit best, sought in steps of 0.1 dB.

    Parameters
    ----------
    psnr, accuracy : sequence of float
        Of the pairs.
    """
    x, y = np.asarray(psnr, float), np.asarray(accuracy, float)
    straight = _fit(np.stack([np.ones_like(x), x], 1), y)[1]
    # A joint with fewer than a twentieth of the pairs beyond it is an end, not a joint.
    low, high = np.percentile(x, (5, 95))
    best = None
    for joint in np.arange(math.ceil(10 * low) / 10, high, 0.1):
        weights, error = _fit(
            np.stack([np.ones_like(x), np.minimum(x - joint, 0), np.maximum(x - joint, 0)], 1), y
        )
        if best is None or error < best[0]:
            best = error, joint, weights
    if best is None:
        raise ValueError(f"PSNR {x.min():.2f}..{x.max():.2f} dB leaves no room for a knee")
    error, joint, weights = best
    return Knee(
        round(float(joint), 1), float(weights[1]), float(weights[2]), error / straight if straight else 1.0
    )


def _fit(design: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
    weights = np.linalg.lstsq(design, y, rcond=None)[0]
    return weights, float(((design @ weights - y) ** 2).sum())


def threshold(
    db: float,
    images: Sequence[np.ndarray],
    own: Sequence[np.ndarray],
    truth: Sequence[np.ndarray],
    fps: float,
) -> tuple[float, np.ndarray, np.ndarray]:
    """Algorithm 2 at one threshold.

    Returns
    -------
    keyframes_per_s : float
    own, truth : numpy.ndarray
        Confusion matrices of all frames against the network's labels and the true ones.
    """
    edge = StacEdge(None, policy=KeyframePolicy(db, wait_s=math.inf), encode=lambda image, plan: b"-")
    sent, matrices = 0, [0, 0]
    for index, image in enumerate(images):
        results = edge.on_frame(Frame(index, index / fps, image), index / fps)
        for one in list(results):
            if isinstance(one, Packet):
                sent += 1
                answer = PlanUpdate(one.keyframe, labels=encode_labels(own[index]))
                results += edge.on_feedback(answer, index / fps)
        (labels,) = [one.labels for one in results if not isinstance(one, Packet)]
        matrices[0] += confusion(labels, own[index], CLASSES, ignore=None)
        matrices[1] += confusion(labels, truth[index], CLASSES, ignore=IGNORED)
    return sent * fps / len(images), *matrices


def _scores(found: Sequence[Pair]) -> list[str]:
    own, truth, carried = (sum(getattr(one, name) for one in found) for name in ("own", "truth", "carried"))
    return [f"{pixel_accuracy(own):.4f}", f"{miou(truth):.4f}", f"{miou(carried):.4f}"]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "--:|" * len(head)
    for row in rows:
        yield f"| {' | '.join(row)} |"


_SCORES = ("agreement", "mIoU of network's labels", "mIoU of true labels")


def report(
    found: Sequence[Pair],
    images: Sequence[np.ndarray],
    own: Sequence[np.ndarray],
    truth: Sequence[np.ndarray],
    fps: float,
) -> Iterator[str]:
    """The page, line by line."""
    rows = []
    for distance in sorted({one.distance for one in found}):
        of = [one for one in found if one.distance == distance]
        rows.append([str(distance), str(len(of)), f"{np.mean([one.psnr for one in of]):.2f}", *_scores(of)])
    yield from _table(("distance", "pairs", "PSNR dB, mean", *_SCORES), rows)
    yield ""
    rows = []
    for low in range(math.floor(min(one.psnr for one in found)), 32):
        of = [one for one in found if low <= one.psnr < low + 1]
        if len(of) >= 10:
            rows.append([f"{low}-{low + 1}", str(len(of)), *_scores(of)])
    yield from _table(("PSNR dB", "pairs", *_SCORES), rows)
    yield ""
    for name, what in (("own", "agreement"), ("carried", "pixel accuracy of true labels")):
        at = knee([one.psnr for one in found], [pixel_accuracy(getattr(one, name)) for one in found])
        yield (
            f"knee of {what}: {at.psnr:.1f} dB ({100 * at.below:.2f} points a dB below, {100 * at.above:.2f} "
            f"above; error {100 * at.left:.0f} % of a single line's)  "
        )
    yield ""
    rows = []
    for db in THRESHOLDS:
        rate, against_own, against_truth = threshold(db, images, own, truth, fps)
        shares = f"{pixel_accuracy(against_own):.4f}", f"{miou(against_truth):.4f}"
        rows.append([f"{db:g}", f"{rate:.1f}", *shares])
    yield from _table(("threshold dB", "keyframes/s", "agreement", "mIoU"), rows)


def plot(found: Sequence[Pair], path: Path) -> None:
    """Accuracy of every pair by PSNR, and the knees."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.8, 4.8), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    psnr = [one.psnr for one in found]
    panels = (("own", "network's labels: agreement"), ("carried", "true labels: pixel accuracy"))
    for ax, (name, what) in zip(figure.subplots(1, 2), panels, strict=True):
        accuracy = [pixel_accuracy(getattr(one, name)) for one in found]
        distances = [one.distance for one in found]
        # As pixels even in an SVG, where 1500 circles take more bytes than their picture.
        dots = ax.scatter(psnr, accuracy, c=distances, s=6, cmap="viridis", rasterized=True)
        figure.colorbar(dots, ax=ax, label="distance in frames")
        at = knee(psnr, accuracy)
        ax.axvline(at.psnr, color="#D55E00", label=f"knee {at.psnr:.1f} dB")
        ax.axvline(26, color="#777777", linestyle="--", label="the paper's 26 dB")
        ax.set_xlabel("PSNR of the carried keyframe, dB")
        ax.set_ylabel(what)
        ax.grid(alpha=0.3, linewidth=0.5)
        ax.legend(fontsize=8)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.propagation_distance", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--data", type=Path, default=data_folder(), metavar="DIR", help="default: %(default)s"
    )
    parser.add_argument("--model", default="bisenet-camvid", metavar="SPEC", help="default: %(default)s")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="also draw the pairs")
    args = parser.parse_args(argv)
    from PIL import Image

    from rdct.vision import models

    try:
        with open_source(args.data / "camvid360" / "val") as source:
            images, fps = [frame.image for frame in source], source.fps
        truth = [np.asarray(Image.open(p)) for p in sorted((args.data / "camvid360" / "valannot").iterdir())]
        model = models.load(args.model)
    except OSError as error:
        print(f"propagation_distance: {error}", file=sys.stderr)
        return 1
    own = [models.labels(model, image) for image in images]
    found = list(pairs(images, own, truth))
    for line in report(found, images, own, truth, fps):
        print(line)
    if args.plot:
        plot(found, args.plot)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
