# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, binding=True
# SPDX-License-Identifier: Apache-2.0
"""The boundary to the C core: borrowed memory in, one call without the GIL, a status turned into an exception.

Nothing here decides anything. Arguments are checked and results dressed up in codec/types.py, encoder.py and decoder.py;
arrays arrive here with the dtype and layout that csrc/include/rdct.h asks for, except where a function says that it checks.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int16_t, int32_t, int64_t, int8_t, uint16_t, uint8_t
from libc.string cimport memcpy, memset

cimport numpy as cnp

import numpy as np

from codec import errors

from codec cimport rdct

cnp.import_array()

MAX_LEVELS = rdct.RDCT_MAX_LEVELS
MAX_BANDS = rdct.RDCT_MAX_BANDS
MAX_REGION_BLOCKS = rdct.RDCT_MAX_REGION_BLOCKS
MAX_SIDE = rdct.RDCT_MAX_SIDE
MAX_STEP = rdct.RDCT_MAX_STEP
SCALE_ONE = rdct.RDCT_SCALE_ONE
SKIP = rdct.RDCT_SKIP

SUBSAMPLINGS = {"444": rdct.RDCT_444, "422": rdct.RDCT_422, "420": rdct.RDCT_420, "grey": rdct.RDCT_GREY}
FORMATS = {"rdct": rdct.RDCT_FORMAT_RDCT, "jpeg": rdct.RDCT_FORMAT_JPEG}
ENTROPIES = {"huffman": rdct.RDCT_HUFFMAN, "huffman-fixed": rdct.RDCT_HUFFMAN_FIXED, "context": rdct.RDCT_CONTEXT}
CPUS = {
    "auto": rdct.RDCT_CPU_AUTO,
    "c": rdct.RDCT_CPU_C,
    "ssse3": rdct.RDCT_CPU_SSSE3,
    "avx2": rdct.RDCT_CPU_AVX2,
    "avx512": rdct.RDCT_CPU_AVX512,
    "neon": rdct.RDCT_CPU_NEON,
}
SAMPLE_TYPES = {"uint8": rdct.RDCT_U8, "uint16": rdct.RDCT_U16, "float32": rdct.RDCT_F32}


cdef int check(int status, rdct.RdctError *err) except -1:
    """Turn a status into its exception: the only place where the C core's failures are raised."""
    if status == rdct.RDCT_OK:
        return 0
    raise errors.from_status(
        status,
        err.message.decode("utf-8", "replace"),
        rule=err.rule.decode("utf-8", "replace"),
        offset=err.offset,
        slice=err.slice,
        limit=err.limit,
        actual=err.actual,
    )


def version():
    """Version of the C core, "major.minor.patch"."""
    return rdct.rdct_version().decode()


# ---------------------------------------------------------------------------------------------- borrowed memory


@cython.final
cdef class Buffer:
    """A contiguous buffer of the caller, held for as long as this object lives."""

    cdef Py_buffer view
    cdef bint held

    def __cinit__(self, obj, str name, bint writable):
        try:
            PyObject_GetBuffer(obj, &self.view, PyBUF_WRITABLE if writable else PyBUF_SIMPLE)
        except (BufferError, TypeError, ValueError) as error:
            kind = "writable contiguous buffer, such as bytearray or a uint8 array" if writable else "contiguous bytes-like object"
            raise TypeError(f"{name} must be a {kind}, got {type(obj).__name__}: {error}") from None
        self.held = True

    def __dealloc__(self):
        if self.held:
            PyBuffer_Release(&self.view)

    cdef uint8_t *data(self) noexcept:
        return <uint8_t *> self.view.buf

    cdef size_t size(self) noexcept:
        return <size_t> self.view.len


