"""Pickles of arrays are read; nothing else is, and nothing in a file is run."""

import os
import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mpc.core.errors import InputError
from mpc.formats.array_pickle import read_arrays, read_saved_object

KINDS = [
    f"{order}{kind}" for order in "<>" for kind in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")
]


@settings(max_examples=60, deadline=None)
@given(data=st.data(), protocol=st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_arrays_come_back_as_they_were(tmp_path_factory, data, protocol):
    kind = data.draw(st.sampled_from([*KINDS, "?"]))
    array = data.draw(arrays.arrays(kind, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)))
    if data.draw(st.booleans()):
        array = np.asfortranarray(array)
    path = tmp_path_factory.mktemp("p") / "a.pkl"
    path.write_bytes(pickle.dumps({"a": array, "b": [1, 2.5, "c", None, array]}, protocol))
    found = read_arrays(path)
    assert found["a"].dtype == array.dtype
    assert found["a"].shape == array.shape
    assert found["a"].tobytes() == array.tobytes()
    assert found["b"][:4] == [1, 2.5, "c", None]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_object_saved_by_numpy_comes_back(tmp_path, protocol):
    content = {"R": np.eye(3), "scale": np.float64(1.5), "names": ["a", 2]}
    whole = tmp_path / "a.npy"
    np.save(whole, np.array(content, object), allow_pickle=True)
    header = whole.read_bytes()
    header = header[: 10 + int.from_bytes(header[8:10], "little")]
    (tmp_path / "b.npy").write_bytes(header + pickle.dumps(np.array(content, object), protocol))
    for path in (whole, tmp_path / "b.npy"):
        found = read_saved_object(path)
        assert np.array_equal(found["R"], np.eye(3))
        assert found["scale"] == 1.5
        assert found["names"] == ["a", 2]


def test_a_saved_array_or_several_saved_objects_are_refused(tmp_path):
    np.save(tmp_path / "numbers.npy", np.zeros(3))
    np.save(tmp_path / "several.npy", np.array([{}, []], object), allow_pickle=True)
    for name in ("numbers", "several"):
        with pytest.raises(InputError, match=f"{name}.*expected one pickled object"):
            read_saved_object(tmp_path / f"{name}.npy")


class Evil:
    def __reduce__(self):
        return os.mkdir, (self.where,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_nothing_is_run(tmp_path, protocol):
    evil = Evil()
    evil.where = str(tmp_path / "made")
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps({"vertices": np.zeros((2, 3)), "faces": evil}, protocol))
    with pytest.raises(InputError, match=r"more than arrays.*mkdir"):
        read_arrays(path)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "value",
    [np.array([{}, []], object), np.array(["text"]), np.zeros(2, "datetime64[s]"), {1, 2}, np.zeros(1, "f4,i4"), 1j],
    ids=["objects", "text", "dates", "set", "records", "complex"],
)
def test_other_values_are_refused(tmp_path, value):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(value))
    with pytest.raises(InputError, match=r"a\.pkl"):
        read_arrays(path)


def call(name: bytes, arguments: bytes) -> bytes:
    module, _, member = name.rpartition(b".")
    return b"c" + module + b"\n" + member + b"\n" + arguments + b"R."


BIG = b"\x8a\x08" + (1 << 40).to_bytes(8, "little")  # LONG1
HARMLESS = {
    "a frame of a terabyte": b"\x80\x04\x95" + (1 << 40).to_bytes(8, "little") + b"N.",
    "memo slot four billion": b"Nr\xff\xff\xff\xff0Nr\xfe\xff\xff\xff.",
}
HOSTILE = {
    "an ndarray of a terabyte": call(b"numpy.ndarray", b"(" + BIG + b"t\x85"),
    "a dtype of a gigabyte": call(b"numpy.dtype", b"X\x0b\0\0\0V1000000000\x85"),
    "bytes of a terabyte": b"\x80\x04\x8e" + (1 << 40).to_bytes(8, "little") + b"x.",
    "a bytearray of a terabyte": b"\x80\x05\x96" + (1 << 40).to_bytes(8, "little") + b"x.",
    "an array by its shape alone": call(b"numpy.core.multiarray._reconstruct", b"N" + b"(" + BIG + b"tN\x87"),
    "a list in itself": b"]q\0h\0a.",
    "billions of laughs": b"]q\0" + b"".join(b"](" + b"h%c" % i * 10 + b"eq%c" % (i + 1) for i in range(20)) + b".",
    "instances by the old opcode": b"(ios\nsystem\n.",
    "an object by the old opcode": b"(cos\nsystem\no.",
    "a new object": b"cnumpy\ndtype\nX\x02\0\0\0f4\x85\x81.",
    "an extension": b"\x82\x01.",
    "a persistent id": b"Pfile\n.",
    "state of a function": b"c_codecs\nencode\n}X\x01\0\0\0aNsb.",
    "state of a class": b"cnumpy\ndtype\nN}X\x01\0\0\0aNs\x86b.",
    "calling a number": b"I1\n)R.",
    "an empty stack": b"R.",
    "no end": b"N",
    "not a pickle": b"ply\nformat ascii 1.0\n",
}  # fmt: skip


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_hostile_pickles_are_refused_and_cost_nothing(tmp_path, content):
    path = tmp_path / "a.pkl"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"a\.pkl"):
            read_arrays(path)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("content", HARMLESS.values(), ids=HARMLESS)
def test_numbers_in_the_file_reserve_nothing(tmp_path, content):
    path = tmp_path / "a.pkl"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        assert read_arrays(path) is None
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
