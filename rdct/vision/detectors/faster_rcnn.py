# SPDX-License-Identifier: Apache-2.0
"""torchvision's Faster R-CNN, with the proposals of its first stage as the doubtful candidates.

Ren et al., "Faster R-CNN", NIPS 2015; the kind of detector that DDS was published with. Its first stage, the
region proposal network, says where there is something (objectness), its second what it is (score).
torchvision keeps the proposals' objectness to itself: it is taken from `filter_proposals` as it passes by.

torchvision is an extra of its own, ``pip install "rdct[torchvision]"``; weights are the user's.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rdct.vision.detectors.protocol import Candidates
from rdct.vision.regions import iou

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FasterRcnn"]

VARIANTS = (
    "fasterrcnn_resnet50_fpn",
    "fasterrcnn_resnet50_fpn_v2",
    "fasterrcnn_mobilenet_v3_large_fpn",
    "fasterrcnn_mobilenet_v3_large_320_fpn",
)


class FasterRcnn:
    """A detector that keeps `Detector`.

    Parameters
    ----------
    path : str or Path
        State dict of the variant, a PyTorch file; read with ``weights_only``.
    variant : str
        One of torchvision's builders, by name.
    class_names : tuple of str, optional
        With the background first; torchvision's own 91 of COCO.
    max_proposals : int
        Proposals that become candidates at most, by objectness.
    device : str

    Raises
    ------
    ImportError
        torchvision is missing, or does not load beside the torch that is here.
    OSError
        There is no such file.
    ValueError
        A variant unknown, or weights of another network.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        variant: str = "fasterrcnn_resnet50_fpn",
        class_names: tuple[str, ...] | None = None,
        max_proposals: int = 300,
        device: str = "cpu",
    ) -> None:
        if variant not in VARIANTS:
            raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got {variant!r}")
        if not Path(path).is_file():
            raise FileNotFoundError(f"there are no weights {str(path)!r}")
        detection = _torchvision()
        import torch

        self.class_names = _coco(detection) if class_names is None else tuple(class_names)
        self.name = variant
        self._max_proposals, self._device = max_proposals, device
        # Neither weights nor a backbone's weights are fetched: nothing here goes to the network.
        build = getattr(detection, variant)
        model = build(weights=None, weights_backbone=None, num_classes=len(self.class_names))
        try:
            model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        except Exception as error:  # a damaged file fails in as many ways as it can be damaged
            raise ValueError(f"{path} holds no weights of {variant}: {error}") from error
        self._model = model.to(device).eval()
        self._listen()

    def _listen(self) -> None:
        """Keep what the first stage says, and the size of the picture that it says it of."""
        self._proposals: tuple[Tensor, Tensor] | None = None
        self._seen_size: tuple[int, int] | None = None
        rpn = self._model.rpn
        filter_proposals = rpn.filter_proposals

        def remember(*args: Any, **kwargs: Any) -> Any:
            boxes, scores = filter_proposals(*args, **kwargs)
            self._proposals = boxes[0], scores[0]
            return boxes, scores

        def resized(_module: Any, _inputs: Any, output: Any) -> None:
            self._seen_size = tuple(output[0].image_sizes[0])

        rpn.filter_proposals = remember
        self._model.transform.register_forward_hook(resized)

    def __call__(self, image: np.ndarray) -> Candidates:
        """Detections, and proposals that no detection came of: with score 0 and no label.

        A detection's objectness is that of the proposal that it overlaps most.
        """
        import torch

        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ValueError(f"image must be uint8 RGB [H, W, 3], got {image.dtype} {list(image.shape)}")
        planes = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).to(self._device)
        with torch.no_grad():
            (found,) = self._model([planes.float() / 255])
        proposals, objectness = self._first_stage(image.shape[:2])
        boxes = np.clip(_array(found["boxes"]).reshape(-1, 4), 0, [image.shape[1], image.shape[0]] * 2)
        overlaps = iou(boxes, proposals)
        taken = (overlaps > 0.5).any(0)
        of_boxes = np.zeros(len(boxes))
        if len(proposals):
            best = overlaps.argmax(1)
            of_boxes = np.where(overlaps.max(1, initial=0) > 0, objectness[best], 0)
        scores = np.clip(_array(found["scores"]), 0, 1)
        left = ~taken
        return Candidates(
            np.concatenate([boxes, proposals[left]]),
            np.concatenate([scores, np.zeros(left.sum())]),
            np.concatenate([_array(found["labels"]), np.full(left.sum(), -1)]),
            # What is an object of some class is an object.
            np.concatenate([np.maximum(of_boxes, scores), objectness[left]]),
        )

    def _first_stage(self, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Proposals in pixels of the picture, and their objectness."""
        boxes, scores = (_array(one) for one in self._proposals)
        best = np.argsort(-scores, kind="stable")[: self._max_proposals]
        height, width = self._seen_size
        factor = np.array([size[1] / width, size[0] / height] * 2)
        boxes = np.clip(boxes.reshape(-1, 4)[best] * factor, 0, [size[1], size[0]] * 2)
        scores = scores[best]
        if scores.size and not (scores.min() >= 0 and scores.max() <= 1):
            raise ValueError(
                "this torchvision's proposals have logits for objectness; 0.19 and later give probabilities"
            )
        return boxes, scores


def _torchvision() -> Any:
    try:
        from torchvision.models import detection
    except ModuleNotFoundError as error:
        raise ImportError('Faster R-CNN needs torchvision: pip install "rdct[torchvision]"') from error
    except Exception as error:  # built for another torch, it fails when its operators are registered
        raise ImportError(
            f"torchvision does not load beside this torch ({error}); install the one built for it"
        ) from error
    return detection


def _coco(detection: Any) -> tuple[str, ...]:
    return tuple(detection.FasterRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"])


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().double().numpy()