@cython.final
cdef class TableSetView:
    """A table set as the C core sees it. Keeps its arrays alive; they must be C-contiguous and never change.

    tables u16 [L,3,8,8]; bands u8 [K,4,256]; log_base u8 [3,8,8] and log_offset i8 [L], or None twice.
    """

    cdef rdct.RdctTableSet c
    cdef tuple keep

    def __cinit__(self, tables, bands, log_base, log_offset):
        self.keep = (tables, bands, log_base, log_offset)
        memset(&self.c, 0, sizeof(self.c))
        self.c.levels = tables.shape[0]
        self.c.tables = <const uint16_t *> cnp.PyArray_DATA(tables)
        self.c.bands = bands.shape[0]
        if self.c.bands > 0:
            self.c.huffman = <const rdct.RdctHuffmanLengths *> cnp.PyArray_DATA(bands)
        if log_base is not None:
            self.c.log_base = <const uint8_t *> cnp.PyArray_DATA(log_base)
            self.c.log_offset = <const int8_t *> cnp.PyArray_DATA(log_offset)

    def set_id(self, bytes id):
        if len(id) != sizeof(self.c.id):
            raise ValueError(f"id must be {sizeof(self.c.id)} bytes, got {len(id)}")
        memcpy(self.c.id, PyBytes_AS_STRING(id), sizeof(self.c.id))

    def canonical_bytes(self):
        """docs/bitstream.md, section 8. Checks the Huffman tables of the bands."""
        cdef rdct.RdctError err
        cdef size_t size = 0
        cdef uint8_t *out
        cdef int status
        with nogil:
            status = rdct.rdct_table_set_bytes(&self.c, NULL, &size, &err)
        if status != rdct.RDCT_ERR_BUFFER_SMALL:
            check(status, &err)
        result = PyBytes_FromStringAndSize(NULL, <Py_ssize_t> size)
        out = <uint8_t *> PyBytes_AS_STRING(result)
        with nogil:
            status = rdct.rdct_table_set_bytes(&self.c, out, &size, &err)
        check(status, &err)
        return result


@cython.final
cdef class TableSetArray:
    """Several table sets as the array of pointers a decoder takes."""

    cdef const rdct.RdctTableSet **sets
    cdef int count
    cdef tuple keep

    def __cinit__(self, tuple views):
        cdef TableSetView view
        cdef int i
        self.keep = views
        self.count = <int> len(views)
        if self.count == 0:
            return
        self.sets = <const rdct.RdctTableSet **> PyMem_Malloc(self.count * sizeof(void *))
        if self.sets == NULL:
            raise MemoryError()
        for i in range(self.count):
            view = views[i]
            self.sets[i] = &view.c

    def __dealloc__(self):
        PyMem_Free(self.sets)


@cython.final
cdef class Damage:
    """Room for what a decoder conceals: up to `capacity` lost slices."""

    cdef rdct.RdctDamage c

    def __cinit__(self, int capacity):
        self.c.lost = <rdct.RdctLostSlice *> PyMem_Malloc(capacity * sizeof(rdct.RdctLostSlice))
        if self.c.lost == NULL:
            raise MemoryError()
        self.c.capacity = capacity

    def __dealloc__(self):
        PyMem_Free(self.c.lost)

    def lost(self):
        """-> list of (slice, y0, y1, rule, offset, message), in stream order."""
        cdef int i
        cdef rdct.RdctLostSlice *one
        result = []
        for i in range(min(self.c.count, self.c.capacity)):
            one = &self.c.lost[i]
            rule, message = one.why.rule.decode("utf-8", "replace"), one.why.message.decode("utf-8", "replace")
            result.append((one.why.slice, one.y0, one.y1, rule, one.why.offset, message))
        return result


@cython.final
cdef class PlanView:
    """A plan as the C core sees it. level_map: u8 [rows, cols], C-contiguous, never changed."""

    cdef rdct.RdctPlan c
    cdef tuple keep

    def __cinit__(self, TableSetView table_set, int scale, int region_blocks, level_map):
        self.keep = (table_set, level_map)
        self.c.set = &table_set.c
        self.c.scale = scale
        self.c.region_blocks = region_blocks
        self.c.level_map = <const uint8_t *> cnp.PyArray_DATA(level_map)
        self.c.map_rows = level_map.shape[0]
        self.c.map_cols = level_map.shape[1]


