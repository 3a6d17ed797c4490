# SPDX-License-Identifier: Apache-2.0
# Part of _core.pyx: Python's memory and options as the structs of csrc/include/rdct.h, alive for as long as they are lent.


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


@cython.final
cdef class DecodeInput:
    """The stream of one call and what it is decoded with, held until the call is over."""

    cdef const uint8_t *data
    cdef size_t size
    cdef rdct.RdctDecodeOptions options
    cdef rdct.RdctPlanes base
    cdef tuple keep

    def __cinit__(self, data, base, BaseView refine, tuple sets, int64_t max_pixels, Damage damage):
        cdef Buffer buffer = Buffer(data, "data", False)
        cdef TableSetArray known = TableSetArray(sets)
        self.keep = (buffer, base, refine, known, damage)
        self.data, self.size = buffer.data(), buffer.size()
        memset(&self.options, 0, sizeof(self.options))
        self.options.max_pixels = max_pixels
        self.options.sets, self.options.set_count = known.sets, known.count
        self.options.refine = NULL if refine is None else &refine.c
        if base is not None:
            borrow_planes(base, &self.base)
            self.options.base = &self.base
        if damage is not None:
            self.options.damage = &damage.c


cdef rdct.RdctEncodeOptions encode_options(tuple options) except *:
    """options: (subsampling, format, entropy, tables_by_id, slice_rows, refine, refine_limit, effort): integers, but refine a BaseView
    or None.

    The caller keeps `options`, and with it the base, until the call is over.
    """
    cdef rdct.RdctEncodeOptions c
    cdef BaseView base = options[5]
    c.subsampling, c.format, c.entropy, c.tables_by_id, c.slice_rows = options[:5]
    c.refine = NULL if base is None else &base.c
    c.refine_limit, c.effort = options[6:]
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
