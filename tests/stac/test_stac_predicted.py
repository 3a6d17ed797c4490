"""Levels foretold from the picture: the rule in integers, without torch, for pictures and first frames."""

from __future__ import annotations

import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import codec
from grace import SensitivityPredictor, load_tables
from grace.predictor import FEATURES, Layer
from rdct.offload import Hello, Limits, ProtocolError, Welcome, wire
from rdct.vision.flow import FlowAccumulator, FlowField
from rdct.vision.frames import Frame
from stac import StacEdge, StacServer, encode_image, generic_ladder, predicted_levels
from stac.predicted import levels_of_prediction
from stac.propagation import new_regions

ROOT = Path(__file__).resolve().parents[2]
STREET = ROOT / "examples" / "street.png"


def predictor_of(bias=0, region_blocks=3, **weights):
    """A linear rule of a few features; 256 an octave."""
    row = np.zeros((1, FEATURES), np.int16)
    for feature, weight in weights.items():
        row[0, int(feature[1:])] = weight
    return SensitivityPredictor((Layer(row, [bias], 8),), region_blocks)


#: Fine where much changes from left to right.
ACROSS = predictor_of(-256 * 2400, f0=256)


@pytest.fixture(scope="module")
def street():
    return np.asarray(Image.open(STREET).convert("RGB"))


@pytest.fixture(scope="module")
def tables():
    return replace(load_tables("bisenet-camvid"), predictor=ACROSS)


# --------------------------------------------------------------------------------------------- the rule


def float_levels(foretold, table_set, temper):
    """The rule of `stac.equal_error` as it is written there."""
    logs = np.log2(table_set.tables.astype(float)).mean((1, 2, 3))
    octaves = logs - logs[len(logs) // 2]
    away = np.abs(octaves + temper / 2 * foretold[..., None] / 256)
    sure = np.diff(np.sort(away, -1)[..., :2], axis=-1)[..., 0] > 0.02
    return away.argmin(-1), sure


@pytest.mark.parametrize("temper", [0, 0.25, 0.6, 1])
def test_the_rule_of_equal_errors(tables, temper):
    foretold = np.random.default_rng(0).integers(-3000, 3000, (40, 50))
    chosen = levels_of_prediction(foretold, tables.table_set, temper=temper)
    wanted, sure = float_levels(foretold, tables.table_set, temper)
    assert chosen.level_map.dtype == np.uint8 and sure.mean() > 0.8
    np.testing.assert_array_equal(chosen.level_map[sure], wanted[sure])
    np.testing.assert_allclose(chosen.rho, 2 ** (foretold / 256), rtol=1e-6)
    if temper == 0:
        assert (chosen.level_map == tables.middle).all()
        assert chosen.realised_sum == pytest.approx(chosen.target_sum)
    with pytest.raises(ValueError, match=r"temper is -0.1, outside 0..1"):
        levels_of_prediction(foretold, tables.table_set, temper=-0.1)


def test_golden_levels(street):
    """The same on every machine: changes only together with the features' version."""
    table_set = codec.TableSet.from_log(np.full((3, 8, 8), 64), np.arange(16) * 4 - 32)
    chosen = predicted_levels(street, ACROSS, table_set)
    assert chosen.level_map.shape == (22, 32) and len(np.unique(chosen.level_map)) > 8
    assert zlib.crc32(chosen.level_map.tobytes()) == 3128319141
    encoder = codec.Encoder(threads=3, cpu="c")
    again = predicted_levels(street, ACROSS, table_set, encoder=encoder)
    np.testing.assert_array_equal(chosen.level_map, again.level_map)


# ---------------------------------------------------------------------------------------------- pictures


def test_a_picture_without_a_network(street, tables):
    done = encode_image(street, None, tables, sensitivity="predicted", quality=60)
    wanted = predicted_levels(street, ACROSS, tables.table_set)
    np.testing.assert_array_equal(codec.read_header(done.data).level_map, wanted.level_map)
    assert done.scale == pytest.approx(tables.scale_for_quality(60, "regions"), abs=1 / 256)
    assert done.agreement is None and done.selection.ln_rho_std > 0
    grey = encode_image(street[..., 1], None, tables, sensitivity="predicted")
    assert codec.decode(grey.data).shape == street.shape[:2]
    half = encode_image(street, None, tables, sensitivity="predicted", subsampling="420")
    np.testing.assert_array_equal(codec.read_header(half.data).level_map, wanted.level_map)


@pytest.mark.parametrize(
    ("change", "options", "says"),
    [
        (None, {}, "needs a table set with a predictor"),
        (ACROSS, {"region_blocks": 4}, "regions of 3 blocks, not of 4"),
        (ACROSS, {"mode": "floor"}, "'predicted' knows 'closest' only"),
        (ACROSS, {"sensitivity": "guessed"}, "'margin' or 'predicted'"),
    ],
)
def test_what_cannot_be(street, tables, change, options, says):
    with pytest.raises(ValueError, match=says):
        encode_image(
            street, None, replace(tables, predictor=change), **{"sensitivity": "predicted", **options}
        )


def test_the_generic_ladder_has_none(street):
    with pytest.raises(ValueError, match="stac-tables predictor"):
        encode_image(street, None, generic_ladder(), sensitivity="predicted")


def run_encode(tmp_path, *options):
    script = f"""
import sys
sys.modules["torch"] = None
sys.path.insert(0, {str(ROOT)!r})
from stac.cli_encode import main
sys.exit(main({[str(STREET), "-o", str(tmp_path / "a.rdct"), *options]!r}))
"""
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)