cdef int borrow_image(image, rdct.RdctImage *c) except -1:
    """image: u8 [H,W] or [H,W,3], pixels contiguous in a row, rows any distance apart."""
    c.data = <const uint8_t *> cnp.PyArray_DATA(image)
    c.row_stride = image.strides[0]
    c.height = image.shape[0]
    c.width = image.shape[1]
    c.channels = 1 if image.ndim == 2 else image.shape[2]
    if c.height == 1:  # numpy lets the stride of a single row be anything
        c.row_stride = c.width * c.channels
    return 0


cdef int borrow_planes(tuple arrays, rdct.RdctPlanes *c) except -1:
    """arrays: i16 [h,w] C-contiguous, one or three."""
    cdef int i
    memset(c, 0, sizeof(c[0]))
    c.components = <int> len(arrays)
    for i in range(c.components):
        array = arrays[i]
        c.height[i] = array.shape[0]
        c.width[i] = array.shape[1]
        c.planes[i] = <int16_t *> cnp.PyArray_DATA(array)
    return 0


cdef int borrow_coefficients(tuple arrays, rdct.RdctCoefficients *c) except -1:
    """arrays: i16 [by,bx,8,8] C-contiguous, one or three."""
    cdef int i
    memset(c, 0, sizeof(c[0]))
    c.components = <int> len(arrays)
    for i in range(c.components):
        array = arrays[i]
        c.blocks_high[i] = array.shape[0]
        c.blocks_wide[i] = array.shape[1]
        c.planes[i] = <int16_t *> cnp.PyArray_DATA(array)
    return 0


@cython.final
cdef class BaseView:
    """The base of a refinement stream as the C core sees it. Keeps its arrays alive; they must not change.

    planes: i16 [by,bx,8,8], one or three; steps u16 [L,3,8,8]; level_map u8 [rows, cols]; all C-contiguous.
    """

    cdef rdct.RdctBase c
    cdef tuple keep

    def __cinit__(self, tuple planes, steps, level_map, int region_blocks, int subsampling, int width, int height):
        self.keep = (planes, steps, level_map)
        borrow_coefficients(planes, &self.c.coefficients)
        self.c.width, self.c.height = width, height
        self.c.subsampling, self.c.region_blocks = subsampling, region_blocks
        self.c.levels = steps.shape[0]
        self.c.map_rows, self.c.map_cols = level_map.shape[0], level_map.shape[1]
        self.c.steps = <const uint16_t *> cnp.PyArray_DATA(steps)
        self.c.level_map = <const uint8_t *> cnp.PyArray_DATA(level_map)


cdef rdct.RdctEncodeOptions encode_options(tuple options) except *:
    """options: (subsampling, format, entropy, tables_by_id, slice_rows, refine, refine_limit): integers, but refine a BaseView or None.

    The caller keeps `options`, and with it the base, until the call is over.
    """
    cdef rdct.RdctEncodeOptions c
    cdef BaseView base = options[5]
    c.subsampling, c.format, c.entropy, c.tables_by_id, c.slice_rows = options[:5]
    c.refine = NULL if base is None else &base.c
    c.refine_limit = options[6]
    return c


