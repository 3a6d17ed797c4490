"""Every row codes and decodes, counts all its bytes, and says so where it cannot run."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import codec
from rdct.evaluation import codecs
from rdct.evaluation.measure import make_setup
from rdct.vision.metrics import psnr


def test_dial_points():
    dial = codecs.Dial("scale", 0.25, 4, grid=1 / 256)
    points = dial.points(9)
    assert points[0] == 0.25 and points[-1] == 4 and len(points) == 9
    assert np.allclose(np.diff(np.log2(points)), 0.5, atol=0.02)
    assert all(point * 256 == int(point * 256) for point in points)
    whole = codecs.Dial("quality", 90, 93).points(8)
    assert whole == (90, 91, 92, 93) and all(isinstance(point, int) for point in whole)
    with pytest.raises(ValueError, match="points"):
        dial.points(0)


@pytest.mark.parametrize("name", codecs.NAMES)
def test_row(name, toy, tables, pictures):
    from rdct.evaluation.pictures import read_picture

    try:
        system = codecs.build(name, make_setup(toy, tables))
    except codecs.Absent as reason:
        pytest.skip(str(reason))
    assert system.name == name and any(digit in system.settings for digit in "0123456789")
    image = read_picture(sorted(pictures[0].iterdir())[0])
    points = system.dial.points(8)
    assert len(points) >= 8
    sizes, quality = [], []
    for dial in (points[0], points[4], points[-1]):
        coded = system.code(image, dial, system.table_modes)
        assert set(coded.streams) == set(system.table_modes)
        decoded = [system.decode(data) for data in coded.streams.values()]
        assert all(np.array_equal(one, decoded[0]) for one in decoded)
        assert decoded[0].shape == image.shape and decoded[0].dtype == np.uint8
        for data in coded.streams.values():
            parts = system.parts(data)
            assert parts is None or sum(parts.values()) == len(data)
        sizes.append([len(data) for data in coded.streams.values()])
        quality.append(psnr(decoded[0], image))
    assert sorted(sizes) in (sizes, sizes[::-1]) and sizes[0] != sizes[-1]
    assert (quality[0] < quality[-1]) == (sizes[0] < sizes[-1])
    if len(system.table_modes) > 1:
        inline, by_id = sizes[0]
        assert -8 < inline - by_id < 400, (
            "an id costs 8 bytes; only a set that is one of JPEG costs less inline"
        )


def test_missing_library_is_absent(monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(codecs.Absent, match="imagecodecs"):
        codecs.build("jxl", codecs.Setup())


def test_missing_tables_are_absent():
    with pytest.raises(codecs.Absent, match="--tables"):
        codecs.build("grace", codecs.Setup())


def test_foretold_levels_need_a_predictor(toy, tables):
    from dataclasses import replace

    from rdct.evaluation.codecs.own import tables_sha256

    setup = make_setup(toy, tables)
    row = codecs.build("stac-predicted", setup)
    bare = replace(setup, tables=replace(setup.tables, predictor=None))
    with pytest.raises(codecs.Absent, match="stac-tables predictor"):
        codecs.build("stac-predicted", bare)
    # Records of the other rows stay good when a predictor comes or goes.
    assert tables_sha256(bare.tables) == row.tables_sha256


def test_published_schemes_have_the_set_of_gradients():
    """Without --tables each row of the built-in network takes the shipped set that it was meant for."""
    from grace import load_tables

    setup = make_setup("bisenet-camvid", None)
    for names, tables in (
        (("grace", "grace-capped", "stac-paper"), "bisenet-camvid"),
        (("stac-fisher", "stac-predicted", "default", "default-jpeg"), "bisenet-camvid-measured"),
    ):
        assert {codecs.build(name, setup).table_set for name in names} == {load_tables(tables).id}


def test_unknown_row():
    with pytest.raises(ValueError, match="jpeg-turbo-444"):
        codecs.build("jpeg2000", codecs.Setup())


def test_balanced_row_needs_counted_classes(toy, tables):
    from dataclasses import replace

    setup = make_setup(toy, tables)
    bare = replace(setup, tables=replace(setup.tables, class_shares=None))
    with pytest.raises(codecs.Absent, match="stac-tables classes"):
        codecs.build("stac-fisher-balanced", bare)


def test_rows_of_second_order_differ_in_levels_alone(toy, tables, pictures):
    from rdct.evaluation.pictures import read_picture

    setup = make_setup(toy, tables)
    image = read_picture(sorted(pictures[0].iterdir())[0])
    streams, maps = set(), set()
    for name in ("stac-fisher-context", "stac-margin", "stac-fisher-balanced"):
        system = codecs.build(name, setup)
        data = system.encode(image, 1.0)
        header = codec.read_header(data)
        assert (header.scale, header.entropy) == (1.0, "context")
        streams.add(data)
        maps.add(header.level_map.tobytes())
    assert len(streams) == len(maps) == 3
