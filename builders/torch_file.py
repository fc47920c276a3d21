"""Reads tensors from files that `torch.save` wrote before PyTorch 1.6, without PyTorch.

Such a file is a run of pickles with the values of the tensors behind them. A pickle is a program
that may call anything. Here its instructions are taken one by one and only those that build texts,
numbers, containers and tensors are followed; nothing is imported and nothing is called.
"""

import io
import math
import pathlib
import pickletools
from typing import NamedTuple

import numpy as np

_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_ZIP = b"PK\x03\x04"  # what PyTorch writes since
_STORAGES = {
    "torch FloatStorage": np.dtype("<f4"),
    "torch HalfStorage": np.dtype("<f2"),
    "torch LongStorage": np.dtype("<i8"),
}
_DICT, _TENSOR = "collections OrderedDict", "torch._utils _rebuild_tensor_v2"
_NAMES = (_DICT, _TENSOR, *_STORAGES)
# Networks of a hundred layers need 14,000 instructions and four axes.
_MOST_INSTRUCTIONS, _MOST_AXES = 200_000, 8
_CONSTANTS = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class _Storage(NamedTuple):
    """Values that follow the pickles: how they are stored, under which key, how many."""

    dtype: np.dtype
    key: str
    count: int


class _Tensor(NamedTuple):
    """A view of a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Name(str):
    """The name of what a pickle would import."""


def read_tensors(path) -> dict[str, np.ndarray]:
    """Reads the state of a network, tensor by tensor.

    Args:
      path: a file of `torch.save(network.state_dict())` in the format before PyTorch 1.6.

    Returns:
      The tensors by their names, read-only, as arrays of the stored dtype.

    Raises:
      ValueError: the file is none of that kind, is truncated, or holds anything but tensors.
    """
    content = pathlib.Path(path).read_bytes()
    try:
        return _tensors(content)
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        raise ValueError(
            f"{path} must hold the tensors of a network as PyTorch saved them before version "
            f"1.6, complete and nothing else: {error}"
        ) from error


def _tensors(content: bytes) -> dict[str, np.ndarray]:
    if content.startswith(_ZIP):
        raise ValueError(
            "it is of a later version. Load it with PyTorch and save it by torch.save(state, path, "
            "_use_new_zipfile_serialization=False)"
        )
    stream = io.BytesIO(content)  # reads no more than there is, whatever length a pickle names
    if _value(stream) != _MAGIC or _value(stream) != _PROTOCOL:
        raise ValueError("it has another signature")
    _value(stream)  # sizes of types on the machine that wrote it; values do not depend on them
    state, keys = _value(stream), _value(stream)
    tensors = list(state.values())
    if not all(isinstance(tensor, _Tensor) for tensor in tensors):
        raise ValueError("it has something other than a tensor under a name")
    if not all(isinstance(key, str) for key in keys):  # comparing tuples of tuples may not end
        raise ValueError("a key is no text")
    storages = {tensor.storage.key: tensor.storage for tensor in tensors}
    values = {key: _stored(stream, storages[key]) for key in keys}
    if stream.read(1):
        raise ValueError("something follows the tensors")
    return {name: _array(tensor, values[tensor.storage.key]) for name, tensor in state.items()}


def _stored(stream, storage) -> bytes:
    """Returns the values of a storage: how many there are, then they themselves."""
    count = int.from_bytes(stream.read(8), "little", signed=True)
    if count != storage.count or count < 0:
        raise ValueError("a storage has another number of values than its tensors say")
    content = stream.read(count * storage.dtype.itemsize)
    if len(content) != count * storage.dtype.itemsize:
        raise ValueError("it ends too early")
    return content


def _array(tensor, content: bytes) -> np.ndarray:
    """Returns a view of the values, none of which lies beyond them."""
    size = tensor.storage.dtype.itemsize
    count = len(content) // size
    numbers = (tensor.offset, *tensor.shape, *tensor.strides)
    if not all(isinstance(number, int) and number >= 0 for number in numbers):
        raise ValueError("a tensor has a size, a stride or an offset below 0")
    if len(tensor.shape) != len(tensor.strides) or len(tensor.shape) > _MOST_AXES:
        raise ValueError("a tensor has too many axes, or too few strides")
    if not 0 < math.prod(tensor.shape) <= count:
        raise ValueError("a tensor is empty or larger than its values")
    reach = sum((length - 1) * stride for length, stride in zip(tensor.shape, tensor.strides))
    if tensor.offset + reach >= count:
        raise ValueError("a tensor reaches beyond its values")
    strides = [stride * size for stride in tensor.strides]
    return np.ndarray(tensor.shape, tensor.storage.dtype, content, tensor.offset * size, strides)


def _value(stream):
    """Follows the instructions of one pickle and returns what they build."""
    stack, marks, memo = [], [], {}

    def after_mark():
        start = marks.pop()
        taken = stack[start:]
        del stack[start:]
        return taken

    for count, (instruction, argument, _) in enumerate(pickletools.genops(stream)):
        name = instruction.name
        if count > _MOST_INSTRUCTIONS:
            raise ValueError("a pickle does not end")
        if name == "STOP":
            break
        if name == "MARK":
            marks.append(len(stack))
        elif name in ("BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1"):
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name]())
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "TUPLE":
            stack.append(tuple(after_mark()))
        elif name in _TUPLES:
            taken = [stack.pop() for _ in range(_TUPLES[name])]
            stack.append(tuple(reversed(taken)))
        elif name in ("APPEND", "APPENDS"):
            taken = after_mark() if name == "APPENDS" else [stack.pop()]
            stack[-1].extend(taken)
        elif name in ("SETITEM", "SETITEMS"):
            taken = after_mark() if name == "SETITEMS" else [stack.pop(-2), stack.pop()]
            if not all(isinstance(key, str) for key in taken[::2]):
                raise ValueError("a name is no text")
            stack[-1].update(zip(taken[::2], taken[1::2], strict=True))
        elif name == "GLOBAL":
            if argument not in _NAMES:
                raise ValueError(f"it would import {argument[:80]!r}")
            stack.append(_Name(argument))
        elif name == "BINPERSID":
            stack.append(_storage(stack.pop()))
        elif name == "REDUCE":
            arguments = stack.pop()
            stack.append(_built(stack.pop(), arguments))
        elif name == "BUILD":
            stack.pop()  # versions of the layers, which say nothing of their values
        elif name != "PROTO":
            raise ValueError(f"it has the instruction {name}")
    return stack.pop()


def _storage(reference):
    match reference:
        case ("storage", _Name() as kind, str(key), _, int(count), None) if kind in _STORAGES:
            return _Storage(_STORAGES[kind], key, count)
    raise ValueError("it refers to something other than values of a tensor")


def _built(name, arguments):
    match name, arguments:
        case _Name(), () if name == _DICT:
            return {}
        case _Name(), (_Storage() as storage, int(offset), tuple(shape), tuple(strides), *_) if (
            name == _TENSOR
        ):
            return _Tensor(storage, offset, shape, strides)
    raise ValueError("it would call something other than what builds a tensor")