cdef dict stats_dict(const rdct.RdctEncodeStats *c):
    dc = np.empty((2, 12), np.int64)
    ac = np.empty((2, 256), np.int64)
    memcpy(cnp.PyArray_DATA(dc), c.dc_symbols, sizeof(c.dc_symbols))
    memcpy(cnp.PyArray_DATA(ac), c.ac_symbols, sizeof(c.ac_symbols))
    return {
        "total_bytes": c.total_bytes,
        "header_bytes": c.header_bytes,
        "table_bytes": c.table_bytes,
        "huffman_bytes": c.huffman_bytes,
        "map_bytes": c.map_bytes,
        "refine_bytes": c.refine_bytes,
        "index_bytes": c.index_bytes,
        "slice_bytes": c.slice_bytes,
        "refined_regions": c.refined_regions,
        "fresh_regions": c.fresh_regions,
        "blocks": c.blocks,
        "skipped_blocks": c.skipped_blocks,
        "nonzero": c.nonzero,
        "dc_symbols": dc,
        "ac_symbols": ac,
        "slices": c.slices,
        "band": c.band,
    }


# -------------------------------------------------------------------------------------------------- tables


def tables_ijg(int quality):
    """u16 [3,8,8], natural order."""
    cdef rdct.RdctError err
    tables = np.empty((3, 8, 8), np.uint16)
    cdef uint16_t *out = <uint16_t *> cnp.PyArray_DATA(tables)
    cdef int status
    with nogil:
        status = rdct.rdct_tables_ijg(quality, out, &err)
    check(status, &err)
    return tables


def tables_from_log(log_base, log_offset):
    """log_base u8 [3,8,8], log_offset i8 [L], C-contiguous -> u16 [L,3,8,8]."""
    cdef rdct.RdctError err
    cdef int levels = log_offset.shape[0]
    tables = np.empty((levels, 3, 8, 8), np.uint16)
    cdef uint16_t *out = <uint16_t *> cnp.PyArray_DATA(tables)
    cdef const uint8_t *base = <const uint8_t *> cnp.PyArray_DATA(log_base)
    cdef const int8_t *offset = <const int8_t *> cnp.PyArray_DATA(log_offset)
    cdef int status
    with nogil:
        status = rdct.rdct_tables_from_log(base, offset, levels, out, &err)
    check(status, &err)
    return tables


def table_set_parse(data):
    """Canonical bytes -> (tables, bands, log_base or None, log_offset or None)."""
    cdef rdct.RdctError err
    cdef Buffer buffer = Buffer(data, "data", False)
    cdef const uint8_t *bytes_ = buffer.data()
    cdef size_t size = buffer.size()
    cdef int32_t levels = 0, bands = 0, is_log = 0
    cdef uint16_t *tables_out
    cdef uint8_t *base_out = NULL
    cdef int8_t *offset_out = NULL
    cdef rdct.RdctHuffmanLengths *huffman_out
    cdef int status
    with nogil:
        status = rdct.rdct_table_set_parse(bytes_, size, &levels, &bands, &is_log, NULL, NULL, NULL, NULL, &err)
    check(status, &err)
    tables = np.empty((levels, 3, 8, 8), np.uint16)
    lengths = np.empty((bands, 4, 256), np.uint8)
    tables_out = <uint16_t *> cnp.PyArray_DATA(tables)
    huffman_out = <rdct.RdctHuffmanLengths *> cnp.PyArray_DATA(lengths)
    log_base = log_offset = None
    if is_log:
        log_base = np.empty((3, 8, 8), np.uint8)
        log_offset = np.empty(levels, np.int8)
        base_out = <uint8_t *> cnp.PyArray_DATA(log_base)
        offset_out = <int8_t *> cnp.PyArray_DATA(log_offset)
    with nogil:
        status = rdct.rdct_table_set_parse(bytes_, size, &levels, &bands, &is_log, tables_out, base_out, offset_out, huffman_out, &err)
    check(status, &err)
    return tables, lengths, log_base, log_offset


def huffman_lengths(counts):
    """counts i64 [256], C-contiguous -> u8 [256]."""
    cdef rdct.RdctError err
    lengths = np.empty(256, np.uint8)
    cdef uint8_t *out = <uint8_t *> cnp.PyArray_DATA(lengths)
    cdef const int64_t *data = <const int64_t *> cnp.PyArray_DATA(counts)
    cdef int status
    with nogil:
        status = rdct.rdct_huffman_lengths(data, out, &err)
    check(status, &err)
    return lengths


