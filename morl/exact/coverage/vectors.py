"""A short vector of doubles held in registers, for numba kernels.

Numba has no such type, and a small array in an inner loop goes through memory. ``Vector(n)`` lowers to LLVM's
``<n x double>``: on a machine with wide registers a whole row of a value table (4 weights × 2 objectives) is
one register, one load and one fused multiply-add. Lengths are compile-time constants.

A *table row* holds K objectives for W weights, objective by objective: element ``k·W + j`` is objective k
under weight j. It is padded with unused lanes to a power of two, since LLVM takes odd lengths apart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model


class Vector(types.Type):
    """Numba type of n doubles in registers."""

    def __init__(self, n: int) -> None:
        self.n = n
        super().__init__(name=f"Vector({n})")


def primitive(define: Callable[..., Any]) -> Any:
    """Make a function that emits LLVM instructions callable from compiled code; lengths arrive as literals."""
    return intrinsic(prefer_literal=True)(define)


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, fe_type: Vector) -> None:
        super().__init__(manager, fe_type, ir.VectorType(ir.DoubleType(), fe_type.n))


_I32 = ir.IntType(32)
_F64 = ir.DoubleType()


def _constant(values: list[int]) -> ir.Constant:
    return ir.Constant(ir.VectorType(_I32, len(values)), values)


def _pointer(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:
    """Address of ``array.ravel()[offset]``; the array is contiguous."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.gep(data, [offset])


def _shuffle(builder: Any, value: Any, lanes: list[int]) -> Any:
    return builder.shuffle_vector(value, ir.Constant(value.type, ir.Undefined), _constant(lanes))


def _spread(builder: Any, scalar: Any, n: int) -> Any:
    """A scalar in every lane."""
    one = builder.insert_element(ir.Constant(ir.VectorType(scalar.type, n), ir.Undefined), scalar, ir.Constant(_I32, 0))
    return _shuffle(builder, one, [0] * n)


def _load(builder: Any, pointer: Any, n: int) -> Any:
    wide = builder.bitcast(pointer, ir.VectorType(_F64, n).as_pointer())
    return builder.load(wide, align=8)


def _fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    kind = a.type
    name = f"llvm.fma.v{kind.count}f64"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name)
    return builder.call(function, [a, b, c])


@primitive
def fill(typingctx: Any, value: Any, n: Any) -> Any:
    """Vector of n copies of a double."""
    kind = Vector(n.literal_value)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _spread(builder, args[0], kind.n)

    return kind(types.float64, n), codegen


@primitive
def load(typingctx: Any, array: Any, offset: Any, n: Any) -> Any:
    """Elements ``offset … offset + n − 1`` of a contiguous float64 array."""
    kind = Vector(n.literal_value)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _load(builder, _pointer(context, builder, array, args[0], args[1]), kind.n)

    return kind(array, types.intp, n), codegen


@primitive
def store(typingctx: Any, array: Any, offset: Any, value: Any) -> Any:
    """Write a vector into a contiguous float64 array from ``offset`` on."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, array, args[0], args[1])
        builder.store(args[2], builder.bitcast(pointer, args[2].type.as_pointer()), align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), codegen


@primitive
def store_int(typingctx: Any, array: Any, offset: Any, value: Any) -> Any:
    """Write a vector of whole numbers into a contiguous int32 array from ``offset`` on."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        whole = builder.fptosi(args[2], ir.VectorType(_I32, value.n))
        pointer = _pointer(context, builder, array, args[0], args[1])
        builder.store(whole, builder.bitcast(pointer, whole.type.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), codegen


@primitive
def add_scaled(typingctx: Any, total: Any, scale: Any, array: Any, offset: Any) -> Any:
    """``total + scale · array[offset : offset + n]``: one load and one fused multiply-add."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        row = _load(builder, _pointer(context, builder, array, args[2], args[3]), total.n)
        return _fma(builder, _spread(builder, args[1], total.n), row, args[0])

    return total(total, types.float64, array, types.intp), codegen


@primitive
def scale_add(typingctx: Any, scale: Any, value: Any, addend: Any) -> Any:
    """``scale · value + addend``."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _fma(builder, _spread(builder, args[0], value.n), args[1], args[2])

    return value(types.float64, value, addend), codegen


@primitive
def subtract(typingctx: Any, a: Any, b: Any) -> Any:
    """``a − b``."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fsub(args[0], args[1])

    return a(a, b), codegen


def _extreme(sign: str) -> Any:
    def typed(typingctx: Any, a: Any, b: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.select(builder.fcmp_ordered(sign, args[0], args[1]), args[0], args[1])

        return a(a, b), codegen

    return typed


larger = primitive(_extreme(">"))
"""Lane by lane the larger of two vectors."""

smaller = primitive(_extreme("<"))
"""Lane by lane the smaller of two vectors."""


@primitive
def load_spread(typingctx: Any, array: Any, offset: Any, w: Any, k: Any, n: Any) -> Any:
    """K numbers from ``offset`` on, each repeated for W weights: a table row that is the same for all weights."""
    n_weights, n_objectives = w.literal_value, k.literal_value
    kind = Vector(n.literal_value)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        row = _load(builder, _pointer(context, builder, array, args[0], args[1]), n_objectives)
        return _shuffle(builder, row, [min(i // n_weights, n_objectives - 1) for i in range(kind.n)])

    return kind(array, types.intp, w, k, n), codegen


@primitive
def scalarise(typingctx: Any, row: Any, weights: Any, w: Any, k: Any) -> Any:
    """Σ_k row[k·W + j] · weights[k·W + j] for each weight j: a vector of W scores."""
    n_weights = w.literal_value
    kind = Vector(n_weights)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        total = None
        for first in range(0, n_weights * k.literal_value, n_weights):
            lanes = list(range(first, first + n_weights))
            a, b = _shuffle(builder, args[0], lanes), _shuffle(builder, args[1], lanes)
            total = builder.fmul(a, b) if total is None else _fma(builder, a, b, total)
        return total

    return kind(row, weights, w, k), codegen


@primitive
def choose(typingctx: Any, score: Any, best: Any, row: Any, best_row: Any) -> Any:
    """``row`` in the lanes of the weights where ``score > best``, ``best_row`` elsewhere."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        mask = builder.fcmp_ordered(">", args[0], args[1])
        lanes = [i % score.n for i in range(row.n)]
        return builder.select(_shuffle(builder, mask, lanes), args[2], args[3])

    return row(score, best, row, best_row), codegen
