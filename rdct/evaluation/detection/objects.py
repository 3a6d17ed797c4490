# SPDX-License-Identifier: Apache-2.0
"""What counts as an object, when it is known, and how long it took since it first appeared."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from rdct.vision.regions import Region, boxes_of, deduplicate, hulls, iou, pairs

__all__ = ["IOUS", "Track", "counted", "known_times", "response_delays", "tracks"]

#: Intersections over union from which a box is at its place: the stricter one, and that of DDS's public code.
IOUS = {"strict": 0.5, "loose": 0.3}
_DUPLICATE_IOU = 0.5
#: From one frame to the next, or across a gap, an object overlaps itself by at least this.
_SAME_IOU = 0.3
#: Seconds for which the reference may lose an object and still find the same one.
GAP_S = 0.5
#: In fewer frames than this it is a mistake of the reference rather than an object.
MIN_FRAMES = 3


def counted(
    regions: Iterable[Region], *, score: float, classes: Collection[int] | None, merge_iou: float
) -> list[Region]:
    """The objects among a detector's boxes: sure enough, of a class that counts, and each once.

    Boxes are merged until no two say the same, so that it makes no difference whether a system has merged
    its own before.
    """
    found = [one for one in regions if one.score >= score and (classes is None or one.label in classes)]
    left = deduplicate(found, max_iou=_DUPLICATE_IOU)
    while len(merged := hulls(left, max_iou=merge_iou)) < len(left):
        left = merged
    return list(left)


def known_times(
    answers: Iterable[tuple[float, Sequence[Region]]], reference: Sequence[Region], min_iou: float
) -> list[float | None]:
    """For each object of a frame, when the first answer has it at its place and of its class.

    Parameters
    ----------
    answers : iterable of (time in seconds, objects)
        About this frame.
    reference : sequence of Region
    min_iou : float

    Returns
    -------
    list of float or None
        None where no answer has it.
    """
    known: list[float | None] = [None] * len(reference)
    for at_s, found in sorted(answers, key=lambda answer: answer[0]):
        for _, n in pairs(found, reference, min_iou=min_iou):
            if known[n] is None:
                known[n] = at_s
    return known


@dataclass
class Track:
    """One object of the reference through the clip.

    Attributes
    ----------
    places : list of (int, int)
        Frame, and its number among the objects of that frame; frames ascend.
    """

    places: list[tuple[int, int]] = field(default_factory=list)
    last: Region | None = None


def tracks(reference: Sequence[Sequence[Region]], fps: float) -> list[Track]:
    """Follow the objects of the reference from frame to frame, by overlap, the largest first.

    Its class may change on the way, as the reference's opinion does; it is found in a frame by who names
    the class that the reference names there.
    """
    gap = max(round(GAP_S * fps), 1)
    done: list[Track] = []
    live: list[Track] = []
    for index, objects in enumerate(reference):
        live = [track for track in live if index - track.places[-1][0] <= gap]
        overlaps = iou(boxes_of(track.last for track in live), boxes_of(objects))
        free = set(range(len(objects)))
        while overlaps.size and overlaps.max() >= _SAME_IOU:
            row, column = map(int, np.unravel_index(overlaps.argmax(), overlaps.shape))
            overlaps[row], overlaps[:, column] = -1, -1
            live[row].places.append((index, column))
            live[row].last = objects[column]
            free.discard(column)
        for column in sorted(free):
            live.append(Track([(index, column)], objects[column]))
            done.append(live[-1])
    return [track for track in done if len(track.places) >= MIN_FRAMES]


def response_delays(
    found: Iterable[Track], known_s: Sequence[Sequence[float | None]], times_s: Sequence[float]
) -> list[float | None]:
    """Seconds from an object's first appearance until an answer has it right, in whichever frame.

    That takes in the waiting for a chunk, coding, sending and inference, and the frames in which the
    system does not see it (DDS, section 5: "average response delay").

    Parameters
    ----------
    found : iterable of Track
    known_s : sequence
        By frame what `known_times` says.
    times_s : sequence of float
        When each frame was taken.

    Returns
    -------
    list of float or None
        By track; None where it never happened.
    """
    delays = []
    for track in found:
        times = [at for frame, n in track.places if (at := known_s[frame][n]) is not None]
        delays.append(min(times) - times_s[track.places[0][0]] if times else None)
    return delays