# ------------------------------------------------------------------------------------------------ geometry


def geometry(int width, int height, int subsampling):
    """-> (shapes of the coefficient planes [by,bx,8,8], shapes of the sample planes [h,w]), whole MCUs."""
    cdef rdct.RdctError err
    cdef rdct.RdctCoefficients coefficients
    cdef rdct.RdctPlanes planes
    cdef int i, status
    memset(&coefficients, 0, sizeof(coefficients))
    memset(&planes, 0, sizeof(planes))
    with nogil:
        status = rdct.rdct_geometry(width, height, subsampling, &coefficients, &planes, &err)
    check(status, &err)
    return (
        tuple([(coefficients.blocks_high[i], coefficients.blocks_wide[i], 8, 8) for i in range(coefficients.components)]),
        tuple([(planes.height[i], planes.width[i]) for i in range(planes.components)]),
    )


def encode_bound(int width, int height, int subsampling):
    """Most bytes a stream of such a picture can have."""
    cdef rdct.RdctError err
    cdef size_t bound = 0
    cdef int status
    with nogil:
        status = rdct.rdct_encode_bound(width, height, subsampling, &bound, &err)
    check(status, &err)
    return bound


def merge_levels(tuple planes, int width, int height, int subsampling, PlanView plan not None):
    """planes: i16 [by,bx,8,8] C-contiguous, rewritten -> u16 [3,8,8], the one table for all levels."""
    cdef rdct.RdctError err
    cdef rdct.RdctCoefficients coefficients
    tables = np.empty((3, 8, 8), np.uint16)
    cdef uint16_t *out = <uint16_t *> cnp.PyArray_DATA(tables)
    cdef int status
    borrow_coefficients(planes, &coefficients)
    with nogil:
        status = rdct.rdct_merge_levels(&coefficients, width, height, subsampling, &plan.c, out, &err)
    check(status, &err)
    return tables


# -------------------------------------------------------------------------------------------------- header


def read_header(data):
    """All fixed-size fields, as a dict of integers and the id as bytes."""
    cdef rdct.RdctError err
    cdef rdct.RdctHeader c
    cdef Buffer buffer = Buffer(data, "data", False)
    cdef const uint8_t *bytes_ = buffer.data()
    cdef size_t size = buffer.size()
    cdef int status
    with nogil:
        status = rdct.rdct_read_header(bytes_, size, &c, &err)
    check(status, &err)
    return {
        "format": c.format,
        "version": c.version,
        "width": c.width,
        "height": c.height,
        "subsampling": c.subsampling,
        "entropy": c.entropy,
        "components": c.components,
        "levels": c.levels,
        "region_blocks": c.region_blocks,
        "scale": c.scale,
        "map_rows": c.map_rows,
        "map_cols": c.map_cols,
        "slice_rows": c.slice_rows,
        "slices": c.slices,
        "tables_by_id": c.tables_by_id,
        "band": c.band,
        "id": PyBytes_FromStringAndSize(<char *> c.id, sizeof(c.id)),
        "has_skip": c.has_skip,
        "refine": c.refine,
        "refine_hash": PyBytes_FromStringAndSize(<char *> c.refine_hash, sizeof(c.refine_hash)),
        "header_bytes": c.header_bytes,
        "table_bytes": c.table_bytes,
        "huffman_bytes": c.huffman_bytes,
        "map_bytes": c.map_bytes,
        "refine_bytes": c.refine_bytes,
        "index_bytes": c.index_bytes,
        "slice_bytes": c.slice_bytes,
        "restart_interval": c.restart_interval,
        "total_bytes": size,
    }


