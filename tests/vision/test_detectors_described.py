"""ONNX detectors by description: networks made here, whose outputs are known numbers."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest

from rdct.vision import detectors
from rdct.vision.detectors import Detector, Layout

#: Two candidates of three classes: box, objectness, scores.
ROWS = np.array(
    [
        [8.0, 6.0, 24.0, 18.0, 0.9, 0.1, 0.8, 0.1],
        [40.0, 10.0, 60.0, 30.0, 0.5, 0.6, 0.2, 0.2],
    ],
    np.float32,
)
CORNERS = {"boxes": [0, 0, 4], "objectness": [0, 4, 5], "classes": [0, 5, 8], "unit": "input"}


def network(path, *outputs, size=(32, 64)):
    """An ONNX file that gives these outputs, plus nothing times its input: it must have one to be fed."""
    onnx = pytest.importorskip("onnx", reason="making a network needs onnx")
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=1, axes=[1, 2, 3]),
        helper.make_node("Mul", ["mean", "nothing"], ["zero4"]),
        helper.make_node("Reshape", ["zero4", "shape"], ["zero"]),
    ]
    constants = [
        numpy_helper.from_array(np.zeros((1,), np.float32), "nothing"),
        numpy_helper.from_array(np.array([1, 1, 1], np.int64), "shape"),
    ]
    gives = []
    for n, output in enumerate(outputs):
        constants.append(numpy_helper.from_array(np.asarray(output, np.float32)[None], f"rows{n}"))
        nodes.append(helper.make_node("Add", ["zero", f"rows{n}"], [f"out{n}"]))
        gives.append(helper.make_tensor_value_info(f"out{n}", TensorProto.FLOAT, [1, *np.shape(output)]))
    takes = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, *size])
    graph = helper.make_graph(nodes, "rows", [takes], gives, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(path))


def describe(folder, **fields):
    said = {"file": "rows.onnx", "input_size": [32, 64], "class_names": ["a", "b", "c"], **CORNERS, **fields}
    path = folder / "rows.json"
    path.write_text(json.dumps({name: value for name, value in said.items() if value != "absent"}))
    return path


@pytest.mark.parametrize("backend", ["opencv", "onnxruntime"])
def test_a_network_that_is_run(tmp_path, backend):
    if backend == "onnxruntime" and importlib.util.find_spec("onnxruntime") is None:
        pytest.skip("onnxruntime is not installed")
    network(tmp_path / "rows.onnx", ROWS)
    detector = detectors.load(f"onnx:{describe(tmp_path, backend=backend, name='rows')}")
    assert isinstance(detector, Detector) and (detector.name, detector.class_names) == (
        "rows",
        ("a", "b", "c"),
    )
    found = detector(np.zeros((64, 128, 3), np.uint8))  # twice the input's size
    assert np.allclose(found.boxes, [[16, 12, 48, 36], [80, 20, 120, 60]])
    assert np.allclose(found.scores, [0.72, 0.3]) and found.labels.tolist() == [1, 0]
    assert np.allclose(found.objectness, [0.9, 0.5])


def test_two_outputs_columns_first_and_a_background(tmp_path):
    network(tmp_path / "rows.onnx", ROWS[:, :4].T / [[64], [32], [64], [32]], ROWS[:, 5:].T)
    fields = {"boxes": [0, 0, 4], "classes": [1, 0, 3], "objectness": "absent", "unit": "share"}
    path = describe(tmp_path, **fields, columns_first=True, background=0, class_names=["b", "c"])
    found = detectors.load(f"onnx:{path}")(np.zeros((32, 64, 3), np.uint8))
    assert np.allclose(found.boxes, ROWS[:, :4])
    assert np.allclose(found.scores, [0.8, 0.2]) and np.allclose(found.objectness, [0.9, 0.4])
    assert found.labels.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("form", "box"), [("corners", (2, 4, 10, 8)), ("origin", (2, 4, 8, 4)), ("centre", (6, 6, 8, 4))]
)
def test_forms_of_boxes(form, box):
    layout = Layout((0, 0, 4), (0, 4, 5), form=form, unit="input", input_size=(10, 20))
    found = layout([np.array([[[*box, 0.5]]])])
    assert np.allclose(found.boxes, [[0.1, 0.4, 0.5, 0.8]])


def test_activations():
    row = np.array([[[0, 0, 1, 1, 0.0, 2.0, -2.0]]])
    sigmoid = Layout((0, 0, 4), (0, 5, 7), (0, 4, 5), activation="sigmoid")([row])
    assert sigmoid.objectness[0] == 0.5 and sigmoid.scores[0] == pytest.approx(0.5 / (1 + np.exp(-2)))
    alone = Layout((0, 0, 4), (0, 5, 7), (0, 4, 5), activation="sigmoid", product=False)([row])
    assert alone.scores[0] == pytest.approx(1 / (1 + np.exp(-2)))
    softmax = Layout((0, 0, 4), (0, 4, 7), activation="softmax", background=0)([row])
    powers = np.exp([0.0, 2.0, -2.0])
    assert softmax.scores[0] == pytest.approx(powers[1] / powers.sum()) and softmax.labels[0] == 0
    assert softmax.objectness[0] == pytest.approx(1 - powers[0] / powers.sum())
    with pytest.raises(ValueError, match="take the sigmoid of logits first"):
        Layout((0, 0, 4), (0, 5, 7))([row])


def test_swapped_corners_are_an_empty_box():
    found = Layout((0, 0, 4), (0, 4, 5))([np.array([[[0.5, 0.5, 0.2, 0.8, 0.9]]])])
    assert found.region(0).area == 0


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"boxes": [0, 0, 5]}, r"boxes must be \[output, first, end\] with 4 columns, got \[0, 0, 5\]"),
        ({"objectness": [0, 4, 6]}, "objectness must be .* with 1 column"),
        ({"classes": [0, 5, 5]}, "classes must be"),
        ({"classes": [0, 5, 9]}, "4 columns of classes and 3 names"),
        ({"class_names": "coco"}, "3 columns of classes and 80 names"),
        ({"form": "middle"}, "form must be one of corners, centre, origin, got 'middle'"),
        ({"activation": "tanh"}, "activation must be one of"),
        ({"background": 3}, "background must be one of 3 columns"),
        ({"anchors": [1]}, "speaks of anchors, which mean nothing here"),
        ({"boxes": "absent"}, "lacks boxes"),
        ({"input_size": 32}, r"input_size must be \[height, width\], got 32"),
    ],
)
def test_descriptions_that_break_a_rule(tmp_path, fields, says):
    with pytest.raises(ValueError, match=says):
        detectors.load(f"onnx:{describe(tmp_path, **fields)}")


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no description .*none\.json"):
        detectors.load(f"onnx:{tmp_path / 'none.json'}")
    with pytest.raises(FileNotFoundError, match=r"no detector .*rows\.onnx"):
        detectors.load(f"onnx:{describe(tmp_path)}")
    (tmp_path / "noise.json").write_text("noise")
    with pytest.raises(ValueError, match="is no JSON"):
        detectors.load(f"onnx:{tmp_path / 'noise.json'}")
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(ValueError, match="must hold one JSON object, got list"):
        detectors.load(f"onnx:{tmp_path / 'list.json'}")


@pytest.mark.parametrize(
    ("layout", "says"),
    [
        (Layout((1, 0, 4), (0, 4, 5)), "speaks of output 1, the network has 1"),
        (
            Layout((0, 0, 4), (0, 4, 9)),
            r"rows of 9 columns or more, got \[1, 2, 8\]; are its col",
        ),
    ],
)
def test_outputs_that_are_not_as_described(layout, says):
    with pytest.raises(ValueError, match=says):
        layout([np.zeros((1, 2, 8))])
