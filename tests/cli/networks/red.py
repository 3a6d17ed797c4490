"""A detector small enough for tests of the commands: reddish patches, surer of those with a texture."""

import cv2
import numpy as np

from rdct.vision.detectors import Candidates


class Red:
    name = "red"
    class_names = ("patch", "paper")

    def __call__(self, image):
        red = (image[..., 0].astype(int) - image[..., 2] > 50).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(red)
        boxes, scores = [], []
        for x, y, width, height, area in stats[1:]:
            inner = image[y + 4 : y + height - 4, x + 4 : x + width - 4, 1]
            if area >= 60 and inner.size:
                boxes.append((x, y, x + width, y + height))
                scores.append(float(np.clip(0.2 + inner.std() / 10, 0, 0.95)))
        return Candidates(np.array(boxes), scores, [0] * len(boxes), [0.8] * len(boxes))


def make():
    return Red()


def no_detector():
    return 3


def broken():
    class Broken(Red):
        def __call__(self, image):
            raise RuntimeError("no eyes today")

    return Broken()
