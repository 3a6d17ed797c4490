"""Published architectures: names and shapes of their tensors, files that fit and files that do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from rdct.vision import metrics, models  # noqa: E402 - after the skip above
from rdct.vision.models.bisenet_r18 import BiSeNetR18  # noqa: E402
from rdct.vision.models.drn import DRNSeg  # noqa: E402
from rdct.vision.models.espnetv2 import SCALES, ESPNetv2  # noqa: E402
from rdct.vision.models.published import PUBLISHED, fill, read_state  # noqa: E402

# DRN-D-38 is DRN-D-22 with more blocks; its 26 million weights would only make these tests slow.
LIGHT = [name for name in PUBLISHED if name != "drn-d-38"]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """For each architecture a file of random weights, as training leaves them: a PyTorch state dict."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    found = {}
    for name in LIGHT:
        found[name] = folder / f"{name}.pth"
        torch.save(PUBLISHED[name].build().state_dict(), found[name])
    return found


@pytest.fixture(scope="module")
def loaded(files) -> dict[str, models.Model]:
    return {name: models.load(f"{name}:{file}") for name, file in files.items()}


def _picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def _parameters(network) -> int:
    return sum(one.numel() for one in network.parameters())


# ------------------------------------------------------------------------- every architecture


@pytest.mark.parametrize("name", LIGHT)
def test_keeps_the_protocol(loaded, name):
    model = loaded[name]
    assert isinstance(model, models.Model)
    assert model.name == name
    assert model.palette.shape == (len(model.class_names), 3)
    assert not model.module.training
    assert not any(p.requires_grad for p in model.module.parameters())


@pytest.mark.parametrize("name", LIGHT)
@pytest.mark.parametrize("size", [(1, 1), (37, 53), (64, 96)])
def test_any_size_and_the_same_answer_again(loaded, name, size):
    model, image = loaded[name], _picture(*size)
    answer = models.logits(model, image)
    assert answer.shape == (len(model.class_names), *size)
    assert np.isfinite(answer).all()
    np.testing.assert_array_equal(answer, models.logits(model, image))
    np.testing.assert_array_equal(models.labels(model, image), answer.argmax(0))


@pytest.mark.parametrize("name", LIGHT)
def test_coefficient_gradients(loaded, name):
    from grace import coefficient_gradients

    found = coefficient_gradients(loaded[name], _picture(40, 56), subsampling="420")
    assert [plane.shape for plane in found.planes] == [(6, 8, 8, 8), (3, 4, 8, 8), (3, 4, 8, 8)]
    for plane in found.planes:
        assert np.isfinite(plane).all() and plane.any()


@pytest.mark.parametrize("name", LIGHT)
def test_a_batch_is_its_pictures(loaded, name):
    pair = torch.rand(2, 3, 33, 40) * 255
    with torch.no_grad():
        both = loaded[name](pair)
        alone = torch.cat([loaded[name](one[None]) for one in pair])
    torch.testing.assert_close(both, alone, rtol=1e-3, atol=1e-3 * float(both.abs().max()))


def test_working_size(loaded):
    assert loaded["espnetv2-2.0-cityscapes"].working_size == (512, 1024)
    assert loaded["drn-d-22"].working_size is None
    assert models.load().working_size is None


def test_classes(loaded):
    assert loaded["drn-d-22"].class_names == models.CITYSCAPES_CLASSES
    assert loaded["bisenet-r18-camvid"].class_names == models.CAMVID_CLASSES
    espnetv2 = loaded["espnetv2-1.0-cityscapes"]
    assert espnetv2.class_names == (*models.CITYSCAPES_CLASSES, "background")
    assert espnetv2.ignore_label == models.CITYSCAPES_VOID == 255


# ------------------------------------------------------------------------------ state dicts


def test_what_training_wraps_around_a_state_dict_is_taken_off(files, tmp_path):
    name = "espnetv2-0.5-cityscapes"
    state = torch.load(files[name], weights_only=True)
    old = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    checkpoint = {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in old.items()}}
    torch.save(checkpoint, tmp_path / "checkpoint.pth")
    image = _picture(32, 32)
    expected = models.logits(models.load(f"{name}:{files[name]}"), image)
    found = models.logits(models.load(f"{name}:{tmp_path / 'checkpoint.pth'}"), image)
    np.testing.assert_array_equal(found, expected)


