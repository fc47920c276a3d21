"""Files of PyTorch before version 1.6, written here instruction by instruction, and damaged."""

import math
import pickle
import random
import struct
import zipfile

import numpy as np
import pytest

from builders.torch_file import read_tensors

MAGIC = 0x1950A86A20F9469CFC6C
FLOAT, HALF, LONG = b"torch\nFloatStorage\n", b"torch\nHalfStorage\n", b"torch\nLongStorage\n"
BEGIN = pickle.PROTO + b"\x02"
NEW_DICT = pickle.GLOBAL + b"collections\nOrderedDict\n" + pickle.EMPTY_TUPLE + pickle.REDUCE
REBUILD = pickle.GLOBAL + b"torch._utils\n_rebuild_tensor_v2\n"
RUN = pickle.GLOBAL + b"os\nsystem\n" + pickle.MARK
VALUES = np.arange(12, dtype=np.float32)


def text(value: str) -> bytes:
    content = value.encode()
    return pickle.BINUNICODE + struct.pack("<I", len(content)) + content


def whole(value: int) -> bytes:
    content = value.to_bytes(10, "little", signed=True)
    return pickle.LONG1 + bytes([len(content)]) + content


def several(*parts: bytes) -> bytes:
    return pickle.MARK + b"".join(parts) + pickle.TUPLE


def storage(key="0", count=12, kind=FLOAT) -> bytes:
    kind = pickle.GLOBAL + kind
    parts = text("storage"), kind, text(key), text("cpu"), whole(count), pickle.NONE
    return several(*parts) + pickle.BINPERSID


def tensor(shape=(3, 4), strides=(4, 1), offset=0, stored=None) -> bytes:
    shape, strides = (several(*map(whole, each)) for each in (shape, strides))
    parts = stored or storage(), whole(offset), shape, strides, pickle.NEWFALSE, NEW_DICT
    return REBUILD + several(*parts) + pickle.REDUCE


def state(**tensors: bytes) -> bytes:
    items = b"".join(text(name) + content for name, content in tensors.items())
    return BEGIN + NEW_DICT + pickle.MARK + items + pickle.SETITEMS + pickle.STOP


def write(path, content: bytes, values=None, *, magic=MAGIC, protocol=1001, counts=None):
    """Writes a file of a state and its values, by their keys."""
    values = {"0": VALUES} if values is None else values
    head = (magic, protocol, {"little_endian": True})
    parts = [*(pickle.dumps(each, 2) for each in head), content, pickle.dumps([*values], 2)]
    for key, array in values.items():
        parts += [struct.pack("<q", (counts or {}).get(key, array.size)), array.tobytes()]
    path.write_bytes(b"".join(parts))
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "network.pth"


def refuse(path, match):
    with pytest.raises(ValueError, match=rf"network\.pth must hold the tensors .*{match}"):
        read_tensors(path)


def test_tensors_of_all_kinds(path):
    halves, steps = np.array([0.5, -2], np.float16), np.array([2**40], np.int64)
    content = state(
        whole=tensor(),
        transposed=tensor((4, 3), (1, 4)),
        part=tensor((2, 2), (4, 1), offset=5),
        halves=tensor((2,), (1,), stored=storage("1", 2, HALF)),
        steps=tensor((), (), stored=storage("2", 1, LONG)),
    )
    found = read_tensors(write(path, content, {"0": VALUES, "1": halves, "2": steps}))
    grid = VALUES.reshape(3, 4)
    expected = {
        "whole": grid,
        "transposed": grid.T,
        "part": grid[1:, 1:3],
        "halves": halves,
        "steps": steps[0],
    }
    assert list(found) == list(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)
        assert found[name].dtype == values.dtype


def test_versions_of_layers_are_passed_over(path):
    versions = text("_metadata") + pickle.EMPTY_DICT + pickle.BINPUT + b"\x07"
    content = state(a=tensor())[:-1] + pickle.EMPTY_DICT + versions + pickle.SETITEM + pickle.BUILD
    assert list(read_tensors(write(path, content + pickle.STOP))) == ["a"]


