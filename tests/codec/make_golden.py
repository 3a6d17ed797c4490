#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write the golden streams anew: `python tests/codec/make_golden.py [FOLDER]`.

Only when the format changes on purpose; say in the commit why. Tests never do it: a golden file that is
missing or differs fails.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "support"))

import golden_cases

import codec


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    sums = []
    for name, (image, options) in golden_cases.cases().items():
        data = codec.encode(image, **options)
        (folder / name).write_bytes(data)
        sums += golden_cases.lines(name, data)
    made = {None: None}
    for name, (image, options, base) in golden_cases.refinements().items():
        made[name] = golden_cases.encode(image, options, made[base])
        (folder / name).write_bytes(made[name])
        sums += golden_cases.lines(name, made[name], made[base])
    (folder / golden_cases.SUMS).write_text("\n".join(sums) + "\n")
    print(f"{len(sums) // 4} streams in {folder}", file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) > 2 or sys.argv[1:2] in (["-h"], ["--help"]):
        sys.exit(__doc__)
    main(Path(sys.argv[1]) if len(sys.argv) == 2 else golden_cases.FOLDER)
