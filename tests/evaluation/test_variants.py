"""Ablations: other numbers of levels, other regions, and steps by label boundaries."""

from __future__ import annotations

import numpy as np
import pytest

import codec
from grace import load_tables
from rdct.evaluation import codecs
from rdct.evaluation.codecs import variants
from rdct.evaluation.measure import make_setup
from rdct.evaluation.pictures import read_picture


@pytest.fixture
def setup(toy, tables):
    return make_setup(toy, tables)


@pytest.fixture
def image(pictures):
    return read_picture(sorted(pictures[0].iterdir())[0])


def header(system, image, dial=1):
    (data,) = system.code(image, dial, ("inline",)).streams.values()
    return codec.read_header(data)


OUTSIDE = "stac-paper-L1 stac-paper-L65 stac-paper-R0 stac-paper-R9 stac-paper- boundary-W0 boundaries"


@pytest.mark.parametrize("name", [*OUTSIDE.split(), "stac-paper-R3-L4"])
def test_names_out_of_range_are_unknown(name, setup):
    with pytest.raises(ValueError, match="unknown system"):
        codecs.build(name, setup)


def test_the_papers_own_numbers_are_stac_paper(setup, image):
    """16 levels and 3x3 blocks: the same bytes as the row it is a variant of."""
    plain = codecs.build("stac-paper", setup).code(image, 1, ("inline",)).streams
    for name in ("stac-paper-L16", "stac-paper-R3", "stac-paper-L16-R3"):
        assert codecs.build(name, setup).code(image, 1, ("inline",)).streams == plain


@pytest.mark.parametrize("levels", [2, 4, 8, 32])
def test_levels(levels, setup, tables, image):
    system = codecs.build(f"stac-paper-L{levels}", setup)
    assert system.name.endswith(f"L{levels}") and f"{levels} levels" in system.settings
    assert system.tables_sha256 != codecs.build("stac-paper", setup).tables_sha256
    own, made = load_tables(tables), system.tables
    assert made.levels == levels and made.budget == own.budget
    assert np.array_equal(made.table_set.tables[levels // 2], own.table_set.tables[8]), "the middle stays"
    assert np.allclose(made.budgets[0], own.budget / 4), "and so does the finest"
    found = header(system, image)
    assert found.level_map.max() < levels and found.region_blocks == 3


@pytest.mark.parametrize("regions", [1, 2, 5, 8])
def test_regions(regions, setup, image):
    found = header(codecs.build(f"stac-paper-R{regions}", setup), image)
    assert found.region_blocks == regions
    assert found.level_map.shape == codec.map_shape(*image.shape[:2], regions)


def test_boundary_regions():
    labels = np.zeros((50, 80), np.uint8)
    labels[:, 24:] = 1  # the change falls between two regions: both hold one side of it
    assert variants.boundary_regions(labels).tolist() == [[1, 1, 0, 0]] * 3
    labels[:] = 0
    labels[49, 79] = 2
    expected = np.zeros((3, 4))
    expected[2, 3] = 1
    assert np.array_equal(variants.boundary_regions(labels), expected)


def test_boundary_gives_fine_steps_to_boundaries(setup, image):
    from rdct.vision.models import labels

    system = codecs.build("boundary", setup)
    coded = system.code(image, 1, ("inline", "id"))
    found = codec.read_header(coded.streams["inline"])
    assert np.array_equal(found.level_map == 0, variants.boundary_regions(labels(setup.model, image)) == 1)
    assert np.array_equal(*(system.decode(data) for data in coded.streams.values()))
    fine, coarse = system._set.tables[:, 0, 0, 0].astype(float)
    assert abs(np.log2(coarse / fine) - 1) < 0.15
    assert len(coded.streams["inline"]) > len(system.encode(image, 4))


def test_boundary_needs_a_network():
    with pytest.raises(codecs.Absent, match="--model"):
        codecs.build("boundary", codecs.Setup())


def test_rows_stand_in_the_order_of_their_numbers():
    from rdct.evaluation.summary import _natural

    names = ["stac-paper-L2", "stac-paper-L16", "stac-paper-L16-R2", "boundary", "boundary-W4", "7z", "a"]
    expected = ["7z", "a", "boundary", "boundary-W4", "stac-paper-L2", "stac-paper-L16", "stac-paper-L16-R2"]
    assert sorted(names, key=_natural) == expected