@pytest.mark.parametrize(
    "code, match",
    [
        (RUN + text("touch ran") + pickle.TUPLE + pickle.REDUCE, "it would import 'os system'"),
        (pickle.GLOBAL + b"builtins\neval\n" + several(text("open('ran', 'w')")), "builtins eval"),
        (pickle.INST + b"os\nsystem\n", "the instruction INST"),
        (text("os") + text("system") + pickle.STACK_GLOBAL, "the instruction STACK_GLOBAL"),
        (pickle.EXT1 + b"\x01", "the instruction EXT1"),
        (pickle.MARK + pickle.BINFLOAT + bytes(8), "the instruction BINFLOAT"),
        (pickle.GLOBAL + FLOAT + pickle.EMPTY_TUPLE + pickle.REDUCE, "call something other"),
        (text(REBUILD.decode()) + several(storage()) + pickle.REDUCE, "call something other"),
        (b"\xff", "opcode b'.xff' unknown"),
        (pickle.BINGET + b"\x09", "9"),
        (pickle.POP, "POP"),
        (pickle.TUPLE3, "pop from empty"),
        (pickle.APPENDS, "pop from empty"),
        (text("4 GB")[:1] + b"\xff\xff\xff\xff", "expected 4294967295 bytes"),
        (pickle.BINUNICODE8 + b"\xff" * 7 + b"\x7f", "expected 9223372036854775807 bytes"),
        (pickle.NONE * 300_000, "does not end"),
        (pickle.EMPTY_DICT + text("a") + whole(1) + pickle.SETITEM + pickle.STOP, "other than a t"),
        (pickle.EMPTY_TUPLE + pickle.STOP, "no attribute"),
        (pickle.EMPTY_DICT + several(text("a")) + whole(1) + b"s", "a name is no text"),
    ],
)
def test_nothing_is_run(code, match, path, monkeypatch):
    monkeypatch.chdir(path.parent)
    refuse(write(path, BEGIN + code), match)
    assert not (path.parent / "ran").exists()


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"offset": 1}, "beyond its values"),
        ({"shape": (3, 5)}, "larger than its values"),
        ({"strides": (5, 1)}, "beyond its values"),
        ({"shape": (3,), "strides": (2**62,)}, "beyond its values"),
        ({"shape": (2**60,), "strides": (0,)}, "larger than its values"),
        ({"shape": (1,), "strides": (2**64,)}, "exceeded|too large"),
        ({"shape": (0,), "strides": (1,)}, "empty"),
        ({"strides": (-4, 1)}, "below 0"),
        ({"offset": -1}, "below 0"),
        ({"shape": (-3, -4)}, "below 0"),
        ({"strides": (1,)}, "too few strides"),
        ({"shape": (1,) * 30_000, "strides": (1,) * 30_000}, "axes"),
        ({"shape": (2,) * 9, "strides": (0,) * 9}, "too many axes"),
        ({"stored": storage(count=11)}, "another number of values"),
        ({"stored": storage(key="1")}, "'0'"),
        ({"stored": text("0")}, "call something other"),
        ({"stored": storage()[:-2] + text("view") + b"tQ"}, "other than values of a tensor"),
        ({"stored": storage(kind=b"os\nsystem\n")}, "would import 'os system'"),
    ],
)
def test_tensors_that_are_none(arguments, match, path):
    refuse(write(path, state(a=tensor(**arguments))), match)


@pytest.mark.parametrize("count", [-1, 2**40, 2**62])
def test_counts_that_are_none(count, path):
    refuse(write(path, state(a=tensor()), counts={"0": count}), "another number of values")
    content = state(a=tensor(stored=storage(count=count)))
    refuse(write(path, content, counts={"0": count}), "another number|too early|cannot fit")


def test_tuples_that_grow_by_doubling_are_not_compared(path):
    """Each holds the one before twice: to hash the last would take 2**60 steps."""
    doubled = pickle.EMPTY_TUPLE + (pickle.BINPUT + b"\x00" + pickle.BINGET + b"\x00\x86") * 60
    named = pickle.EMPTY_DICT + doubled + whole(1) + pickle.SETITEM + pickle.STOP
    refuse(write(path, BEGIN + named), "a name is no text")
    refuse(write(path, BEGIN + doubled + pickle.EMPTY_TUPLE + pickle.REDUCE), "call something")
    refuse(write(path, BEGIN + doubled + pickle.BINPERSID), "other than values")


def test_other_files(path):
    refuse(write(path, state(a=tensor()), magic=MAGIC + 1), "another signature")
    refuse(write(path, state(a=tensor()), protocol=1002), "another signature")
    path.write_bytes(b"")
    refuse(path, "exhausted")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    refuse(path, "later version.*_use_new_zipfile_serialization=False")
    path.write_bytes(write(path, state(a=tensor())).read_bytes() + b"\x00")
    refuse(path, "something follows")


def test_truncated_files(path):
    content = write(path, state(a=tensor())).read_bytes()
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        refuse(path, "")


def test_damaged_files_are_read_or_refused(path):
    half = tensor((2,), (1,), stored=storage("1", 2, HALF))
    values = {"0": VALUES, "1": np.ones(2, np.float16)}
    content = write(path, state(a=tensor(), b=half), values).read_bytes()
    draw = random.Random(0)
    for _ in range(300):
        damaged = bytearray(content)
        for _ in range(draw.choice((1, 1, 2, 8))):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        path.write_bytes(damaged)
        try:
            found = read_tensors(path)
        except ValueError:
            continue
        assert sum(math.prod(array.shape) for array in found.values()) <= 14