def read_header_arrays(data, tuple sets, int levels, int map_rows, int map_cols, bint want_tables):
    """-> (tables u16 [L,3,8,8] without scale, or None; level_map u8 [rows, cols]). Sizes as `read_header` says."""
    cdef rdct.RdctError err
    cdef Buffer buffer = Buffer(data, "data", False)
    cdef const uint8_t *bytes_ = buffer.data()
    cdef size_t size = buffer.size()
    cdef TableSetArray known = TableSetArray(sets)
    cdef uint16_t *tables_out = NULL
    cdef uint8_t *map_out
    cdef int status
    tables = None
    if want_tables:
        tables = np.zeros((levels, 3, 8, 8), np.uint16)
        tables_out = <uint16_t *> cnp.PyArray_DATA(tables)
    level_map = np.empty((map_rows, map_cols), np.uint8)
    map_out = <uint8_t *> cnp.PyArray_DATA(level_map)
    with nogil:
        status = rdct.rdct_read_header_arrays(bytes_, size, known.sets, known.count, tables_out, map_out, &err)
    check(status, &err)
    return tables, level_map


def encode_level_map(level_map, int levels):
    """level_map u8 [rows, cols], C-contiguous -> bytes."""
    cdef rdct.RdctError err
    cdef int rows = level_map.shape[0], cols = level_map.shape[1], status
    cdef const uint8_t *data = <const uint8_t *> cnp.PyArray_DATA(level_map)
    cdef size_t size = rdct.rdct_level_map_bound(rows, cols, levels)
    cdef Buffer room = Buffer(bytearray(size), "out", True)
    cdef uint8_t *out = room.data()
    with nogil:
        status = rdct.rdct_encode_level_map(data, rows, cols, levels, out, &size, &err)
    check(status, &err)
    return PyBytes_FromStringAndSize(<char *> out, <Py_ssize_t> size)


def decode_level_map(data, int rows, int cols, int levels):
    """-> u8 [rows, cols]."""
    cdef rdct.RdctError err
    cdef Buffer buffer = Buffer(data, "data", False)
    cdef const uint8_t *bytes_ = buffer.data()
    cdef size_t size = buffer.size()
    cdef int status
    level_map = np.empty((rows, cols), np.uint8)
    cdef uint8_t *out = <uint8_t *> cnp.PyArray_DATA(level_map)
    with nogil:
        status = rdct.rdct_decode_level_map(bytes_, size, rows, cols, levels, out, &err)
    check(status, &err)
    return level_map


# ------------------------------------------------------------------------------------------------- context


