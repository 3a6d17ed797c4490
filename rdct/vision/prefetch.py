"""A hint to the processor, for compiled loops that read memory in an order it cannot foresee."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

__all__ = ["prefetch"]


@intrinsic
def prefetch(context: Any, array: Any, index: Any) -> Any:
    """Fetch ``array[index]`` (one-dimensional, contiguous) into the caches, for reading soon.

    Changes nothing but time: there is no result, and an index beyond the end does no harm.
    """

    def generate(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = target.make_array(signature.args[0])(target, builder, arguments[0]).data
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        hint = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        where = builder.bitcast(builder.gep(data, [arguments[1]]), byte)
        # For reading, worth keeping in all caches, data.
        builder.call(hint, [where, word(0), word(3), word(1)])
        return target.get_dummy_value()

    return types.void(array, index), generate
