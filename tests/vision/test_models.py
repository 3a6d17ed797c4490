"""The protocol, `load`, the built-in network, and ESPNet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from rdct.vision import metrics, models  # noqa: E402 - after the skips above
from rdct.vision.models.load import TorchModel  # noqa: E402

WEIGHTS = Path(models.__file__).with_name("data") / "bisenet_camvid.safetensors"

FACTORIES = """
import torch

class Plain(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 1)
    def forward(self, x):
        return self.conv(x)

class Named(Plain):
    class_names = ("a", "b", "c", "d")
    name = "mine"
    ignore_label = 7
    working_size = (48, 64)

class Small(Plain):
    def forward(self, x):
        return super().forward(x)[..., ::2, ::2]

class Lying(Plain):
    num_classes = 5

class Pair(Plain):
    def forward(self, x):
        return super().forward(x), x

class Failing(Plain):
    def forward(self, x):
        raise RuntimeError("no such size")

class BadPalette(Named):
    palette = [(0, 0, 0)]

class BadSize(Named):
    working_size = (48, 0)

def nothing():
    return None

number = 3
"""


@pytest.fixture(scope="module")
def builtin() -> models.Model:
    return models.load(models.DEFAULT_MODEL)


@pytest.fixture
def factories(tmp_path) -> Path:
    file = tmp_path / "nets.py"
    file.write_text(FACTORIES)
    return file


def _picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


# ---------------------------------------------------------------------------------- built-in


def test_builtin_keeps_the_protocol(builtin):
    assert isinstance(builtin, models.Model)
    assert builtin.name == "bisenet-camvid"
    assert builtin.class_names == models.CAMVID_CLASSES
    assert builtin.palette.shape == (11, 3) and builtin.palette.dtype == np.uint8
    assert builtin.ignore_label == 11
    assert not builtin.module.training
    assert not any(p.requires_grad for p in builtin.module.parameters())


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (37, 53), (360, 480)])
def test_any_size(builtin, size):
    image = _picture(*size)
    answer = models.logits(builtin, image)
    assert answer.shape == (11, *size) and answer.dtype == np.float32
    assert np.isfinite(answer).all()
    labels = models.labels(builtin, image)
    assert labels.shape == size and labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, answer.argmax(0))


def test_same_picture_same_logits(builtin):
    image = _picture(96, 128)
    first = models.logits(builtin, image)
    np.testing.assert_array_equal(first, models.logits(builtin, image))
    np.testing.assert_array_equal(first, models.logits(builtin, image.astype(np.float64)))
    np.testing.assert_array_equal(first, models.logits(models.load(), image))


def test_batch_equals_its_pictures(builtin):
    pair = torch.rand(2, 3, 64, 96) * 255
    with torch.no_grad():
        both = builtin(pair)
        alone = torch.cat([builtin(one[None]) for one in pair])
    torch.testing.assert_close(both, alone, rtol=1e-3, atol=1e-3)


def test_gradient_reaches_the_picture(builtin):
    image = (torch.rand(1, 3, 45, 70) * 255).requires_grad_()
    builtin(image).logsumexp(1).mean().backward()
    assert image.grad.shape == image.shape
    assert torch.isfinite(image.grad).all() and (image.grad != 0).any()


def test_weights_are_small_and_hold_no_pickle():
    raw = WEIGHTS.read_bytes()
    assert len(raw) <= 5_000_000
    # safetensors: a little-endian header length, then JSON. A pickle or zip starts otherwise.
    length = int.from_bytes(raw[:8], "little")
    assert length < 200_000 and raw[8:9] == b"{"


def test_weights_can_be_named(builtin):
    model = models.load(f"bisenet-camvid:{WEIGHTS}")
    image = _picture(40, 40)
    np.testing.assert_array_equal(models.logits(model, image), models.logits(builtin, image))


def test_terms_lie_beside_the_weights():
    assert "non-commercial" in WEIGHTS.with_name("LICENSE-WEIGHTS").read_text().lower()
    assert WEIGHTS.with_suffix(".md").exists()


def test_folding_batch_norm_changes_nothing():
    from rdct.vision.models.bisenet import CompactBiSeNet

    torch.manual_seed(0)
    network = CompactBiSeNet(5)
    network(torch.rand(4, 3, 64, 64) * 255)  # in training mode: moves the running statistics
    network.eval()
    image = torch.rand(1, 3, 50, 70) * 255
    with torch.no_grad():
        before = network(image)
        after = network.fuse()(image)
    torch.testing.assert_close(before, after, rtol=1e-3, atol=1e-3)


def test_training_heads_answer_in_training_only():
    from rdct.vision.models.bisenet import CompactBiSeNet

    network = CompactBiSeNet(5, auxiliary=True)
    image = torch.rand(2, 3, 64, 96) * 255
    shapes = [tuple(one.shape) for one in network(image)]
    assert shapes == [(2, 5, 16, 24), (2, 5, 8, 12), (2, 5, 4, 6)]
    assert network.eval()(image).shape == (2, 5, 64, 96)


@pytest.mark.parametrize(
    ("image", "error", "words"),
    [
        (np.zeros((4, 4), np.uint8), ValueError, "RGB"),
        (np.zeros((4, 4, 4), np.uint8), ValueError, "RGB"),
        (np.zeros((0, 4, 3), np.uint8), ValueError, "RGB"),
        (np.zeros((4, 4, 3), np.int64), TypeError, "uint8 or float"),
    ],
)
def test_pictures_of_the_wrong_kind(builtin, image, error, words):
    with pytest.raises(error, match=words):
        models.labels(builtin, image)


@pytest.mark.parametrize(
    "image", [torch.zeros(3, 8, 8), torch.zeros(1, 1, 8, 8), torch.zeros(1, 3, 8, 8).byte()]
)
def test_tensors_of_the_wrong_kind(builtin, image):
    with pytest.raises(ValueError, match=r"bisenet-camvid.*\[N, 3, H, W\]"):
        builtin(image)


def test_empty_batch(builtin):
    with pytest.raises(ValueError, match="empty"):
        builtin(torch.zeros(1, 3, 0, 8))


# -------------------------------------------------------------------------------- load(spec)


def test_factory_with_and_without_attributes(factories):
    plain = models.load(f"{factories}:Plain")
    assert plain.class_names == ("class 0", "class 1", "class 2", "class 3")
    assert plain.palette.shape == (4, 3) and plain.palette.dtype == np.uint8
    assert len(np.unique(plain.palette, axis=0)) == 4
    assert plain.name == "nets:Plain" and plain.ignore_label is None and plain.working_size is None
    assert not any(p.requires_grad for p in plain.module.parameters())
    named = models.load(f"{factories}:Named")
    assert named.class_names == ("a", "b", "c", "d")
    assert named.name == "mine" and named.ignore_label == 7 and named.working_size == (48, 64)
    assert models.labels(named, _picture(5, 7)).shape == (5, 7)


def test_torchscript_file(tmp_path):
    file = tmp_path / "net.torchscript"
    network = torch.nn.Conv2d(3, 2, 1).eval()
    torch.jit.save(torch.jit.trace(network, torch.zeros(1, 3, 8, 8)), str(file))
    model = models.load(str(file))
    assert len(model.class_names) == 2 and model.name == "net"
    assert models.labels(model, _picture(5, 7)).shape == (5, 7)


@pytest.mark.parametrize(
    ("spec", "error", "words"),
    [
        ("resnet", ValueError, "unknown model spec 'resnet'.*bisenet-camvid"),
        ("", ValueError, "unknown model spec"),
        (None, TypeError, "string"),
        ("espnet-camvid", ValueError, "espnet-camvid:/path"),
        ("espnet-camvid:/none.pth", FileNotFoundError, "/none.pth"),
        ("bisenet-camvid:/none.safetensors", FileNotFoundError, "/none.safetensors"),
        ("/none.py:Net", FileNotFoundError, "/none.py"),
        ("/none.torchscript", FileNotFoundError, "/none.torchscript"),
        ("{nets}", ValueError, "FACTORY"),
        ("{nets}:Missing", ValueError, "no callable 'Missing'"),
        ("{nets}:", ValueError, "no callable ''"),
        ("{nets}:number", ValueError, "no callable 'number'"),
        ("{nets}:nothing", ValueError, "returned NoneType"),
        ("{nets}:Small", ValueError, r"Small.*\[1, 'K', 64, 96\].*up-sample inside"),
        ("{nets}:Pair", ValueError, "answered tuple"),
        ("{nets}:Failing", ValueError, "no such size"),
        ("{nets}:BadPalette", ValueError, r"palette must be uint8 \[4, 3\]"),
        ("{nets}:BadSize", ValueError, r"working_size must be \(height, width\).*got \(48, 0\)"),
        ("{junk}.torchscript", ValueError, "no TorchScript file"),
        ("espnet-camvid:{junk}.torchscript", ValueError, "no state dict of ESPNet"),
        ("bisenet-camvid:{junk}.torchscript", ValueError, "does not hold this network's weights"),
        ("bisenet-camvid:{other}", ValueError, "belongs to another network"),
    ],
)
def test_load_errors_name_spec_rule_and_way_out(factories, tmp_path, spec, error, words):
    from safetensors.torch import save_file

    (tmp_path / "junk.torchscript").write_bytes(b"not a network at all")
    save_file({"x": torch.zeros(1)}, str(tmp_path / "other.safetensors"))
    if spec is not None:
        spec = spec.format(nets=factories, junk=tmp_path / "junk", other=tmp_path / "other.safetensors")
    with pytest.raises(error, match=words):
        models.load(spec)


def test_a_pickle_that_runs_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return (exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",))

    file = tmp_path / "evil.pth"
    torch.save({"x": Evil()}, file)
    with pytest.raises(ValueError, match="no state dict of ESPNet"):
        models.load(f"espnet-camvid:{file}")
    assert not (tmp_path / "ran").exists()


def test_a_model_that_answers_the_wrong_shape_is_named(factories):
    model = models.load(f"{factories}:Lying")
    with pytest.raises(ValueError, match=r"nets:Lying.*\[1, 4, 8, 8\].*\[1, 5, 8, 8\]"):
        model(torch.zeros(1, 3, 8, 8))


def test_a_model_without_classes():
    with pytest.raises(ValueError, match="names no class"):
        TorchModel(lambda x: x, name="void", class_names=(), palette=np.zeros((0, 3), np.uint8))


# ------------------------------------------------------------------------------------ ESPNet


def test_espnet_has_the_published_tensors():
    from rdct.vision.models.espnet import ESPNet

    state = ESPNet(12, 2, 8).state_dict()
    kept = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    assert len(kept) == 189
    assert sum(v.numel() for v in kept.values()) == 358_193


@pytest.mark.parametrize("size", [(1, 1), (37, 53)])
def test_espnet_takes_any_size(size):
    from rdct.vision.models.espnet import ESPNet

    image = (torch.rand(1, 3, *size) * 255).requires_grad_()
    logits = ESPNet(12, 2, 8).eval()(image)
    assert logits.shape == (1, 12, *size)
    logits.sum().backward()
    assert torch.isfinite(image.grad).all()


# ------------------------------------------------------------------------------------- CamVid


def _score(model: models.Model, data: Path, split: str, step: int) -> np.ndarray:
    image_module = pytest.importorskip("PIL.Image")
    matrix = 0
    for file in sorted((data / "camvid360" / split).iterdir())[::step]:
        truth = np.asarray(image_module.open(data / "camvid360" / f"{split}annot" / f"{file.stem}.png"))
        labels = models.labels(model, np.asarray(image_module.open(file).convert("RGB")))
        matrix = matrix + metrics.confusion(labels, truth, 11, ignore=11)
    return matrix


def test_builtin_on_some_val_pictures(builtin, data):
    matrix = _score(builtin, data, "val", 13)
    assert metrics.miou(matrix) > 0.45
    assert metrics.pixel_accuracy(matrix) > 0.8


def test_espnet_on_some_val_pictures(data):
    weights = data / "weights" / "espnet_p2_q8_camvid.pth"
    if not weights.exists():
        pytest.skip(f"no {weights}")
    model = models.load(f"espnet-camvid:{weights}")
    assert model.class_names[-1] == "Void" and len(model.class_names) == 12
    assert metrics.miou(_score(model, data, "val", 25)) > 0.5