def test_safetensors(files, tmp_path):
    save_file = pytest.importorskip("safetensors.torch").save_file
    name = "espnetv2-0.5-cityscapes"
    state = torch.load(files[name], weights_only=True)
    save_file(state, str(tmp_path / "weights.safetensors"))
    image = _picture(32, 32)
    found = models.logits(models.load(f"{name}:{tmp_path / 'weights.safetensors'}"), image)
    np.testing.assert_array_equal(found, models.logits(models.load(f"{name}:{files[name]}"), image))


@pytest.mark.parametrize(
    ("name", "of", "words"),
    [
        ("espnetv2-2.0-cityscapes", "espnetv2-1.0-cityscapes", r"differs in base_net\.level2_0.*expected"),
        ("espnetv2-1.0-cityscapes", "drn-d-22", r"lacks base_net\.level1\.conv\.weight.* more"),
        ("drn-d-38", "drn-d-22", r"lacks base\.3\.2\.conv1\.weight.* more"),
        ("drn-d-22", "bisenet-r18-cityscapes", r"has unknown cp\.resnet\.conv1\.weight"),
        (
            "bisenet-r18-camvid",
            "bisenet-r18-cityscapes",
            r"conv_out\.conv_out\.weight \[19, 256, 1, 1\], expected",
        ),
        ("espnet-camvid", "espnetv2-0.5-cityscapes", "espnet_p2_q8_camvid.pth"),
    ],
)
def test_another_networks_file_is_refused_by_name(files, name, of, words):
    with pytest.raises(ValueError, match=words):
        models.load(f"{name}:{files[of]}")


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, {}])
def test_a_file_without_a_state_dict(tmp_path, content):
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"is no state dict of DRN-D-22.*use drn_d_22_cityscapes.pth"):
        models.load(f"drn-d-22:{tmp_path / 'other.pth'}")


def test_every_name_says_that_weights_are_missing():
    for name in PUBLISHED:
        with pytest.raises(ValueError, match=f"{name}:/path"):
            models.load(name)


def test_no_file_is_unpickled():
    for source in Path(models.__file__).parent.glob("*.py"):
        text = source.read_text(encoding="utf-8")
        assert text.count("torch.load(") == text.count("weights_only=True"), source.name


# --------------------------------------------------------------------------------- ESPNetv2


@pytest.mark.parametrize(
    ("scale", "parameters", "values"),
    # EdgeNets' model zoo says 0.79 million for s = 2.0; values: all that its files hold.
    [(0.5, 80_342, 87_731), (1.0, 234_010, 247_279), (1.5, 468_362, 487_551), (2.0, 789_242, 814_351)],
)
def test_espnetv2_size(scale, parameters, values):
    network = ESPNetv2(20, scale)
    assert _parameters(network) == parameters
    state = network.state_dict()
    assert len(state) == 526
    assert sum(value.numel() for value in state.values()) == values


def test_espnetv2_scales_are_the_published_ones():
    with pytest.raises(ValueError, match=r"scales \(0.5, 1.0, 1.5, 2.0\), got 3"):
        ESPNetv2(20, 3)


@pytest.mark.parametrize("scale", SCALES)
def test_espnetv2_on_the_labelled_frankfurt_frame(data, scale):
    weights = data / "weights" / f"espnetv2_s_{scale}_city_1024x512.pth"
    frame = data / "cityscapes_frankfurt_seq" / "frankfurt_000001_047552_leftImg8bit.webp"
    if not weights.exists() or not frame.exists():
        pytest.skip(f"no {weights.name} or no {frame.name} in {data}")
    image_module = pytest.importorskip("PIL.Image")
    model = models.load(f"espnetv2-{scale}-cityscapes:{weights}")
    height, width = model.working_size
    with image_module.open(frame) as file:
        picture = np.asarray(file.convert("RGB").resize((width, height), image_module.BILINEAR))
    with image_module.open(
        frame.with_name(frame.name.replace("leftImg8bit.webp", "gtFine_labelIds.png"))
    ) as file:
        truth = models.cityscapes_train_ids(np.asarray(file))
    labels = models.labels(model, picture).repeat(2, 0).repeat(2, 1)
    matrix = metrics.confusion(labels, truth, 20, models.CITYSCAPES_VOID)
    # As measured with the published definition when the weights were collected.
    expected = {2.0: 0.957, 1.5: 0.954, 1.0: 0.958, 0.5: 0.947}[scale]
    assert abs(metrics.pixel_accuracy(matrix) - expected) < 1e-3


