# SPDX-License-Identifier: Apache-2.0
"""Each byte of small streams changed, each prefix cut: a picture or a documented error, nothing else."""

import numpy as np
import pictures
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st

import codec

CHANGES = [lambda b: 0x00, lambda b: 0x0F, lambda b: 0xF0, lambda b: 0xFF, lambda b: b ^ 1]
LIMIT = 1 << 16

TABLES = codec.TableSet.from_log(np.full((3, 8, 8), 50) + np.arange(8), [0, 6, 12, 18])


#: What the refinement refines, and its plan.
KNOWN = codec.QuantPlan(TABLES, [[3, 255], [2, 3]], 2, scale=2)
LOW = codec.encode(pictures.street(27, 32), KNOWN, subsampling="420", slice_rows=2)


def streams():
    image = pictures.street(27, 32)
    plan = codec.QuantPlan(TABLES, [[0, 3], [255, 1]], 2, scale=2)
    ladder = codec.TableSet.from_log(np.full((3, 8, 8), 70), np.arange(16) * 2)
    trained = codec.QuantPlan(ladder, np.add.outer(np.arange(4), np.arange(4)) + 5, 1, scale=4)
    explicit = codec.QuantPlan(TABLES.tables[:2].copy(), [[0, 1], [255, 1]], 2, scale=4)
    return {
        "one byte of tables": codec.encode(image[:16, :16], quality=40),
        "levels, 4:2:0": codec.encode(image, plan, subsampling="420", slice_rows=2),
        "explicit tables, 4:2:2": codec.encode(image, explicit, subsampling="422", slice_rows=1),
        "by id": codec.encode(image, plan, tables="id", entropy="huffman-fixed"),
        "context, 4:2:0": codec.encode(image, plan, subsampling="420", entropy="context", slice_rows=2),
        "trained map": codec.encode(image, trained, entropy="context"),
        "grey": codec.encode(image[:, :, 0], plan, slice_rows=1),
        "refinement, 4:2:0": codec.encode(image, plan, subsampling="420", refine=LOW, refine_limit=None, slice_rows=2),
        "jpeg": codec.encode(image, quality=40, format="jpeg"),
        "jpeg, 4:2:0, restarts": codec.encode(image, explicit.with_map([[1, 1], [1, 1]]), format="jpeg", slice_rows=1,
                                              subsampling="420"),
        "jpeg, grey": codec.encode(image[:, :, 0], quality=50, format="jpeg", entropy="huffman-fixed"),
    }  # fmt: skip


STREAMS = streams()
DECODER = codec.Decoder()


def refine(data):
    """The base of a stream, if it is a refinement."""
    return LOW if data[:5] == b"RDCT\x01" and len(data) > 5 and data[5] & 0x20 else None


def attempt(data):
    """The error of decoding, None if there was none; anything undocumented gets through."""
    try:
        codec.read_header(data, [TABLES])
        DECODER.decode(data, table_sets=[TABLES], refine=refine(data), max_pixels=LIMIT)
    except codec.CodecError as error:
        assert type(error) in (
            codec.TruncatedError,
            codec.CorruptError,
            codec.UnsupportedError,
            codec.LimitError,
        )
        assert error.rule
        if isinstance(error, codec.BitstreamError):
            assert 0 <= error.offset <= len(data)
        return error
    except ValueError as error:
        if error.rule not in ("missing_table_set", "refine_geometry", "refine_hash"):
            raise
        return error
    return None


def mutants(data):
    for i, byte in enumerate(data):
        for change in CHANGES:
            if change(byte) != byte:
                yield i, data[:i] + bytes([change(byte)]) + data[i + 1 :]


def is_jpeg(name):
    return name.startswith("jpeg")


@pytest.mark.parametrize("name", STREAMS)
def test_every_byte(name):
    data = STREAMS[name]
    assert attempt(data) is None
    passed = 0
    for i, mutant in mutants(data):
        error = attempt(mutant)
        passed += error is None
        # Checksums cover every byte of our own format, so no change can pass.
        assert is_jpeg(name) or error is not None, i
    assert is_jpeg(name) == (passed > 0)
    options = {"table_sets": [TABLES], "refine": refine(data)}
    assert np.array_equal(DECODER.decode(data, **options), codec.decode(data, **options))


@pytest.mark.parametrize("name", STREAMS)
def test_every_prefix(name):
    data = STREAMS[name]
    for n in range(len(data)):
        error = attempt(data[:n])
        if is_jpeg(name) and n >= len(data) - 2:  # only the end marker is missing
            continue
        assert isinstance(error, codec.TruncatedError) or (
            is_jpeg(name) and isinstance(error, codec.CorruptError)
        ), n
    for more in (b"\x00", b"RDCT", data):
        error = attempt(data + more)
        assert is_jpeg(name) or error.rule == "trailing_bytes"


@pytest.mark.parametrize("name", [name for name in STREAMS if not is_jpeg(name)])
def test_every_byte_behind_right_checksums(name):
    """The same with the checksums made right again, which is how an attacker would send it."""
    data = STREAMS[name]
    sealed = passed = 0
    for _, mutant in mutants(data):
        try:
            mutant = reference.seal(mutant)
        except (AssertionError, IndexError):
            continue
        sealed += 1
        error = attempt(mutant)
        passed += error is None
        assert getattr(error, "rule", None) not in ("header_crc", "slice_crc")
    assert sealed > len(data) and 0 < passed < sealed


@given(data=st.binary(max_size=300))
def test_anything_behind_a_magic(data):
    for start in (b"", b"RDCT\x01", b"\xff\xd8\xff", STREAMS["grey"][:30], STREAMS["jpeg"][:200]):
        attempt(start + data)


@given(
    name=st.sampled_from(sorted(STREAMS)),
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=12),
    seal=st.booleans(),
)
def test_several_bytes(name, changes, seal):
    data = bytearray(STREAMS[name])
    for place, value in changes:
        data[place % len(data)] = value
    if seal and not is_jpeg(name):
        try:
            data = reference.seal(bytes(data))
        except (AssertionError, IndexError):
            pass
    attempt(bytes(data))


def test_canonical_bytes_of_a_set():
    data = TABLES.to_bytes()
    for _, mutant in mutants(data):
        try:
            other = codec.TableSet.from_bytes(mutant)
        except codec.CodecError:
            continue
        assert other.to_bytes() == mutant and other != TABLES
    for n in range(len(data)):
        with pytest.raises(codec.BitstreamError):
            codec.TableSet.from_bytes(data[:n])
