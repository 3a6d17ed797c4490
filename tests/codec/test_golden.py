# SPDX-License-Identifier: Apache-2.0
"""The format stays what it is: streams in golden/ are made again to the byte and decode to the same samples.

A missing file is a failure. Only `python tests/codec/make_golden.py` writes them.
"""

import golden_cases
import pytest

import codec

CASES = golden_cases.cases()


@pytest.fixture(scope="module")
def sums():
    path = golden_cases.FOLDER / golden_cases.SUMS
    assert path.is_file(), f"{path} is missing"
    return path.read_text().splitlines()


def golden(name):
    path = golden_cases.FOLDER / name
    assert path.is_file(), f"{path} is missing; a lost golden file must not become the new truth unseen"
    return path.read_bytes()


@pytest.mark.parametrize("name", CASES)
def test_the_encoder_makes_the_same_bytes(name, sums):
    image, options = CASES[name]
    data = golden(name)
    assert codec.encode(image, **options) == data
    assert codec.encode(image, **options, threads=3) == data
    assert codec.encode(image, **options, cpu="c") == data
    assert f"{golden_cases.digest(data)}  {name}" in sums


@pytest.mark.parametrize("name", CASES)
def test_the_decoder_makes_the_same_samples(name, sums):
    for line in golden_cases.lines(name, golden(name)):
        assert line in sums


def test_nothing_is_left_over(sums):
    files = {path.name for path in golden_cases.FOLDER.iterdir()} - {golden_cases.SUMS}
    assert files == set(CASES)
    assert len(sums) == 4 * len(CASES)


def test_the_pictures_themselves_are_pinned():
    """If these change, every golden file would for no fault of the codec."""
    made = b"".join(image.tobytes() for image, _ in CASES.values())
    assert golden_cases.digest(made) == "b32beca64c2b42324890a4ad5a5d481c1c6609d1fce07a1a95279711711d767a"
    assert golden_cases.table_set().id_hex == "88dd8b99c2198042"