@cython.final
cdef class Context:
    """One RdctContext: scratch memory and a thread pool, for one call at a time."""

    cdef rdct.RdctContext *handle
    cdef bint busy
    cdef readonly int threads

    def __cinit__(self, int threads, int cpu):
        cdef rdct.RdctError err
        cdef int status
        with nogil:
            status = rdct.rdct_context_create(threads, cpu, &self.handle, &err)
        check(status, &err)
        self.threads = threads

    def __dealloc__(self):
        rdct.rdct_context_destroy(self.handle)

    @property
    def cpu(self):
        """The instruction set in use."""
        return rdct.rdct_context_cpu(self.handle).decode()

    cdef int enter(self) except -1:
        # Read and set without giving up the GIL in between, so two threads cannot both pass.
        if self.busy:
            raise RuntimeError("this object is busy with a call from another thread; use one object per thread")
        self.busy = True
        return 0

    cdef take_output(self, size_t size, Buffer out):
        """The finished stream as bytes, or written into `out`: the number of bytes then."""
        cdef rdct.RdctError err
        cdef uint8_t *data
        cdef size_t capacity
        cdef int status
        if out is None:
            result = PyBytes_FromStringAndSize(NULL, <Py_ssize_t> size)
            data, capacity = <uint8_t *> PyBytes_AS_STRING(result), size
        else:
            result = size
            data, capacity = out.data(), out.size()
        with nogil:
            status = rdct.rdct_take_output(self.handle, data, capacity, &err)
        check(status, &err)
        return result

    def encode(self, image, PlanView plan not None, tuple options, out=None, bint want_stats=False):
        """-> (bytes, or the size if `out` is given; dict or None)."""
        cdef rdct.RdctError err
        cdef rdct.RdctImage c_image
        cdef rdct.RdctEncodeOptions c_options = encode_options(options)
        cdef rdct.RdctEncodeStats stats
        # Counting symbols for nobody costs a tenth of the fixed path.
        cdef rdct.RdctEncodeStats *wanted = &stats if want_stats else NULL
        cdef Buffer buffer = None if out is None else Buffer(out, "out", True)
        cdef size_t size = 0
        cdef int status
        borrow_image(image, &c_image)
        self.enter()
        try:
            with nogil:
                status = rdct.rdct_encode(self.handle, &c_image, &plan.c, &c_options, &size, wanted, &err)
            check(status, &err)
            result = self.take_output(size, buffer)
        finally:
            self.busy = False
        return result, stats_dict(&stats) if want_stats else None

    def encode_coefficients(
        self, tuple planes, int width, int height, PlanView plan not None, tuple options, out=None, bint want_stats=False
    ):
        """planes: i16 [by,bx,8,8] C-contiguous, of the shapes `geometry` gives. Returns as `encode`."""
        cdef rdct.RdctError err
        cdef rdct.RdctCoefficients coefficients
        cdef rdct.RdctEncodeOptions c_options = encode_options(options)
        cdef rdct.RdctEncodeStats stats
        # Counting symbols for nobody costs a tenth of the fixed path.
        cdef rdct.RdctEncodeStats *wanted = &stats if want_stats else NULL
        cdef Buffer buffer = None if out is None else Buffer(out, "out", True)
        cdef size_t size = 0
        cdef int status
        borrow_coefficients(planes, &coefficients)
        self.enter()
        try:
            with nogil:
                status = rdct.rdct_encode_coefficients(
                    self.handle, &coefficients, width, height, &plan.c, &c_options, &size, wanted, &err
                )
            check(status, &err)
            result = self.take_output(size, buffer)
        finally:
            self.busy = False
        return result, stats_dict(&stats) if want_stats else None

    def encode_planes(self, image, int subsampling):
        """-> tuple of i16 [h,w], (sample-128) x 8."""
        cdef rdct.RdctError err
        cdef rdct.RdctImage c_image
        cdef rdct.RdctPlanes planes
        cdef int status
        borrow_image(image, &c_image)
        result = tuple([np.empty(shape, np.int16) for shape in geometry(c_image.width, c_image.height, subsampling)[1]])
        borrow_planes(result, &planes)
        self.enter()
        try:
            with nogil:
                status = rdct.rdct_encode_planes(self.handle, &c_image, subsampling, &planes, &err)
            check(status, &err)
        finally:
            self.busy = False
        return result

    def quantize(self, image, PlanView plan not None, int subsampling):
        """-> tuple of i16 [by,bx,8,8]."""
        cdef rdct.RdctError err
        cdef rdct.RdctImage c_image
        cdef rdct.RdctCoefficients coefficients
        cdef int status
        borrow_image(image, &c_image)
        result = tuple([np.empty(shape, np.int16) for shape in geometry(c_image.width, c_image.height, subsampling)[0]])
        borrow_coefficients(result, &coefficients)
        self.enter()
        try:
            with nogil:
                status = rdct.rdct_quantize(self.handle, &c_image, &plan.c, subsampling, &coefficients, &err)
            check(status, &err)
        finally:
            self.busy = False
        return result

    def decode(self, data, out, int sample_type, tuple roi, base, BaseView refine, tuple sets, int64_t max_pixels, Damage damage=None):
        """Fills out: [h,w] or [h,w,3] of the sample type, pixels contiguous in a row, h x w the roi or the picture.

        roi: (x0, y0, x1, y1), zeros for the whole picture. base: tuple of i16 planes x 16 or None. refine: or None. damage: concealed
        and put there, or None.
        """
        cdef rdct.RdctError err
        cdef Buffer buffer = Buffer(data, "data", False)
        cdef const uint8_t *bytes_ = buffer.data()
        cdef size_t size = buffer.size()
        cdef TableSetArray known = TableSetArray(sets)
        cdef rdct.RdctDecodeOptions options
        cdef rdct.RdctPlanes planes
        cdef void *pixels = cnp.PyArray_DATA(out)
        # numpy lets the stride of a single row be anything.
        cdef ptrdiff_t stride = out.strides[0] if out.shape[0] > 1 else out.nbytes
        cdef int i, status
        memset(&options, 0, sizeof(options))
        options.max_pixels = max_pixels
        options.sample_type = sample_type
        options.refine = NULL if refine is None else &refine.c
        options.sets, options.set_count = known.sets, known.count
        for i in range(4):
            options.roi[i] = roi[i]
        if base is not None:
            borrow_planes(base, &planes)
            options.base = &planes
        if damage is not None:
            options.damage = &damage.c
        self.enter()
        try:
            with nogil:
                status = rdct.rdct_decode(self.handle, bytes_, size, &options, pixels, stride, &err)
            check(status, &err)
        finally:
            self.busy = False

    def decode_planes(self, data, int width, int height, int subsampling, base, BaseView refine, tuple sets, int64_t max_pixels,
                      Damage damage=None):
        """-> tuple of i16 [h,w], (sample-128) x 16. Size and subsampling as `read_header` says."""
        cdef rdct.RdctError err
        cdef Buffer buffer = Buffer(data, "data", False)
        cdef const uint8_t *bytes_ = buffer.data()
        cdef size_t size = buffer.size()
        cdef TableSetArray known = TableSetArray(sets)
        cdef rdct.RdctDecodeOptions options
        cdef rdct.RdctPlanes planes, base_planes
        cdef int status
        memset(&options, 0, sizeof(options))
        options.max_pixels = max_pixels
        options.sets, options.set_count = known.sets, known.count
        options.refine = NULL if refine is None else &refine.c
        if base is not None:
            borrow_planes(base, &base_planes)
            options.base = &base_planes
        if damage is not None:
            options.damage = &damage.c
        result = tuple([np.empty(shape, np.int16) for shape in geometry(width, height, subsampling)[1]])
        borrow_planes(result, &planes)
        self.enter()
        try:
            with nogil:
                status = rdct.rdct_decode_planes(self.handle, bytes_, size, &options, &planes, &err)
            check(status, &err)
        finally:
            self.busy = False
        return result

    def decode_coefficients(self, data, int width, int height, int subsampling, BaseView refine, tuple sets, int64_t max_pixels):
        """-> tuple of i16 [by,bx,8,8]. Size and subsampling as `read_header` says."""
        cdef rdct.RdctError err
        cdef Buffer buffer = Buffer(data, "data", False)
        cdef const uint8_t *bytes_ = buffer.data()
        cdef size_t size = buffer.size()
        cdef TableSetArray known = TableSetArray(sets)
        cdef rdct.RdctDecodeOptions options
        cdef rdct.RdctCoefficients coefficients
        cdef int status
        memset(&options, 0, sizeof(options))
        options.max_pixels = max_pixels
        options.sets, options.set_count = known.sets, known.count
        options.refine = NULL if refine is None else &refine.c
        result = tuple([np.empty(shape, np.int16) for shape in geometry(width, height, subsampling)[0]])
        borrow_coefficients(result, &coefficients)
        self.enter()
        try:
            with nogil:
                status = rdct.rdct_decode_coefficients(self.handle, bytes_, size, &options, &coefficients, &err)
            check(status, &err)
        finally:
            self.busy = False
        return result
