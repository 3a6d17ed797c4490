# SPDX-License-Identifier: Apache-2.0
"""What fixed Huffman tables cost over tables made for the picture.

``python -m benchmarks.fixed_tables FOLDER...``

Every picture is coded both ways with the shipped table set (named by id), 16 levels in a grainy map about
the middle, at five scales; a row is the mean and the largest excess of a folder's bytes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import codec
import grace
from benchmarks.settings import level_field

SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)
SUFFIXES = (".png", ".webp", ".jpg")


def excess(picture: np.ndarray, tables: codec.TableSet, scale: float, sampling: str) -> tuple[float, float]:
    """Bits per pixel with tables made for the picture, and by how much fixed ones exceed it (0.01: 1 %)."""
    level_map = level_field(codec.map_shape(*picture.shape[:2]), tables.levels)
    plan = codec.QuantPlan(tables, level_map, scale=scale)
    own, fixed = (
        len(codec.encode(picture, plan, subsampling=sampling, tables="id", entropy=entropy))
        for entropy in ("huffman", "huffman-fixed")
    )
    return 8 * own / (picture.shape[0] * picture.shape[1]), fixed / own - 1


def pictures_of(folder: Path, limit: int) -> list[np.ndarray]:
    from PIL import Image

    paths = [path for path in folder.iterdir() if path.suffix in SUFFIXES and "gtFine" not in path.name]
    step = max(1, len(paths) // limit)
    return [np.asarray(Image.open(path).convert("RGB")) for path in sorted(paths)[::step][:limit]]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fixed_tables")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--tables", default="bisenet-camvid", help="name of a shipped set, or an .rdts file")
    parser.add_argument("--limit", type=int, default=10, help="pictures of a folder, spread evenly (10)")
    options = parser.parse_args(arguments)
    tables = grace.load_tables(options.tables).table_set
    print("| folder | sampling | scale | bits per pixel | mean | largest |\n|---|---|---|---|---|---|")
    for folder in options.folders:
        pictures = pictures_of(folder, options.limit)
        if not pictures:
            parser.error(f"{folder} holds no picture ({', '.join(SUFFIXES)})")
        for sampling in ("444", "420"):
            for scale in SCALES:
                rows = np.array([excess(picture, tables, scale, sampling) for picture in pictures])
                bpp, mean, most = rows[:, 0].mean(), 100 * rows[:, 1].mean(), 100 * rows[:, 1].max()
                print(
                    f"| {folder.name} | {sampling} | {scale:g} | {bpp:.2f} | {mean:+.2f} % | {most:+.2f} % |"
                )


if __name__ == "__main__":
    main()
