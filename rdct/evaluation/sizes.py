"""Full size against resized: the groups of one folder side by side, in bits per pixel of the source."""

from __future__ import annotations

from pathlib import Path

from rdct.evaluation import curves, resize, summary, text

__all__ = ["sizes_table"]

_WORDS = {
    "working": "shrunk, then coded",
    "after": "coded, then shrunk",
    "full": "coded, labelled at full size",
}


def sizes_table(folder: Path, accuracies: tuple[float, ...]) -> str:
    """Each row in every way of resizing on record, as Markdown.

    Rows of the first two ways are compared at the same answers: the network's labels on the raw picture,
    shrunk. At full size the network sees another picture, so that its labels are another reference.

    Parameters
    ----------
    folder : Path
        Records of `stac-eval run` with more than one ``--resize``.
    accuracies : tuple of float
        Agreements to read the curves at.

    Raises
    ------
    ValueError
        No set of pictures was measured in more than one way.
    """
    kinds: dict[tuple[str, str], dict[str, summary.Group]] = {}
    for group in summary.groups(folder):
        kinds.setdefault((group.set, group.model), {})[resize.mode_of(group.resize)] = group
    found = {key: of_key for key, of_key in kinds.items() if len(of_key) > 1}
    if not found:
        raise ValueError(f"{folder} holds one way of resizing only; run again with another --resize")
    return "\n".join(_table(of_key, accuracies) for of_key in found.values())


def _table(groups: dict[str, summary.Group], accuracies: tuple[float, ...]) -> str:
    modes = [mode for mode in resize.MODES if mode in groups]
    first = groups[modes[0]]
    labels = [curve.label for curve in first.curves]
    head = ["row", "size", *(f"bits/source pixel at {one:g}" for one in accuracies)]
    table = [head]
    for label in labels:
        base: list[curves.Reading] | None = None
        for mode in modes:
            curve = next((one for one in groups[mode].curves if one.label == label), None)
            if curve is None:
                continue
            rates = curve.bits.sum(0) / curve.source_pixels.sum()
            at = curves.bits_at(rates, curve.accuracy("agreement"), accuracies)
            base = at if mode == "working" else base
            against = None if mode == "working" else base
            table.append([label, _WORDS[mode], *_cells(at, against)])
    lines = [f"**{first.model} on {first.set}, {len(first.pictures)} pictures.**"]
    for mode in modes:
        run = groups[mode].run
        lines.append(f"{_WORDS[mode]}: `{run['command']}`, commit `{run['commit']}`.  ")
    lines[-1] = lines[-1].rstrip()
    lines += ["", text.markdown(table), "", "Percentages: against the same row, shrunk before it was coded."]
    return "\n".join(lines) + "\n"


def _cells(at: list[curves.Reading], base: list[curves.Reading] | None) -> list[str]:
    cells = []
    for j, one in enumerate(at):
        if one.rate is None:
            cells.append(text.reason(one.why))
            continue
        shown = f"{one.rate:.3f}"
        if base is not None and base[j].rate is not None:
            shown += f"  {text.share(one.rate / base[j].rate - 1)}"
        cells.append(shown)
    return cells
