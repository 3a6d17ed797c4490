# SPDX-License-Identifier: Apache-2.0
from typing import Any, Final, final

import numpy as np

MAX_LEVELS: Final[int]
MAX_BANDS: Final[int]
MAX_REGION_BLOCKS: Final[int]
MAX_SIDE: Final[int]
MAX_EFFORT: Final[int]
MAX_STEP: Final[int]
SCALE_ONE: Final[int]
SKIP: Final[int]
SUBSAMPLINGS: Final[dict[str, int]]
FORMATS: Final[dict[str, int]]
ENTROPIES: Final[dict[str, int]]
CPUS: Final[dict[str, int]]
SAMPLE_TYPES: Final[dict[str, int]]

_Arrays = tuple[np.ndarray, ...]
_Shapes = tuple[tuple[int, ...], ...]
_EncodeOptions = tuple[int, int, int, int, int, "BaseView | None", int, int]

@final
class Buffer:
    def __init__(self, obj: Any, name: str, writable: bool) -> None: ...

@final
class TableSetView:
    def __init__(
        self,
        tables: np.ndarray,
        bands: np.ndarray,
        log_base: np.ndarray | None,
        log_offset: np.ndarray | None,
    ) -> None: ...
    def set_id(self, id: bytes) -> None: ...
    def canonical_bytes(self) -> bytes: ...

@final
class TableSetArray:
    def __init__(self, views: tuple[TableSetView, ...]) -> None: ...

@final
class Damage:
    def __init__(self, capacity: int) -> None: ...
    def lost(self) -> list[tuple[int, int, int, str, int, str]]: ...

@final
class PlanView:
    def __init__(
        self, table_set: TableSetView, scale: int, region_blocks: int, level_map: np.ndarray
    ) -> None: ...

@final
class BaseView:
    def __init__(
        self,
        planes: _Arrays,
        steps: np.ndarray,
        level_map: np.ndarray,
        region_blocks: int,
        subsampling: int,
        width: int,
        height: int,
    ) -> None: ...

@final
class DecodeInput:
    def __init__(
        self,
        data: Any,
        base: _Arrays | None,
        refine: BaseView | None,
        sets: tuple[TableSetView, ...],
        max_pixels: int,
        damage: Damage | None,
    ) -> None: ...

def version() -> str: ...
def tables_ijg(quality: int) -> np.ndarray: ...
def tables_from_log(log_base: np.ndarray, log_offset: np.ndarray) -> np.ndarray: ...
def table_set_parse(
    data: Any,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None]: ...
def huffman_lengths(counts: np.ndarray) -> np.ndarray: ...
def geometry(width: int, height: int, subsampling: int) -> tuple[_Shapes, _Shapes]: ...
def encode_bound(width: int, height: int, subsampling: int) -> int: ...
def merge_levels(
    planes: _Arrays, width: int, height: int, subsampling: int, plan: PlanView
) -> np.ndarray: ...
def read_header(data: Any) -> dict[str, Any]: ...
def encode_level_map(level_map: np.ndarray, levels: int) -> bytes: ...
def decode_level_map(data: Any, rows: int, cols: int, levels: int) -> np.ndarray: ...
def read_header_arrays(
    data: Any,
    sets: tuple[TableSetView, ...],
    levels: int,
    map_rows: int,
    map_cols: int,
    want_tables: bool,
) -> tuple[np.ndarray | None, np.ndarray]: ...

@final
class Context:
    threads: Final[int]
    def __init__(self, threads: int, cpu: int) -> None: ...
    @property
    def cpu(self) -> str: ...
    def encode(
        self,
        image: np.ndarray,
        plan: PlanView,
        options: _EncodeOptions,
        out: Any = None,
        want_stats: bool = False,
    ) -> tuple[Any, dict[str, Any] | None]: ...
    def encode_coefficients(
        self,
        planes: _Arrays,
        width: int,
        height: int,
        plan: PlanView,
        options: _EncodeOptions,
        out: Any = None,
        want_stats: bool = False,
    ) -> tuple[Any, dict[str, Any] | None]: ...
    def encode_planes(self, image: np.ndarray, subsampling: int) -> _Arrays: ...
    def quantize(self, image: np.ndarray, plan: PlanView, subsampling: int, effort: int) -> _Arrays: ...
    def region_bits(self, image: np.ndarray, plan: PlanView, subsampling: int) -> np.ndarray: ...
    def decode(
        self,
        data: Any,
        out: np.ndarray,
        sample_type: int,
        roi: tuple[int, int, int, int],
        base: _Arrays | None,
        refine: BaseView | None,
        sets: tuple[TableSetView, ...],
        max_pixels: int,
        damage: Damage | None = None,
    ) -> None: ...
    def decode_planes(
        self,
        data: Any,
        width: int,
        height: int,
        subsampling: int,
        base: _Arrays | None,
        refine: BaseView | None,
        sets: tuple[TableSetView, ...],
        max_pixels: int,
        damage: Damage | None = None,
    ) -> _Arrays: ...
    def decode_coefficients(
        self,
        data: Any,
        width: int,
        height: int,
        subsampling: int,
        refine: BaseView | None,
        sets: tuple[TableSetView, ...],
        max_pixels: int,
    ) -> _Arrays: ...
