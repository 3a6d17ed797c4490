"""The predictor of region sensitivity: the same integers everywhere, its bytes, and how it is made."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import codec
from grace import NetworkTables, SensitivityPredictor, load_tables, train_predictor
from grace.predictor import FEATURES, Layer
from grace.region_features import log2_q8, region_features
from grace.train_predictor import fit, region_octaves

STREET = Path(__file__).resolve().parents[2] / "examples" / "street.png"


@pytest.fixture(scope="module")
def street():
    """Of no whole number of blocks."""
    return np.asarray(Image.open(STREET).convert("RGB"))[:357, :475]


def crc(values):
    return zlib.crc32(np.ascontiguousarray(values, "<i8").tobytes())


@pytest.fixture
def made_up():
    """Two layers of arbitrary weights, the same for ever."""
    weights = (np.arange(8 * FEATURES).reshape(8, FEATURES) * 7919 % 401 - 200).astype(np.int16)
    first = Layer(weights, np.arange(8) * 10**5 - 4 * 10**5, 10)
    return SensitivityPredictor((first, Layer([[9, -8, 7, -6, 5, -4, 3, -2]], [-300], 3)))


# ------------------------------------------------------------------------------------------ features


def test_golden_integers(street, made_up):
    """What any machine must give for our rendering; a change here is another version of predictors."""
    features = region_features(street)
    assert features.shape == (15, 20, FEATURES)
    assert crc(features) == 604831426
    assert crc(made_up(features)) == 894991708


@pytest.mark.parametrize("cpu", ["c", "auto"])
def test_no_instruction_set_and_no_thread_matters(street, cpu):
    for threads in (1, 3):
        found = region_features(street, encoder=codec.Encoder(threads=threads, cpu=cpu))
        np.testing.assert_array_equal(found, region_features(street))


def test_logarithms():
    values = np.concatenate([np.arange(1, 3000), [2**k - d for k in range(12, 62) for d in (0, 1)]])
    found = log2_q8(values)
    assert found[0] == 0 and (np.diff(found[:2999]) >= 0).all()
    assert np.abs(found - 256 * np.log2(values)).max() < 2
    np.testing.assert_array_equal(log2_q8(2 ** np.arange(62)), 256 * np.arange(62))
    with pytest.raises(ValueError, match="from 1, got 0"):
        log2_q8(np.array([3, 0]))


def test_a_region_by_hand(street):
    plan = codec.QuantPlan(np.ones((1, 3, 8, 8), np.uint16), np.zeros((15, 20), np.uint8))
    planes = [plane.astype(np.int64) for plane in codec.quantize(street, plan).planes]
    row, col = 6, 11
    luma, red = (planes[c][3 * row : 3 * row + 3, 3 * col : 3 * col + 3] for c in (0, 2))
    found = region_features(street)[row, col]
    v, u = np.indices((8, 8))
    across = (np.square(luma) * ((v == 0) & (u > 0) & (u <= 2))).sum()
    assert found[0] == log2_q8(np.array([1 + 16 * across // 9]))[0]
    fine = (np.square(red) * (u + v > 2)).sum()
    assert found[8] == log2_q8(np.array([1 + 16 * fine // 9]))[0]
    near = planes[0][3 * row - 3 : 3 * row + 6, 3 * col - 3 : 3 * col + 6]
    down = (np.square(near) * ((u == 0) & (v > 0) & (v <= 2))).sum()
    assert found[9 + 1] == log2_q8(np.array([1 + 16 * down // 81]))[0]
    assert found[48] == 4 * luma[..., 0, 0].sum() // 9
    assert tuple(found[-2:]) == ((2 * row + 1) * 4096 // 30, 3 * 4096 // 20)


def test_grey_and_odd_sizes():
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (50, 77), np.uint8)
    one = region_features(grey)
    assert one.shape == (3, 4, FEATURES)
    same = region_features(np.repeat(grey[..., None], 3, 2))
    np.testing.assert_array_equal(one[..., :5], same[..., :5])
    assert (one[..., 5:9] == 0).all()
    assert region_features(rng.integers(0, 256, (1, 1, 3), np.uint8), 8).shape == (1, 1, FEATURES)
    noise = region_features(rng.integers(0, 2, (64, 64, 3), np.uint8) * np.uint8(255))
    assert noise.min() >= -32768 and noise.max() <= 32767


# --------------------------------------------------------------------------------------- the integers


def test_sums_are_exact():
    rng = np.random.default_rng(1)
    weights = rng.choice([-32767, 32767], (3, 256))
    layer = Layer(weights, [2**45, -(2**45), 1], 7)
    x = rng.integers(-32768, 32768, (5, 256))
    wanted = [
        [(sum(int(a) * int(b) for a, b in zip(w, one, strict=True)) + int(c) + 64) >> 7
         for w, c in zip(weights, layer.bias, strict=True)]
        for one in x
    ]  # fmt: skip
    np.testing.assert_array_equal(layer(x), wanted)


def test_layers_that_do_not_fit():
    one = Layer(np.ones((1, 4)), [0], 0)
    with pytest.raises(ValueError, match="fit each other"):
        SensitivityPredictor((one, one))
    with pytest.raises(ValueError, match="gives one number"):
        SensitivityPredictor((Layer(np.ones((2, 4)), [0, 0], 0),))
    with pytest.raises(ValueError, match=r"shift .* 0\.\.30, got 31"):
        Layer(np.ones((1, 4)), [0], 31)
    with pytest.raises(ValueError, match="bias must be"):
        Layer(np.ones((1, 4)), [2**46], 0)
    with pytest.raises(ValueError, match=r"features must be \[\.\.\., 4\]"):
        SensitivityPredictor((one,))(np.zeros((2, 5), int))


# ------------------------------------------------------------------------------------------- the bytes


def test_bytes_there_and_back(made_up, street):
    data = made_up.to_bytes()
    assert len(data) < 1200
    back = SensitivityPredictor.from_bytes(data, {"model": "toy"})
    assert back.to_bytes() == data and back.provenance == {"model": "toy"}
    features = region_features(street)
    np.testing.assert_array_equal(back(features), made_up(features))


def test_any_damaged_byte_is_noticed(made_up):
    data = made_up.to_bytes()
    for at in range(len(data)):
        with pytest.raises(ValueError, match="predictor"):
            SensitivityPredictor.from_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    for length in range(len(data)):
        with pytest.raises(ValueError, match="predictor"):
            SensitivityPredictor.from_bytes(data[:length])


def forged(*parts):
    body = b"".join(parts)
    return body + struct.pack("<I", zlib.crc32(body))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (forged(b"RDSP", bytes([2, 3, 1, 0])), "version 2; this program reads 1"),
        (forged(b"RDSP", bytes([1, 3, 0, 0])), "do not fit"),
        (forged(b"RDSP", bytes([1, 3, 9, 0])), "damaged"),
        (forged(b"RDSP", bytes([1, 3, 1, 0]), struct.pack("<HHB", 65535, 65535, 0)), "damaged"),
        (
            forged(b"RDSP", bytes([1, 3, 1, 0]), struct.pack("<HHB", 2, 1, 0), bytes(12)),
            "for 2 features; this program has 59",
        ),
        (forged(b"RDSP", bytes([1, 3, 1, 0]), struct.pack("<HHB", 59, 1, 99), bytes(126)), "shift"),
        (forged(b"RDSP", bytes([1, 9, 1, 0]), struct.pack("<HHB", 59, 1, 0), bytes(126)), "region_blocks"),
        (b"RDSP", "no predictor"),
        (bytes(2**20 + 1), "no predictor"),
    ],
)
def test_what_no_encoder_writes(data, says):
    with pytest.raises(ValueError, match=says):
        SensitivityPredictor.from_bytes(data)


# -------------------------------------------------------------------------------------------- the file


@pytest.fixture(scope="module")
def bare():
    """The shipped set without its predictor."""
    return replace(load_tables("bisenet-camvid"), predictor=None)


def test_file_there_and_back(bare, made_up, tmp_path):
    path = tmp_path / "t.rdts"
    bare.save(path)
    assert "predictor" not in json.loads(path.read_text()) and NetworkTables.load(path).predictor is None
    replace(bare, predictor=replace(made_up, provenance={"correlation": 0.5})).save(path)
    found = NetworkTables.load(path)
    assert found.id == bare.id and codec.TableSet.load(path) == bare.table_set
    assert found.predictor.to_bytes() == made_up.to_bytes()
    assert found.predictor.provenance == {"correlation": 0.5} == found.to_json()["predictor"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda e: e.update(predictor="x"), "predictor is no object"),
        (lambda e: e["predictor"].pop("provenance"), "predictor is no object"),
        (lambda e: e["predictor"].pop("layers"), "'layers' is missing"),
        (lambda e: e["predictor"].update(layers="&"), "is no base64"),
        (lambda e: e["predictor"].update(layers=3), "damaged"),
        (lambda e: e["predictor"].update(layers=""), "no predictor"),
        (lambda e: e["predictor"].update(layers=base64.b64encode(b"RDSP" + bytes(99)).decode()), "version 0"),
        (lambda e: e["predictor"].update(layers=e["predictor"]["layers"][:-8]), "checksum"),
    ],
)
def test_a_damaged_entry_is_named(bare, made_up, tmp_path, change, says):
    path = tmp_path / "t.rdts"
    replace(bare, predictor=made_up).save(path)
    entries = json.loads(path.read_text())
    change(entries)
    path.write_text(json.dumps(entries))
    with pytest.raises(ValueError, match=says) as caught:
        NetworkTables.load(path)
    assert str(path) in str(caught.value)


def test_the_shipped_set_has_one():
    made = load_tables("bisenet-camvid").predictor
    assert made is not None and made.region_blocks == load_tables("bisenet-camvid").region_blocks
    assert made.provenance["correlation"] > 0.6 and made.provenance["held_out"] >= 10
    assert made.provenance["weights_sha256"] == load_tables("bisenet-camvid").provenance["weights_sha256"]
    assert len(made.to_bytes()) < 5000


# ---------------------------------------------------------------------------------------- how it is made


@pytest.mark.parametrize("hidden", [0, 16])
def test_a_known_rule_is_found_again(hidden):
    if hidden:
        pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    spread = np.where(np.arange(FEATURES) % 2, 900, 60)
    features = [rng.normal(1500, spread, (12, 20, FEATURES)).astype(np.int64) for _ in range(12)]
    for one in features:
        one[..., 7] = 77  # never varies
    rule = rng.normal(0, 1, FEATURES) / spread
    rule[7] = 0

    def truth(one):
        return (one - 1500) @ rule * 0.3 + 1

    layers = fit(features[:10], [truth(one) for one in features[:10]], hidden)
    assert len(layers) == (2 if hidden else 1) and (layers[0].weights[:, 7] == 0).all()
    made = SensitivityPredictor(layers)
    found = np.stack([made(one) for one in features[10:]]) / 256
    wanted = np.stack([truth(one) for one in features[10:]])
    assert wanted.std() > 1.5
    assert np.abs(found - wanted).max() < (0.05 if hidden == 0 else 0.8)
    assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > (0.9999 if hidden == 0 else 0.99)
    with pytest.raises(ValueError, match=r"hidden must be 0\.\.256, got 300"):
        fit(features, features, 300)


def test_octaves_are_those_of_the_error(picture, toy):
    from grace import fisher_sensitivity

    found = fisher_sensitivity(toy, picture(48, 72))
    steps = np.arange(1, 193).reshape(3, 8, 8)
    octaves = region_octaves(found, steps)
    error = [(plane * np.square(steps[c])).sum((2, 3)) for c, plane in enumerate(found.planes)]
    error = sum(error).reshape(2, 3, 3, 3).sum((1, 3))
    np.testing.assert_allclose(octaves, np.log2(error / error.mean()), atol=1e-4)
    dead = replace(found, planes=tuple(0 * plane for plane in found.planes))
    assert (region_octaves(dead, steps) == 0).all()


@pytest.fixture
def toy_tables(bare):
    return replace(bare, provenance={"model": "toy"})


def test_training(picture, make_toy, toy_tables):
    torch = pytest.importorskip("torch")
    model = make_toy(dtype=torch.float32)
    model.name = "toy"
    images = [picture(96, 120, seed=seed) for seed in range(6)]
    before = torch.random.get_rng_state()
    told = []
    made = train_predictor(
        model, toy_tables, images, probes=1, hidden=4, progress=lambda *said: told.append(said), command="x"
    )
    assert torch.equal(before, torch.random.get_rng_state())
    assert made.id == toy_tables.id and toy_tables.predictor is None
    assert made.predictor.layers[0].weights.shape == (4, FEATURES)
    provenance = made.predictor.provenance
    assert (provenance["pictures"], provenance["held_out"], provenance["command"]) == (6, 1, "x")
    assert -1 <= provenance["correlation"] <= 1 and provenance["spread_octaves"] > 0
    assert [one[1] for one in told] == [1, 2, 3, 4, 5, 6]
    again = train_predictor(model, toy_tables, images, probes=1, hidden=4)
    assert again.predictor.to_bytes() == made.predictor.to_bytes()
    with pytest.raises(ValueError, match="at least 5 pictures, got 3"):
        train_predictor(model, toy_tables, images[:3])
    with pytest.raises(ValueError, match="other weights"):
        train_predictor(model, replace(toy_tables, provenance={"weights_sha256": "00"}), images)


def test_the_command_writes_into_the_file(picture, toy_tables, tmp_path, capsys):
    pytest.importorskip("torch")
    from grace.cli import main

    network = "import torch\n\ndef make():\n    torch.manual_seed(1)\n    net = torch.nn.Conv2d(3, 4, 5)\n"
    (tmp_path / "toy.py").write_text(
        network + "    net.padding, net.num_classes = (2, 2), 4\n    return net\n"
    )
    (tmp_path / "images").mkdir()
    for seed in range(5):
        Image.fromarray(picture(48, 72, seed=seed)).save(tmp_path / "images" / f"{seed}.png")
    path = tmp_path / "t.rdts"
    toy_tables.save(path)
    command = ["predictor", "--tables", str(path), "--images", str(tmp_path / "images")]
    command += ["--model", f"{tmp_path / 'toy.py'}:make", "--probes", "1", "--hidden", "0"]
    assert main([*command, "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["held_out"] == 1 and "held out: correlation" in told.err
    found = NetworkTables.load(path)
    assert found.id == toy_tables.id and found.predictor.provenance["hidden"] == 0
    assert str(tmp_path) not in found.predictor.provenance["command"]
    assert main(command) == 1
    assert "has a predictor; -f replaces it" in capsys.readouterr().err
    assert main([*command, "-o", str(tmp_path / "other.rdts"), "--quiet"]) == 0
    assert main(["show", str(path)]) == 0
    assert "predictor of region sensitivity:" in capsys.readouterr().out
    assert main([*command, "--hidden", "999", "-f"]) == 2
    assert "--hidden must be 0..256" in capsys.readouterr().err