def test_the_command_needs_no_torch(street, tmp_path):
    done = run_encode(tmp_path, "--sensitivity", "predicted", "--json")
    assert done.returncode == 0, done.stderr
    tables = load_tables("bisenet-camvid-measured")
    wanted = predicted_levels(street, tables.predictor, tables.table_set).level_map
    found = codec.read_header((tmp_path / "a.rdct").read_bytes()).level_map
    np.testing.assert_array_equal(found, wanted)
    assert len(np.unique(found)) > 4
    for options, code, says in (
        (["--agreement", "0.9"], 1, "PyTorch"),
        (["--gradient-at", "raw"], 2, "asks no network"),
        (["--regions", "4"], 2, "not of 4"),
        (["--paper"], 2, "--paper fixes --sensitivity gradient"),
    ):
        done = run_encode(tmp_path, "--sensitivity", "predicted", "-f", *options)
        assert done.returncode == code and says in done.stderr, (options, done.stderr)


def test_the_command_says_what_a_set_lacks(tmp_path, tables):
    bare = tmp_path / "bare.rdts"
    replace(tables, predictor=None).save(bare)
    done = run_encode(tmp_path, "--sensitivity", "predicted", "--tables", str(bare))
    assert done.returncode == 2 and "stac-tables predictor" in done.stderr


# ------------------------------------------------------------------------------------------ on a device


def noisy(size, columns):
    """Flat, with noise in these columns."""
    image = np.full((*size, 3), 100, np.uint8)
    at = image[:, columns]
    at[:] = np.random.default_rng(1).integers(0, 256, at.shape)
    return image


def level_map_of(packet):
    return codec.read_header(packet.payload).level_map


@pytest.mark.parametrize(("options", "levels"), [({}, {0, 3}), ({"adaptive": False}, {2})])
def test_the_first_frame_gets_what_is_foretold(by_hand, options, levels):
    edge = StacEdge(by_hand.TABLE_SET, flow=by_hand.ShiftFlow(), threads=1, predictor=ACROSS, **options)
    packet, _ = edge.on_frame(Frame(0, 0.0, noisy((48, 96), np.s_[:48])), 0.0)
    found = level_map_of(packet)
    assert set(found.ravel()) == levels
    if not options:
        assert (found[:, :2] == 0).all() and (found[:, 2:] == 3).all()


def test_so_does_what_comes_into_view(by_hand, answer):
    """The picture moves 48 pixels to the left; the right half of 96 is new, and full of noise."""
    size = (48, 96)
    for predictor, right in ((ACROSS, 0), (None, 1)):
        edge = StacEdge(by_hand.TABLE_SET, flow=by_hand.ShiftFlow(-48), threads=1, predictor=predictor)
        edge.on_frame(Frame(0, 0.0, by_hand.picture(100, size)), 0.0)
        edge.on_feedback(answer(1, levels=1, size=size), 0.1)
        packet, _ = edge.on_frame(Frame(1, 0.2, noisy(size, np.s_[48:])), 0.2)
        found = level_map_of(packet)
        assert (found[:, :2] == 1).all() and (found[:, 2:] == right).all(), found


