# SPDX-License-Identifier: Apache-2.0
"""The format stays what it is: streams in golden/ are made again to the byte and decode to the same samples.

A missing file is a failure. Only `python tests/codec/make_golden.py` writes them.
"""

import golden_cases
import numpy as np
import pytest
import reference

import codec

CASES = golden_cases.cases()
REFINEMENTS = golden_cases.refinements()


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


@pytest.mark.parametrize("name", REFINEMENTS)
def test_refinements(name, sums):
    """Bytes and samples from the golden base; and the reader of the page agrees."""
    image, options, base = REFINEMENTS[name]
    data, low = golden(name), None if base is None else golden(base)
    for more in ({}, {"threads": 3}, {"cpu": "c"}):
        assert golden_cases.encode(image, options, low, **more) == data
    for line in golden_cases.lines(name, data, low):
        assert line in sums
    if low is not None:
        sets = [golden_cases.table_set()]
        stream, known = (reference.parse(one, sets) for one in (data, low))
        planes = reference.coefficients(stream, (known, reference.coefficients(known)))
        found = codec.decode_coefficients(data, sets, refine=low).planes
        assert all(map(np.array_equal, planes, found)) and stream.refined.any()


def test_nothing_is_left_over(sums):
    files = {path.name for path in golden_cases.FOLDER.iterdir()} - {golden_cases.SUMS}
    assert files == set(CASES) | set(REFINEMENTS)
    assert len(sums) == 4 * len(files)


def test_the_pictures_themselves_are_pinned():
    """If these change, every golden file would for no fault of the codec."""
    made = b"".join(image.tobytes() for image, _ in CASES.values())
    assert golden_cases.digest(made) == "ba290749664e39804625074c7c5231b825f18e74c3a467a21c27b88c1256872d"
    made = b"".join(image.tobytes() for image, _, _ in REFINEMENTS.values())
    assert golden_cases.digest(made) == "1580a8c5a7514737dceef7bb559ca7113edfe75e1acac075a8f2f86928a03443"
    assert golden_cases.table_set().id_hex == "88dd8b99c2198042"
