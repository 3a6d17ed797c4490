# SPDX-License-Identifier: Apache-2.0
"""What a picture costs in two goes: a coarse stream first, then a finer one that refines it.

python -m benchmarks.refinement PICTURE_OR_FOLDER... [--every N] [--fine 75,90] [--ratios 1.5,2,3,4,6,8]

For JPEG's tables at each fine quality, and the same tables with all steps times each ratio for the coarse
stream: bytes of either on its own, of the refinement stream under the default limit and without one, and the
share of regions that were refined. Every refinement is decoded and compared before it is counted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

import codec

__all__ = ["Row", "as_markdown", "main", "measure", "numbers", "pictures"]

SUFFIXES = {".jpg", ".png", ".webp"}


@dataclass
class Row:
    """Sums over pictures of one fine quality and one ratio of steps.

    Attributes
    ----------
    low, direct : int
        Bytes of the coarse stream, and of the fine one as if there was none.
    refined, unlimited : int
        Bytes of the refinement stream under the default ``refine_limit``, and under None.
    regions, refined_regions, unlimited_regions : int
        All, and those refined in either.
    """

    fine: int
    ratio: float
    low: int = 0
    direct: int = 0
    refined: int = 0
    unlimited: int = 0
    regions: int = 0
    refined_regions: int = 0
    unlimited_regions: int = 0

    def add(self, image: np.ndarray, subsampling: str) -> None:
        """Code one more picture in every way."""
        plan = codec.QuantPlan.uniform(self.fine, image.shape)
        low = codec.encode(image, plan.with_scale(self.ratio), subsampling=subsampling)
        direct = codec.encode(image, plan, subsampling=subsampling)
        wanted = codec.decode_coefficients(direct)
        streams = []
        for options in ({}, {"refine_limit": None}):
            data, stats = codec.encode_with_stats(image, plan, subsampling=subsampling, refine=low, **options)
            found = codec.decode_coefficients(data, refine=low)
            if not all(map(np.array_equal, found.planes, wanted.planes)):
                raise AssertionError("the refinement differs from the direct stream")
            streams.append((len(data), stats.refined_regions))
        self.low += len(low)
        self.direct += len(direct)
        self.regions += plan.level_map.size
        self.refined += streams[0][0]
        self.refined_regions += streams[0][1]
        self.unlimited += streams[1][0]
        self.unlimited_regions += streams[1][1]


def measure(
    images: Iterable[np.ndarray],
    fine: Sequence[int] = (75, 90),
    ratios: Sequence[float] = (1.5, 2, 3, 4, 6, 8),
    subsampling: str = "420",
) -> list[Row]:
    """A row for each fine quality and ratio."""
    rows = [Row(quality, ratio) for quality in fine for ratio in ratios]
    for image in images:
        for row in rows:
            row.add(image, subsampling)
    return rows


def as_markdown(rows: Sequence[Row]) -> str:
    """One line a row; bytes in per cent of the direct stream's."""
    lines = [
        "| fine | ratio of steps | low | refine, limit 1.10 | both | regions refined | refine, no limit "
        "| both | regions refined |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        low, refined, unlimited = (100 * size / row.direct for size in (row.low, row.refined, row.unlimited))
        shares = (100 * n / row.regions for n in (row.refined_regions, row.unlimited_regions))
        share, unlimited_share = (f"{value:.0f} %" for value in shares)
        lines.append(
            f"| {row.fine} | {row.ratio:g} | {low:.1f} | {refined:.1f} | {low + refined:.1f} | {share} "
            f"| {unlimited:.1f} | {low + unlimited:.1f} | {unlimited_share} |"
        )
    return "\n".join(lines)


def pictures(paths: Sequence[Path], every: int) -> Iterator[np.ndarray]:
    """The pictures named, of a folder every so many, as u8 [H, W, 3]."""
    files = []
    for path in paths:
        if path.is_dir():
            files += sorted(file for file in path.iterdir() if file.suffix in SUFFIXES)[::every]
        else:
            files.append(path)
    for file in files:
        with Image.open(file) as image:
            yield np.asarray(image.convert("RGB"))


def numbers(kind: type) -> Callable[[str], list]:
    """What turns "1,2" into a list, for argparse."""
    return lambda text: [kind(value) for value in text.split(",")]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.refinement", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("pictures", nargs="+", type=Path, metavar="PICTURE_OR_FOLDER")
    parser.add_argument("--every", type=int, default=1, help="of a folder, every N-th picture")
    parser.add_argument("--fine", type=numbers(int), default=[75, 90])
    parser.add_argument("--ratios", type=numbers(float), default=[1.5, 2, 3, 4, 6, 8])
    parser.add_argument("--subsampling", default="420", choices=["444", "422", "420"])
    options = parser.parse_args(arguments)
    images = pictures(options.pictures, options.every)
    print(as_markdown(measure(images, options.fine, options.ratios, options.subsampling)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
