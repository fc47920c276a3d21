"""Reads tensors from files that `torch.save` wrote before PyTorch 1.6, without PyTorch.

Such a file is a run of pickles with the values of the tensors behind them. A pickle is a program
that may call anything. Here its instructions are taken one by one and only those that build texts,
numbers, containers and tensors are followed; nothing is imported and nothing is called.
"""

import pickletools
import struct
from typing import NamedTuple

import numpy as np

_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_STORAGES = {
    "torch FloatStorage": np.float32,
    "torch HalfStorage": np.float16,
    "torch LongStorage": np.int64,
}
_DICT, _TENSOR = "collections OrderedDict", "torch._utils _rebuild_tensor_v2"
_NAMES = (_DICT, _TENSOR, *_STORAGES)
_LONGEST = 10_000_000  # instructions of one pickle


class _Storage(NamedTuple):
    """Values that follow the pickles: how they are stored and under which key."""

    dtype: type
    key: str


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
      The tensors by their names, as arrays of the stored dtype.

    Raises:
      ValueError: the file is none of that kind, is truncated, or holds anything but tensors.
    """
    with open(path, "rb") as stream:
        try:
            magic, protocol, _, state, keys = (_value(stream) for _ in range(5))
            if magic != _MAGIC or protocol != _PROTOCOL:
                raise ValueError("it has another signature")
            values = _storages(stream, state, keys)
            return {str(name): _array(tensor, values) for name, tensor in state.items()}
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, struct.error) as error:
            raise ValueError(
                f"{path} must hold the tensors of a network as PyTorch saved them before version "
                f"1.6, complete and nothing else: {error}"
            ) from error


def _storages(stream, state, keys) -> dict[str, np.ndarray]:
    """The values of every storage: for each key how many there are, then they themselves."""
    dtypes = {tensor.storage.key: tensor.storage.dtype for tensor in state.values()}
    values = {}
    for key in keys:
        (count,) = struct.unpack("<q", stream.read(8))
        dtype = np.dtype(dtypes[key]).newbyteorder("<")
        content = stream.read(count * dtype.itemsize)
        values[key] = np.frombuffer(content, dtype, count)
    return values


def _array(tensor, values) -> np.ndarray:
    stored = values[tensor.storage.key]
    steps = [(size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides)]
    if min((tensor.offset, *tensor.shape, *tensor.strides)) < 0:
        raise ValueError("a tensor has a negative size or stride")
    if tensor.offset + sum(steps) >= len(stored):
        raise ValueError("a tensor reaches beyond its values")
    places = np.full(tensor.shape, tensor.offset)
    for axis, (size, stride) in enumerate(zip(tensor.shape, tensor.strides)):
        along = [1] * len(tensor.shape)
        along[axis] = size
        places += np.reshape(stride * np.arange(size), along)
    return stored[places].astype(stored.dtype.newbyteorder("="))


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
        if count > _LONGEST:
            raise ValueError("a pickle does not end")
        if name == "STOP":
            return stack.pop()
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
        elif name in _SIZES:
            taken = stack[-_SIZES[name] :]
            del stack[-_SIZES[name] :]
            stack.append(tuple(taken))
        elif name == "APPENDS":
            taken = after_mark()
            stack[-1].extend(taken)
        elif name in ("SETITEM", "SETITEMS"):
            taken = after_mark() if name == "SETITEMS" else [stack.pop(-2), stack.pop()]
            stack[-1].update(zip(taken[::2], taken[1::2]))
        elif name == "GLOBAL":
            if argument not in _NAMES:
                raise ValueError(f"it would import {argument}")
            stack.append(_Name(argument))
        elif name == "BINPERSID":
            _, kind, key, *_ = stack.pop()
            stack.append(_Storage(_STORAGES[kind], key))
        elif name == "REDUCE":
            arguments = stack.pop()
            stack.append(_built(stack.pop(), arguments))
        elif name == "BUILD":
            stack.pop()  # versions of the layers, which say nothing of their values
        elif name != "PROTO":
            raise ValueError(f"it has the instruction {name}")
    raise ValueError("it ends too early")


def _built(name, arguments):
    if name == _DICT and isinstance(name, _Name) and not arguments:
        return {}
    if name == _TENSOR and isinstance(name, _Name) and isinstance(arguments[0], _Storage):
        return _Tensor(*arguments[:4])
    raise ValueError(f"it would call {name}")


_CONSTANTS = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
}
_SIZES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
