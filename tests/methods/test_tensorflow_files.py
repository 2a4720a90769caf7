import io
import json
import struct
import zipfile

import h5py
import numpy as np
import pytest

from bench.common.files import fetch
from methods import available, tensorflow_files
from methods.tensorflow_files import crc32c, keras_archive, masked, tensor_bundle

RNG = np.random.default_rng(0)
ARRAYS = {
    "layer/kernel": RNG.standard_normal((3, 3, 2, 4)).astype(np.float32),
    "layer_1/kernel": RNG.standard_normal((1, 1, 4, 2)).astype(np.float32),
    "layer_1/gamma": RNG.standard_normal(4),
    "step": np.array(7, np.int64),
}
NUMBERS = {np.dtype(np.float32): 1, np.dtype(np.float64): 2, np.dtype(np.int64): 9}


def seal(content: bytes) -> bytes:
    """Return the checksum that LevelDB stores: rotated right by 15 bits, plus a constant."""
    bits = f"{crc32c(content):032b}"
    return ((int(bits[-15:] + bits[:-15], 2) + 0xA282EAD8) % 2**32).to_bytes(4, "little")


def varint(number: int) -> bytes:
    groups = []
    while True:
        groups.append(number % 128)
        number //= 128
        if not number:
            return bytes([*(group + 128 for group in groups[:-1]), groups[-1]])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number * 8) + varint(value)
    return varint(number * 8 + 2) + varint(len(value)) + value


def block(entries: list[tuple[bytes, bytes]], kind: bytes = b"\0") -> bytes:
    """Write a block of a LevelDB table, every key but the first as what differs from the one before."""
    content, last = b"", b""
    for key, value in entries:
        shared = next((i for i, (a, b) in enumerate(zip(key, last, strict=False)) if a != b), min(len(key), len(last)))
        content += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    content += struct.pack("<II", 0, 1) + kind
    return content + seal(content)


def save_bundle(folder, header: bytes = b"", kind: bytes = b"\0", named: bool = True):
    """Write a checkpoint as TensorFlow does: data, and a table of two blocks with keys of the object graph."""
    data, entries = b"", {b"": field(1, 1) + header}
    graph = b""
    for number, (name, array) in enumerate(ARRAYS.items()):
        key = f"net/{number}/.ATTRIBUTES/VARIABLE_VALUE"
        shape = b"".join(field(2, field(1, side)) for side in array.shape)
        content = array.tobytes()
        entries[key.encode()] = (
            field(1, NUMBERS[array.dtype])
            + field(2, shape)
            + field(4, len(data))
            + field(5, len(content))
            + varint(6 * 8 + 5)
            + seal(content)
        )
        data += content
        attribute = field(1, b"VARIABLE_VALUE") + field(2, name.encode()) + field(3, key.encode())
        graph += field(1, field(1, field(1, number)) + field(2, attribute))
    if named:
        lengths = struct.pack("<I", len(graph))
        text = varint(len(graph)) + seal(lengths) + graph
        entries[b"_CHECKPOINTABLE_OBJECT_GRAPH"] = (
            field(1, 7)
            + field(4, len(data))
            + field(5, len(text))
            + varint(6 * 8 + 5)
            + seal(lengths + seal(lengths) + graph)
        )
        data += text
    items = sorted(entries.items())
    first, second = block(items[:3], kind), block(items[3:], kind)
    table = first + second
    meta = block([])
    handles = [varint(0) + varint(len(first) - 5), varint(len(first)) + varint(len(second) - 5)]
    index = block([(items[2][0], handles[0]), (items[-1][0], handles[1])])
    footer = varint(len(table)) + varint(len(meta) - 5) + varint(len(table + meta)) + varint(len(index) - 5)
    table += meta + index + footer.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)
    path = folder / "variables.index"
    path.write_bytes(table)
    (folder / "variables.data-00000-of-00001").write_bytes(data)
    return path


def save_archive(path, config: str = '{"class_name": "Functional"}'):
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        top = "_layer_checkpoint_dependencies"
        file[f"{top}/net/{top}/conv/vars/0"] = ARRAYS["layer/kernel"]
        file["optimizer/vars/0"] = np.ones(3)
        file[f"{top}/net/names"] = "a text"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", config)
        archive.writestr("model.weights.h5", content.getvalue())
    return path


def test_checksums_of_the_standard():
    """RFC 3720, B.4: 32 bytes of 0, of 255, and 0 to 31."""
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
    assert crc32c(b"56789", crc32c(b"1234")) == crc32c(b"123456789")
    assert masked(crc32c(b"abc")).to_bytes(4, "little") == seal(b"abc")


