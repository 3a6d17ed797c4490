# SPDX-License-Identifier: Apache-2.0
"""What the entropy coders cost: bytes of the same integers under each.

python -m benchmarks.entropy PICTURE_OR_FOLDER... [--every N] [--quality 50,75,90,95] [--subsampling 444]

JPEG's tables at each quality, one level. Every stream is decoded to its coefficients, which must be the same.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

import codec
from benchmarks.refinement import numbers, pictures

__all__ = ["as_markdown", "main", "measure"]

ENTROPIES = ("huffman", "huffman-fixed", "context")


def measure(
    images: Iterable[np.ndarray], qualities: Sequence[int], subsampling: str = "444"
) -> dict[int, dict[str, int]]:
    """Bytes of all pictures together by quality and coder, and under "pixels" how many those have."""
    sums = {quality: dict.fromkeys((*ENTROPIES, "pixels"), 0) for quality in qualities}
    for image in images:
        for quality, sizes in sums.items():
            streams = {
                name: codec.encode(image, quality=quality, subsampling=subsampling, entropy=name)
                for name in ENTROPIES
            }
            first, *others = (codec.decode_coefficients(data).planes for data in streams.values())
            if not all(all(map(np.array_equal, first, other)) for other in others):
                raise AssertionError("two entropy coders say different coefficients")
            for name, data in streams.items():
                sizes[name] += len(data)
            sizes["pixels"] += image.shape[0] * image.shape[1]
    return sums


def as_markdown(sums: dict[int, dict[str, int]]) -> str:
    """A line for each quality."""
    lines = ["| quality | huffman, bpp | huffman-fixed | context |", "|--:|--:|--:|--:|"]
    for quality, sizes in sums.items():
        plain = sizes["huffman"]
        others = (f"{100 * (sizes[name] / plain - 1):+.1f} %" for name in ENTROPIES[1:])
        lines.append(f"| {quality} | {8 * plain / sizes['pixels']:.3f} | {' | '.join(others)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.entropy", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("pictures", nargs="+", type=Path, metavar="PICTURE_OR_FOLDER")
    parser.add_argument("--every", type=int, default=1, help="of a folder, every N-th picture")
    parser.add_argument("--quality", type=numbers(int), default=[50, 75, 90, 95])
    parser.add_argument("--subsampling", default="444", choices=["444", "422", "420"])
    options = parser.parse_args(arguments)
    images = pictures(options.pictures, options.every)
    print(as_markdown(measure(images, options.quality, options.subsampling)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
