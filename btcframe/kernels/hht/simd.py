"""Eight float64 at a time, written as they are meant: the vector type of the kernels beside.

LLVM's own vectors, so the same text compiles for AVX-512, AVX2 or less, without relying on what an optimiser sees in
a loop, and without relaxed arithmetic: sums have one order, and a fused multiply-add is written `fma`. So the bits do
not depend on the width of the machine. Only `pick` has a form for AVX-512 alone; elsewhere it takes lane by lane.
NUMBA_CPU_NAME and NUMBA_CPU_FEATURES choose a lesser machine.

Nothing here looks at bounds: a caller's arrays are one-dimensional, contiguous, and padded by a block at either end.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic as _intrinsic
from numba.extending import lower_builtin, models, register_model

intrinsic: Any = _intrinsic  # its type says Python calls what it makes, with one argument too many
_DOUBLE, _I8, _I32, _I64 = ir.DoubleType(), ir.IntType(8), ir.IntType(32), ir.IntType(64)


class Vector(types.Type):
    """The type of some float64 side by side."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(name=f"float64x{lanes}")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Vector) -> None:
        super().__init__(manager, kind, ir.VectorType(_DOUBLE, kind.lanes))


EIGHT, TWO = Vector(8), Vector(2)

_OPERATORS = {
    operator.add: ir.IRBuilder.fadd,
    operator.sub: ir.IRBuilder.fsub,
    operator.mul: ir.IRBuilder.fmul,
    operator.truediv: ir.IRBuilder.fdiv,
}


def _lower(symbol: Any, emit: Any) -> None:
    @infer_global(symbol)
    class _Template(ConcreteTemplate):
        cases = [signature(kind, kind, kind) for kind in (EIGHT, TWO)]  # noqa: RUF012

    for kind in (EIGHT, TWO):
        lower_builtin(symbol, kind, kind)(lambda context, builder, sig, args: emit(builder, *args))


for _symbol, _emit in _OPERATORS.items():
    _lower(_symbol, _emit)


def _vector(lanes: int) -> ir.VectorType:
    return ir.VectorType(_DOUBLE, lanes)


def _call(builder: Any, name: str, result: Any, args: list[Any]) -> Any:
    kind = ir.FunctionType(result, [a.type for a in args])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)


def _pointer(context: Any, builder: Any, kind: Any, array: Any, index: Any, to: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), to.as_pointer())


def _broadcast(builder: Any, value: Any, lanes: int) -> Any:
    empty = ir.Constant(_vector(lanes), ir.Undefined)
    first = builder.insert_element(empty, value, ir.Constant(_I32, 0))
    return builder.shuffle_vector(first, empty, ir.Constant(ir.VectorType(_I32, lanes), [0] * lanes))


def _mask(builder: Any, bits: Any) -> Any:
    return builder.bitcast(builder.trunc(bits, _I8), ir.VectorType(ir.IntType(1), 8))


def _load(lanes: int) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        array, index = args
        value = builder.load(_pointer(context, builder, sig.args[0], array, index, _vector(lanes)))
        value.align = 8
        return value

    return emit


def _store(lanes: int) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        array, index, value = args
        place = _pointer(context, builder, sig.args[0], array, index, _vector(lanes))
        builder.store(value, place).align = 8
        return context.get_dummy_value()

    return emit


@intrinsic
def load(typing_context, array, index):
    """array[index : index + 8]."""
    return EIGHT(array, types.intp), _load(8)


@intrinsic
def load2(typing_context, array, index):
    """array[index : index + 2]."""
    return TWO(array, types.intp), _load(2)


@intrinsic
def store(typing_context, array, index, value):
    """array[index : index + 8] = value."""
    return types.void(array, types.intp, EIGHT), _store(8)


@intrinsic
def store2(typing_context, array, index, value):
    """array[index : index + 2] = value."""
    return types.void(array, types.intp, TWO), _store(2)


