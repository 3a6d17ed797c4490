"""The adapter to torchvision's Faster R-CNN, on a stand-in that passes tensors along as torchvision does.

torchvision itself is not among the tests' packages; what its own code does is in docs/experiments/dds.md.
"""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs rdct[model]")

PROPOSALS = torch.tensor([[20.0, 20.0, 60.0, 60.0], [100.0, 40.0, 140.0, 80.0], [0.0, 0.0, 10.0, 10.0]])
OBJECTNESS = torch.tensor([0.9, 0.7, 0.3])


class Rpn(torch.nn.Module):
    def forward(self, images):
        boxes, _ = self.filter_proposals([PROPOSALS], images)
        return boxes, {}  # without their scores, as torchvision has it

    def filter_proposals(self, proposals, images):
        return proposals, [OBJECTNESS * self.times]

    times = 1.0


class Transform(torch.nn.Module):
    """Doubles the sides."""

    def forward(self, images, targets=None):
        tensors = [image.repeat_interleave(2, 1).repeat_interleave(2, 2) for image in images]
        return SimpleNamespace(
            tensors=tensors, image_sizes=[tuple(one.shape[1:]) for one in tensors]
        ), targets


class Network(torch.nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.transform, self.rpn = Transform(), Rpn()
        self.bias = torch.nn.Parameter(torch.zeros(num_classes))

    def forward(self, images):
        assert images[0].dtype == torch.float32 and 0 <= images[0].min() and images[0].max() <= 1
        resized, _ = self.transform(images)
        boxes, _ = self.rpn(resized)
        # The first proposal is found to be a car; in the picture it is half as large.
        found = {"boxes": boxes[0][:1] / 2 + 1, "scores": torch.tensor([0.8]), "labels": torch.tensor([3])}
        return [found]


@pytest.fixture
def detection(monkeypatch):
    """A stand-in for torchvision.models.detection."""
    calls = []

    def build(*, weights, weights_backbone, num_classes):
        calls.append((weights, weights_backbone, num_classes))
        return Network(num_classes)

    names = ["__background__", "person", "bicycle", "car", *(f"c{n}" for n in range(87))]
    module = SimpleNamespace(
        fasterrcnn_resnet50_fpn=build,
        FasterRCNN_ResNet50_FPN_Weights=SimpleNamespace(COCO_V1=SimpleNamespace(meta={"categories": names})),
        calls=calls,
    )
    for name in ("torchvision", "torchvision.models"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "torchvision.models.detection", module)
    sys.modules["torchvision.models"].detection = module
    return module


@pytest.fixture
def weights(tmp_path):
    torch.save(Network(91).state_dict(), tmp_path / "weights.pth")
    return tmp_path / "weights.pth"


PICTURE = np.zeros((50, 80, 3), np.uint8)


def test_detections_and_what_the_first_stage_saw_besides(detection, weights):
    from rdct.vision import detectors

    detector = detectors.load(f"faster-rcnn:{weights}")
    assert isinstance(detector, detectors.Detector) and detector.class_names[3] == "car"
    assert detection.calls == [(None, None, 91)]  # nothing is fetched
    found = detector(PICTURE)
    assert np.allclose(found.boxes, [[11, 11, 31, 31], [50, 20, 70, 40], [0, 0, 5, 5]])
    assert np.allclose(found.scores, [0.8, 0, 0]) and found.labels.tolist() == [3, -1, -1]
    assert np.allclose(found.objectness, [0.9, 0.7, 0.3])


def test_it_is_what_feedback_needs(detection, weights):
    from rdct.dds.feedback import DetectionRules, detection_feedback, merge_rounds
    from rdct.vision.detectors import FasterRcnn

    found = FasterRcnn(weights)(PICTURE)
    says = detection_feedback(found, PICTURE.shape[:2], DetectionRules(max_area=0.2))
    assert [one.label for one in says.final] == [3]
    assert [(one.x0, one.y0, one.x1, one.y1) for one in says.wanted] == [(50, 20, 70, 40)]
    assert len(merge_rounds((), found)) == 1  # proposals are no objects


def test_so_many_proposals_and_no_more(detection, weights):
    from rdct.vision.detectors import FasterRcnn

    assert len(FasterRcnn(weights, max_proposals=2)(PICTURE)) == 2


def test_logits_are_no_objectness(detection, weights, monkeypatch):
    from rdct.vision.detectors import FasterRcnn

    monkeypatch.setattr(Rpn, "times", 4.0)
    with pytest.raises(ValueError, match="logits for objectness"):
        FasterRcnn(weights)(PICTURE)


def test_what_is_missing_or_wrong(detection, weights, tmp_path, monkeypatch):
    from rdct.vision.detectors import FasterRcnn

    with pytest.raises(FileNotFoundError, match=r"no weights .*none\.pth"):
        FasterRcnn(tmp_path / "none.pth")
    (tmp_path / "noise.pth").write_bytes(b"noise")
    with pytest.raises(ValueError, match="holds no weights of fasterrcnn_resnet50_fpn"):
        FasterRcnn(tmp_path / "noise.pth")
    with pytest.raises(ValueError, match="holds no weights"):
        FasterRcnn(weights, class_names=("background", "car"))
    with pytest.raises(ValueError, match="variant must be one of"):
        FasterRcnn(weights, variant="yolo")
    with pytest.raises(ValueError, match="uint8 RGB"):
        FasterRcnn(weights)(PICTURE.astype(float))
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(ImportError, match=r'pip install "rdct\[torchvision\]"'):
        FasterRcnn(weights)


def test_one_built_for_another_torch_says_so(weights, tmp_path, monkeypatch):
    from rdct.vision.detectors import FasterRcnn

    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ImportError, match=r"does not load beside this torch \(operator torchvision::nms"):
        FasterRcnn(weights)