def test_new_regions_are_those_the_way_back_leaves():
    way = FlowAccumulator((50, 100), 8)
    values = FlowField.identity((50, 100), 8).values.copy()
    assert not new_regions(way.valid, (50, 100), 8).any()
    values[..., 0] = 40  # everything came from 40 pixels further right
    way.add(FlowField(values, 8, (50, 100)))
    found = new_regions(way.valid, (50, 100), 8)
    assert found.shape == codec.map_shape(50, 100)
    np.testing.assert_array_equal(found[0], [False, False, False, True, True])
    np.testing.assert_array_equal(found, np.broadcast_to(found[0], found.shape))
    assert new_regions(way.valid, (50, 100), 8, region_blocks=8).shape == (1, 2)


def test_regions_of_another_size_are_refused(by_hand):
    with pytest.raises(ValueError, match="regions of 3 blocks, but region_blocks is 2"):
        StacEdge(by_hand.TABLE_SET, region_blocks=2, predictor=ACROSS)


class Nobody:
    name, class_names, palette = "nobody", ("a", "b"), np.zeros((2, 3), np.uint8)


def test_it_comes_with_the_welcome(by_hand, tables):
    hello = Hello(96, 48)
    welcome = wire.decode(wire.encode(StacServer(Nobody(), tables).on_hello(hello, 0.0)))
    assert welcome.predictor == ACROSS.to_bytes()
    image = noisy((48, 96), np.s_[:48])
    foretold = predicted_levels(image, ACROSS, tables.table_set).level_map
    for options, wanted in (
        ({}, foretold),
        ({"predict": "off"}, np.full_like(foretold, tables.middle)),
        ({"adaptive": False}, np.full_like(foretold, tables.middle)),
    ):
        edge = StacEdge.from_welcome(welcome, flow=by_hand.ShiftFlow(), threads=1, **options)
        (packet, _) = edge.on_frame(Frame(0, 0.0, image), 0.0)
        np.testing.assert_array_equal(level_map_of(packet), wanted)
    other = StacEdge.from_welcome(welcome, flow=by_hand.ShiftFlow(), threads=1, region_blocks=2)
    (packet, _) = other.on_frame(Frame(0, 0.0, image), 0.0)
    assert (level_map_of(packet) == tables.middle).all()
    with pytest.raises(ValueError, match="'auto' or 'off'"):
        StacEdge.from_welcome(welcome, predict="maybe")


@pytest.mark.parametrize(
    ("server", "table_changes"),
    [({"adaptive": False}, {}), ({"region_blocks": 2}, {}), ({}, {"predictor": None})],
)
def test_where_it_is_of_no_use_it_stays(tables, server, table_changes):
    welcome = StacServer(Nobody(), replace(tables, **table_changes), **server).on_hello(Hello(96, 48), 0.0)
    assert welcome.predictor is None


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"RDSP", "no predictor"),
        (ACROSS.to_bytes()[:-1] + b"!", "checksum"),
        (replace(ACROSS, region_blocks=2).to_bytes(), "regions of 2 blocks, and asks for regions of 3"),
    ],
)
def test_a_welcome_is_not_trusted(tables, data, says):
    table_set = tables.table_set
    palette = np.zeros((1, 3), np.uint8)
    options = {"limits": Limits(), "predictor": data}
    welcome = Welcome(table_set.id, table_set.to_bytes(), 1.0, 3, ("a",), palette, **options)
    with pytest.raises(ProtocolError, match=says):
        StacEdge.from_welcome(welcome)
    StacEdge.from_welcome(welcome, predict="off")


def test_a_welcome_has_bounds(tables):
    said = (tables.table_set.id, None, 1.0, 3, ("a",), np.zeros((1, 3), np.uint8))
    for wrong in (b"", bytes(2**20 + 1)):
        with pytest.raises(ProtocolError, match=r"predictor must have 1\.\.1048576 bytes"):
            Welcome(*said, predictor=wrong)