def _load_one(kind: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        array, index = args
        return builder.load(_pointer(context, builder, sig.args[0], array, index, kind))

    return emit


def _store_one(kind: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        array, index, value = args
        builder.store(value, _pointer(context, builder, sig.args[0], array, index, kind))
        return context.get_dummy_value()

    return emit


@intrinsic
def get(typing_context, array, index):
    """array[index], without numba's look at negative indices."""
    return types.float64(array, types.intp), _load_one(_DOUBLE)


@intrinsic
def put(typing_context, array, index, value):
    """array[index] = value."""
    return types.void(array, types.intp, types.float64), _store_one(_DOUBLE)


@intrinsic
def get_bits(typing_context, array, index):
    """The bits that `put_bits` left at array[index]."""
    return types.int64(array, types.intp), _load_one(_I64)


@intrinsic
def put_bits(typing_context, array, index, bits):
    """Keep 64 bits at the place of a float64."""
    return types.void(array, types.intp, types.int64), _store_one(_I64)


@intrinsic
def splat(typing_context, value):
    """One number in all eight places."""
    return EIGHT(types.float64), lambda context, builder, sig, args: _broadcast(builder, args[0], 8)


@intrinsic
def splat2(typing_context, value):
    """One number in both places."""
    return TWO(types.float64), lambda context, builder, sig, args: _broadcast(builder, args[0], 2)


@intrinsic
def count_up(typing_context, start):
    """start, start + 1 … start + 7."""

    def emit(context, builder, sig, args):
        steps = ir.Constant(_vector(8), [float(lane) for lane in range(8)])
        return builder.fadd(_broadcast(builder, args[0], 8), steps)

    return EIGHT(types.float64), emit


def _suffix(kind: Any) -> str:
    return f"v{kind.lanes}f64" if isinstance(kind, Vector) else "f64"


@intrinsic
def fma(typing_context, a, b, c):
    """a·b + c, rounded once; of numbers or vectors."""

    def emit(context, builder, sig, args):
        return _call(builder, f"llvm.fma.{_suffix(sig.return_type)}", args[0].type, list(args))

    return a(a, a, a), emit


@intrinsic
def fnma(typing_context, a, b, c):
    """c − a·b, rounded once; of numbers or vectors."""

    def emit(context, builder, sig, args):
        x, y, z = args
        return _call(builder, f"llvm.fma.{_suffix(sig.return_type)}", x.type, [builder.fneg(x), y, z])

    return a(a, a, a), emit


def _bits(builder: Any, mask: Any) -> Any:
    return builder.zext(builder.bitcast(mask, _I8), _I64)


@intrinsic
def less(typing_context, a, b):
    """Bit k says whether a[k] < b[k]."""
    return types.int64(EIGHT, EIGHT), lambda context, builder, sig, args: _bits(
        builder, builder.fcmp_ordered("<", *args)
    )


@intrinsic
def equal(typing_context, a, b):
    """Bit k says whether a[k] = b[k]."""
    return types.int64(EIGHT, EIGHT), lambda context, builder, sig, args: _bits(
        builder, builder.fcmp_ordered("==", *args)
    )


@intrinsic
def ones(typing_context, bits):
    """How many of the eight bits are set."""

    def emit(context, builder, sig, args):
        return _call(builder, "llvm.ctpop.i64", _I64, [builder.and_(args[0], ir.Constant(_I64, 255))])

    return types.int64(types.int64), emit


@intrinsic
def least(typing_context, a, b):
    """The lesser of each pair; b where one is NaN."""

    def emit(context, builder, sig, args):
        return builder.select(builder.fcmp_ordered("<", *args), *args)

    return EIGHT(EIGHT, EIGHT), emit


@intrinsic
def greatest(typing_context, a, b):
    """The greater of each pair; b where one is NaN."""

    def emit(context, builder, sig, args):
        return builder.select(builder.fcmp_ordered(">", *args), *args)

    return EIGHT(EIGHT, EIGHT), emit


@intrinsic
def keep(typing_context, value, bits):
    """The lanes whose bit is set, 0 elsewhere."""

    def emit(context, builder, sig, args):
        return builder.select(_mask(builder, args[1]), args[0], ir.Constant(_vector(8), [0.0] * 8))

    return EIGHT(EIGHT, types.int64), emit


@intrinsic
def magnitude(typing_context, value):
    """Absolute values."""
    return EIGHT(EIGHT), lambda context, builder, sig, args: _call(
        builder, "llvm.fabs.v8f64", _vector(8), list(args)
    )


@intrinsic
def compress(typing_context, value, bits):
    """The lanes whose bit is set, moved to the front; the rest is undefined."""

    def emit(context, builder, sig, args):
        rest = ir.Constant(_vector(8), ir.Undefined)
        mask = _mask(builder, args[1])
        return _call(builder, "llvm.experimental.vector.compress.v8f64", _vector(8), [args[0], mask, rest])

    return EIGHT(EIGHT, types.int64), emit


@intrinsic
def follow(typing_context, before, value):
    """before[7], value[0] … value[6]: the lanes one place earlier."""

    def emit(context, builder, sig, args):
        return builder.shuffle_vector(*args, ir.Constant(ir.VectorType(_I32, 8), list(range(7, 15))))

    return EIGHT(EIGHT, EIGHT), emit


@intrinsic
def pick(typing_context, value, places):
    """value[p_0] … value[p_7], where p_k is byte k of `places`, 0…7."""

    def emit(context, builder, sig, args):
        value, places = args
        places = builder.zext(builder.bitcast(places, ir.VectorType(_I8, 8)), ir.VectorType(_I64, 8))
        if "+avx512f" in context.codegen().magic_tuple()[2].split(","):
            return _call(builder, "llvm.x86.avx512.permvar.df.512", _vector(8), [value, places])
        result = ir.Constant(_vector(8), ir.Undefined)
        for lane in range(8):
            lane_index = ir.Constant(_I32, lane)
            taken = builder.extract_element(value, builder.extract_element(places, lane_index))
            result = builder.insert_element(result, taken, lane_index)
        return result

    return EIGHT(EIGHT, types.uint64), emit


def _fold(combine: Any) -> Any:
    """Halves upon halves: (0+4)+(2+6), (1+5)+(3+7)."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        lanes = [builder.extract_element(args[0], ir.Constant(_I32, lane)) for lane in range(8)]
        while len(lanes) > 1:
            half = len(lanes) // 2
            lanes = [combine(builder, lanes[k], lanes[k + half]) for k in range(half)]
        return lanes[0]

    return emit


@intrinsic
def total(typing_context, value):
    """Sum of the lanes, in one order."""
    return types.float64(EIGHT), _fold(lambda builder, a, b: builder.fadd(a, b))


@intrinsic
def lowest(typing_context, value):
    """The least lane."""
    return types.float64(EIGHT), _fold(
        lambda builder, a, b: builder.select(builder.fcmp_ordered("<", a, b), a, b)
    )


@intrinsic
def highest(typing_context, value):
    """The greatest lane."""
    return types.float64(EIGHT), _fold(
        lambda builder, a, b: builder.select(builder.fcmp_ordered(">", a, b), a, b)
    )