def test_variables_come_by_name_with_their_shapes(tmp_path):
    found = tensor_bundle(save_bundle(tmp_path))
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array)


def test_without_an_object_graph_the_keys_are_the_names(tmp_path):
    found = tensor_bundle(save_bundle(tmp_path, named=False))
    assert np.array_equal(found["net/1/.ATTRIBUTES/VARIABLE_VALUE"], ARRAYS["layer_1/kernel"])


def one_line(call, path) -> str:
    with pytest.raises(ValueError, match=f"^weights {path}: no readable") as caught:
        call(path)
    (line,) = str(caught.value).splitlines()
    assert "fetch" in line
    return line


@pytest.mark.parametrize("part", ["variables.index", "variables.data-00000-of-00001"])
def test_every_damaged_byte_of_a_checkpoint_is_noticed(tmp_path, part):
    index = save_bundle(tmp_path)
    whole = (tmp_path / part).read_bytes()
    padded = range(len(whole) - 48, len(whole) - 8)  # the footer's handles are followed by zeros that nobody reads
    for place in [*range(0, len(whole), 7), len(whole) - 1]:
        if part == "variables.index" and place in padded:
            continue
        broken = bytearray(whole)
        broken[place] ^= 0x10
        (tmp_path / part).write_bytes(broken)
        one_line(tensor_bundle, index)
    for length in (0, 5, 47, len(whole) // 2, len(whole) - 1):
        (tmp_path / part).write_bytes(whole[:length])
        one_line(tensor_bundle, index)


def test_random_bytes_never_raise_anything_else(tmp_path):
    index = save_bundle(tmp_path)
    magic = index.read_bytes()[-8:]
    for _ in range(200):
        index.write_bytes(RNG.bytes(int(RNG.integers(40, 300))) + magic)
        one_line(tensor_bundle, index)


def test_variants_of_the_format_that_are_not_read(tmp_path):
    assert "big-endian" in one_line(tensor_bundle, save_bundle(tmp_path, header=field(2, 1)))
    assert "compressed" in one_line(tensor_bundle, save_bundle(tmp_path, kind=b"\1"))
    index = save_bundle(tmp_path)
    (tmp_path / "variables.data-00000-of-00001").unlink()
    assert "variables.data-00000-of-00001" in one_line(tensor_bundle, index)


def test_an_archive_gives_its_arrays_and_nothing_of_the_optimiser(tmp_path):
    config, found = keras_archive(save_archive(tmp_path / "net.keras"))
    assert config == {"class_name": "Functional"}
    assert list(found) == ["net/conv/vars/0"]
    assert np.array_equal(found["net/conv/vars/0"], ARRAYS["layer/kernel"])


def test_archives_that_are_damaged(tmp_path):
    path = save_archive(tmp_path / "net.keras")
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"no archive", whole[:60] + b"\xff" * 9 + whole[69:]):
        path.write_bytes(content)
        one_line(keras_archive, path)
    for config in ("[1, 2]", "{", "[" * 100_000):
        one_line(keras_archive, save_archive(path, config))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({}))
    assert "model.weights.h5" in one_line(keras_archive, path)


def test_an_archive_that_claims_too_much_is_not_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "net.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", bytes(1_000_000))
    monkeypatch.setattr(tensorflow_files, "MOST_BYTES", 100_000)
    assert "claims to be 1000000 bytes" in one_line(keras_archive, path)
    # An array that was never written takes no space in its file.
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.create_dataset("huge", (10**6, 10**6), "f4", chunks=(10, 10))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", content.getvalue())
    assert "claim more than" in one_line(keras_archive, path)


def test_arrays_in_other_files_are_not_read(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(16))
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = np.ones(3)
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file["linked"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "x")
    path = tmp_path / "net.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", content.getvalue())
    assert keras_archive(path)[1] == {}
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file.create_dataset("raw", (4,), "f4", external=[(str(secret), 0, 16)])
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
        archive.write(tmp_path / "weights.h5", "model.weights.h5")
    assert "lie in other files" in one_line(keras_archive, path)


@pytest.mark.usefixtures("published_files")
def test_the_released_files_hold_the_numbers_that_their_author_states():
    def fetched(name):
        (net,) = available()[name].nets
        return fetch("weights", name, [net.weights, *net.weights.beside])[0]

    variables = tensor_bundle(fetched("bfcnn-resnet-1x6"))
    assert sum(array.size for array in variables.values()) == 35_651
    assert variables["conv2d/kernel"].shape == (7, 7, 3, 16)
    _, arrays = keras_archive(fetched("bfcnn-unet"))
    assert sum(array.size for array in arrays.values()) == 334_976