# -------------------------------------------------------------------------------------- DRN


def _drn_tensors(blocks: tuple[int, ...], classes: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the published state dicts, by the rules of fyu/drn rather than by our code."""
    shapes: dict[str, tuple[int, ...]] = {}

    def norm(name: str, width: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{part}"] = (width,)

    for level, (cin, cout, kernel) in {
        0: (3, 16, 7),
        1: (16, 16, 3),
        2: (16, 32, 3),
        7: (512, 512, 3),
        8: (512, 512, 3),
    }.items():
        shapes[f"base.{level}.0.weight"] = (cout, cin, kernel, kernel)
        norm(f"base.{level}.1", cout)
    cin = 32
    for level, cout, count in zip((3, 4, 5, 6), (64, 128, 256, 512), blocks, strict=True):
        for index in range(count):
            block = f"base.{level}.{index}"
            shapes[f"{block}.conv1.weight"] = (cout, cin, 3, 3)
            norm(f"{block}.bn1", cout)
            shapes[f"{block}.conv2.weight"] = (cout, cout, 3, 3)
            norm(f"{block}.bn2", cout)
            if index == 0:
                shapes[f"{block}.downsample.0.weight"] = (cout, cin, 1, 1)
                norm(f"{block}.downsample.1", cout)
            cin = cout
    shapes["seg.weight"] = (classes, 512, 1, 1)
    shapes["seg.bias"] = (classes,)
    shapes["up.weight"] = (classes, 1, 16, 16)
    return shapes


@pytest.mark.parametrize(
    ("layers", "blocks", "parameters", "published"),
    # The README of fyu/drn counts 16.4 and 26.5 million, with the 1000-class layer of ImageNet.
    [(22, (2, 2, 2, 2), 15_895_363, 16.4e6), (38, (3, 4, 6, 3), 26_003_523, 26.5e6)],
)
def test_drn_takes_the_published_tensors(layers, blocks, parameters, published):
    network = DRNSeg(layers)
    assert _parameters(network) == parameters
    classifier = 512 * 1000 + 1000
    assert abs(_parameters(network.base) + classifier - published) < 0.05e6
    generator = torch.Generator().manual_seed(0)
    state = {name: torch.rand(shape, generator=generator) for name, shape in _drn_tensors(blocks, 19).items()}
    fill(network, state)
    for name, value in network.state_dict().items():
        if name in state:
            torch.testing.assert_close(value, state[name], rtol=0, atol=0)


def test_drn_up_sampling_is_bilinear():
    network = DRNSeg(22, num_classes=2)
    small = torch.rand(1, 2, 5, 6)
    with torch.no_grad():
        found = network.up(small)
    expected = torch.nn.functional.interpolate(small, scale_factor=8, mode="bilinear", align_corners=False)
    # They differ at the border only, where the transposed convolution has nothing to lean on.
    torch.testing.assert_close(found[..., 8:-8, 8:-8], expected[..., 8:-8, 8:-8])


def test_drn_keeps_an_eighth():
    network = DRNSeg(22).eval()
    with torch.no_grad():
        assert network.base(torch.zeros(1, 3, 40, 56)).shape == (1, 512, 5, 7)


@pytest.mark.parametrize("layers", [22, 38])
def test_drn_answers_at_the_pictures_size(layers):
    # On the meta device shapes are worked out and nothing is computed, so the large one costs nothing either.
    with torch.device("meta"):
        network = DRNSeg(layers).eval()
        assert network(torch.empty(2, 3, 64, 96)).shape == (2, 19, 64, 96)


def test_drn_has_two_sizes():
    with pytest.raises(ValueError, match="22 or 38 layers, got 54"):
        DRNSeg(54)


# ---------------------------------------------------------------------- BiSeNet on ResNet-18


def _bisenet_tensors(classes: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of CoinCheung/BiSeNet's BiSeNetV1 state dicts, auxiliary heads included."""
    shapes: dict[str, tuple[int, ...]] = {}

    def norm(name: str, width: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{part}"] = (width,)

    def conv(name: str, cin: int, cout: int, kernel: int = 3) -> None:
        shapes[f"{name}.conv.weight"] = (cout, cin, kernel, kernel)
        norm(f"{name}.bn", cout)

    shapes["cp.resnet.conv1.weight"] = (64, 3, 7, 7)
    norm("cp.resnet.bn1", 64)
    cin = 64
    for level, cout in enumerate((64, 128, 256, 512), 1):
        for index in range(2):
            block = f"cp.resnet.layer{level}.{index}"
            shapes[f"{block}.conv1.weight"] = (cout, cin, 3, 3)
            norm(f"{block}.bn1", cout)
            shapes[f"{block}.conv2.weight"] = (cout, cout, 3, 3)
            norm(f"{block}.bn2", cout)
            if cin != cout:
                shapes[f"{block}.downsample.0.weight"] = (cout, cin, 1, 1)
                norm(f"{block}.downsample.1", cout)
            cin = cout
    for name, width in (("cp.arm16", 256), ("cp.arm32", 512)):
        conv(f"{name}.conv", width, 128)
        shapes[f"{name}.conv_atten.weight"] = (128, 128, 1, 1)
        norm(f"{name}.bn_atten", 128)
    conv("cp.conv_head32", 128, 128)
    conv("cp.conv_head16", 128, 128)
    conv("cp.conv_avg", 512, 128, 1)
    conv("sp.conv1", 3, 64, 7)
    conv("sp.conv2", 64, 64)
    conv("sp.conv3", 64, 64)
    conv("sp.conv_out", 64, 128, 1)
    conv("ffm.convblk", 256, 256, 1)
    shapes["ffm.conv.weight"] = (256, 256, 1, 1)
    norm("ffm.bn", 256)
    for name, width, middle in (("conv_out", 256, 256), ("conv_out16", 128, 64), ("conv_out32", 128, 64)):
        conv(f"{name}.conv", width, middle)
        shapes[f"{name}.conv_out.weight"] = (classes, middle, 1, 1)
        shapes[f"{name}.conv_out.bias"] = (classes,)
    return shapes


@pytest.mark.parametrize(
    ("name", "classes", "parameters"),
    [("bisenet-r18-cityscapes", 19, 13_275_539), ("bisenet-r18-camvid", 11, 13_273_483)],
)
def test_bisenet_takes_the_published_tensors(name, classes, parameters):
    known = PUBLISHED[name]
    network = known.build()
    assert _parameters(network) == parameters
    tensors = {k: torch.rand(shape) for k, shape in _bisenet_tensors(classes).items()}
    fill(network, tensors, known.unused)
    torch.testing.assert_close(network.cp.arm16.conv.conv.weight, tensors["cp.arm16.conv.conv.weight"])
    with pytest.raises(ValueError, match=r"has unknown conv_out16\.conv\.conv\.weight"):
        fill(network, tensors)
    fill(BiSeNetR18(classes, auxiliary=True), tensors)


def test_bisenet_trains_with_its_auxiliary_heads():
    network = BiSeNetR18(11, auxiliary=True)
    assert _parameters(network) == 13_422_625
    image = torch.rand(2, 3, 64, 96) * 255
    shapes = [tuple(one.shape) for one in network(image)]
    assert shapes == [(2, 11, 8, 12), (2, 11, 8, 12), (2, 11, 4, 6)]
    assert network.eval()(image).shape == (2, 11, 64, 96)


def test_read_state_keeps_plain_dicts(tmp_path):
    state = {"module.a": torch.zeros(2), "b": torch.ones(1)}
    torch.save(state, tmp_path / "plain.pth")
    assert list(read_state(tmp_path / "plain.pth")) == ["module.a", "b"]
