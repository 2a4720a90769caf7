"""Files that lie, are damaged, or try to run something: images, archives, weights, records, recipes, tables.

Each is made from a seed, so that what one of them showed can be made again.
"""

import io
import json
import pickle
import random
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.common.docstrings import docstring
from bench.common.paths import ROOT
from methods.sealed_json import BY_HAND

RAN = "ran"
"""A file of this name in the folder where a command runs says that something of an input was executed."""

_MODES = ("1", "L", "P", "LA", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "I;16", "F")
_FORMATS = {"png": "PNG", "tif": "TIFF", "bmp": "BMP", "jpg": "JPEG", "gif": "GIF", "webp": "WEBP", "ppm": "PPM"}
_NUMBERS = (0, -1, 1e308, 2**63, 2**31, -(2**70), float("nan"), float("inf"), 0.5)
_TEXTS = ("", "os:system", "__import__('os').system('touch ran')", "../../etc/passwd", "\x00", "\u202e", "é" * 99, "-1")
_VALUES: tuple[Any, ...] = (*_NUMBERS, *_TEXTS, None, True, [], {}, [[]], [1, "a"], {"a": {"b": []}})


@dataclass(frozen=True)
class BadFile:
    """A file, and the variable of make on which it is given."""

    path: Path
    variable: str  # DATA, WEIGHTS, METHOD, RECORD, RECIPE (METHOD of train) or CLAIM
    what: str


def bad_files(folder: Path, seed: int) -> Iterator[BadFile]:
    """Write one file after another, without end: each kind in turn, each time otherwise.

    Parameters
    ----------
    folder : Path
        Where they go; whoever is through with one may delete it.
    seed : int
        The same seed gives the same files.
    """
    draw = random.Random(seed)
    number = 0
    while True:
        for variable, makers in KINDS.items():
            for make in makers:
                name, content = make(draw)
                path = folder / f"{number}{name}"
                if isinstance(content, dict):
                    for below, part in content.items():
                        (path / below).parent.mkdir(parents=True, exist_ok=True)
                        (path / below).write_bytes(part)
                else:
                    path.write_bytes(content)
                number += 1
                yield BadFile(path, variable, docstring(make).removeprefix("Make "))


def damaged(content: bytes, draw: random.Random) -> bytes:
    """Return bytes cut, flipped, repeated, overwritten, with a number that lies, or as they are."""
    at = draw.randrange(len(content)) if content else 0
    size = draw.choice((1, 4, 64))
    big = draw.choice(
        (b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x00" * 4, struct.pack("<I", 2**31), struct.pack("<Q", 2**62))
    )
    flipped = bytearray(content)
    for _ in range(draw.choice((1, 3, 30))):
        if flipped:
            flipped[draw.randrange(len(flipped))] ^= 1 << draw.randrange(8)
    early = min(at, draw.randrange(1, 200))
    return draw.choice(
        (
            content[:at],
            bytes(flipped),
            content[:at] + content[at : at + size] * 1000 + content[at:],
            content[:early] + big + content[early + len(big) :],
            content[:at] + bytes(size) + content[at + size :],
            content + content,
            content,
        )
    )


def _picture(draw: random.Random) -> tuple[str, bytes]:
    """Make an image of any mode and format, whole or damaged."""
    from PIL import Image

    while True:
        mode, (ending, kind) = draw.choice(_MODES), draw.choice(list(_FORMATS.items()))
        size = draw.choice(((16, 12), (1, 1), (1, 40), (33, 2)))
        file = io.BytesIO()
        try:
            picture = Image.frombytes("L", size, draw.randbytes(size[0] * size[1])).convert("RGB").convert(mode)
            picture.save(file, kind)
        except (OSError, ValueError, KeyError):
            continue  # a format that has no such mode
        return f".{ending}", damaged(file.getvalue(), draw) if draw.random() < 0.7 else file.getvalue()


def _folder(draw: random.Random) -> tuple[str, dict[str, bytes]]:
    """Make a folder of images of which some are bad, the first one too."""
    names = (draw.choice(("a", "b", "c", "é", "a b", "clean/a", "noisy/a")) for _ in range(3))
    return "", {f"{name}{ending}": content for name in names for ending, content in [_picture(draw)]}


def _png_bomb(draw: random.Random) -> tuple[str, bytes]:
    """Make a PNG file of a few bytes that claims to be large."""
    width, height = draw.choice(((50_000, 50_000), (2**31 - 1, 1), (2**31 - 1, 2**31 - 1), (0, 5), (20_000, 20_000)))
    head = struct.pack(">IIBBBBB", width, height, draw.choice((8, 16, 1, 7)), draw.choice((0, 2, 3, 6, 5)), 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(100_000))), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    return ".png", b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _array(draw: random.Random) -> tuple[str, bytes]:
    """Make a NumPy file whose header lies, runs code, or names an odd type."""
    kind = draw.choice(
        ("'|u1'", "'<f4'", "'|O'", "'<f2'", "'>i8'", "'<c8'", "'|S9'", "[('a','<f4')]", "'<M8[s]'", "None")
    )
    shape = draw.choice(
        ("(12, 16)", "()", "(0, 5)", "(10**9, 10**9)", "(2**62, 4)", "(-1, 4)", "(2, 3, 4, 5, 6)", "(192,)", "'a'")
    )
    text = f"{{'descr': {kind}, 'fortran_order': {draw.choice(('False', 'True', '3'))}, 'shape': {shape}, }}"
    if draw.random() < 0.2:
        text = "__import__('os').system('touch ran')"
    head = text.encode() + b"\n"
    body = pickle.dumps(_Runs()) if "O" in kind else draw.randbytes(192 * draw.choice((1, 4, 8)))
    return ".npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + body


class _Runs:
    """What would touch a file when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, ("__import__('os').system('touch ran')",)


def _archive(draw: random.Random) -> tuple[str, bytes]:
    """Make an archive that climbs, explodes, links, holds a name twice, or is damaged."""
    file, (_, picture) = io.BytesIO(), _picture(draw)
    name = draw.choice(
        ("a.png", "../a.png", "/tmp/a.png", "a/../../b.png", "C:\\a.png", "a\x01.png", "x" * 300 + ".png")
    )
    if draw.random() < 0.5:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
            made.writestr("first.png", picture)
            made.writestr(name, bytes(4_000_000) if draw.random() < 0.3 else picture)
        return ".zip", damaged(file.getvalue(), draw) if draw.random() < 0.5 else file.getvalue()
    ending = draw.choice((".tar", ".tar.gz"))
    with tarfile.open(fileobj=file, mode="w:gz" if ending == ".tar.gz" else "w") as made_tar:
        for number, own in enumerate((name, "b.png", "b.png")):
            member = tarfile.TarInfo(own)
            member.size = len(picture)
            if number == 1:
                member.type, member.linkname = draw.choice(
                    ((tarfile.SYMTYPE, "/etc/passwd"), (tarfile.LNKTYPE, name), (tarfile.CHRTYPE, ""), (b"0", ""))
                )
                member.size = 0
            made_tar.addfile(member, io.BytesIO(picture))
    return ending, damaged(file.getvalue(), draw) if draw.random() < 0.5 else file.getvalue()


def _matlab(draw: random.Random) -> tuple[str, bytes]:
    """Make a MATLAB file, damaged."""
    import numpy as np
    from scipy.io import savemat

    file = io.BytesIO()
    values = np.frombuffer(draw.randbytes(192), np.uint8).reshape(12, 16)
    savemat(file, {"net": {"layers": values}, "x": values}, do_compression=draw.random() < 0.5)
    return ".mat", damaged(file.getvalue(), draw)


def _pickled(draw: random.Random) -> tuple[str, bytes]:
    """Make a checkpoint that runs code when it is unpickled, or a whole one that is damaged."""
    import torch

    if draw.random() < 0.3:
        return draw.choice((".pth", ".pt", ".ckpt")), pickle.dumps(_Runs(), draw.choice((0, 2, 4)))
    file = io.BytesIO()
    held: Any = {f"model.{n}.weight": torch.zeros(4, 4 if n else 1, 3, 3) for n in (0, 2, 4)}
    if draw.random() < 0.3:
        held = draw.choice((held["model.0.weight"], [held], {"state_dict": 5}, {1: 2}, {"a": {}}, None, "text", {}))
    torch.save(held, file, _use_new_zipfile_serialization=draw.random() < 0.7)
    return ".pth", damaged(file.getvalue(), draw)


def _safetensors(draw: random.Random) -> tuple[str, bytes]:
    """Make a safetensors file whose header lies."""
    shape, kind = (
        draw.choice(([4, 1, 3, 3], [2**40, 2**40], [-1], [], "a")),
        draw.choice(("F32", "F64", "I64", "X9", 5)),
    )
    held = {
        "model.0.weight": {"dtype": kind, "shape": shape, "data_offsets": draw.choice(([0, 144], [0, 2**60], [9, 1]))}
    }
    head = json.dumps(draw.choice((held, {"__metadata__": 5, **held}, [], {"a": 1}))).encode()
    length = draw.choice((len(head), 2**60, 0, len(head) - 1, 2**64 - 1))
    return ".safetensors", struct.pack("<Q", length) + head + bytes(144)


def _zipped_arrays(draw: random.Random) -> tuple[str, bytes]:
    """Make an npz file that holds arrays whose headers lie."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr(draw.choice(("x.npy", "../x.npy", "x")), _array(draw)[1])
    return ".npz", damaged(file.getvalue(), draw)


def _onnx(draw: random.Random) -> tuple[str, bytes]:
    """Make an ONNX model that reads files outside its folder, loops, or is damaged."""
    from onnx import TensorProto, helper

    weight = helper.make_tensor("w", TensorProto.FLOAT, [1, 1, 1, 1], [1.0])
    if draw.random() < 0.4:
        weight.ClearField("float_data")
        weight.data_location = TensorProto.EXTERNAL
        location = draw.choice(("/etc/passwd", "../../../../etc/passwd", "nowhere", "", "/dev/zero"))
        for key, value in (("location", location), ("offset", "0"), ("length", draw.choice(("4", "-1", str(2**60))))):
            entry = weight.external_data.add()
            entry.key, entry.value = key, value
    size: Any = draw.choice((["b", 1, "h", "w"], ["b", 1, 2**40, 2**40], [], [1, 9, 4, 4], ["b", -1, "h", "w"]))
    about = [helper.make_tensor_value_info(name, TensorProto.FLOAT, size) for name in ("x", "y")]
    node = helper.make_node(draw.choice(("Conv", "Conv", "NoSuchNode", "Expand")), ["x", "w"], ["y"])
    graph = helper.make_graph([node], "g", about[:1], about[1:], [weight])
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]).SerializeToString()
    return ".onnx", damaged(content, draw)


def _tflite(draw: random.Random) -> tuple[str, bytes]:
    """Make bytes that begin as a TensorFlow Lite model does."""
    return ".tflite", struct.pack("<I", draw.choice((8, 2**31, 0))) + b"TFL3" + draw.randbytes(draw.choice((0, 9, 900)))


def _record(draw: random.Random) -> tuple[str, bytes]:
    """Make a training record in which a value is another one, or that is damaged."""
    source = draw.choice(sorted((ROOT / "methods" / "weights").glob("*.json")))
    content = json.loads(source.read_text(encoding="utf-8"))
    content.get("recipe", content).update(images="builtin")
    content["checksum"] = BY_HAND  # another one would refuse it before anything else is looked at
    return ".json", _changed(content, draw, lambda value: json.dumps(value, indent=1))


def _recipe(draw: random.Random) -> tuple[str, bytes]:
    """Make a recipe in which a value is another one, or that is damaged."""
    import tomllib

    source = draw.choice(sorted((ROOT / "methods" / "recipes").glob("*.toml")))
    content = tomllib.loads(source.read_text(encoding="utf-8")) | {"images": "builtin"}
    return ".toml", _changed(content, draw, _toml)


def _changed(content: dict[str, Any], draw: random.Random, text: Callable[[Any], str]) -> bytes:
    """Return a table as a text, with one value changed in it, a name more or less, or damage, or nested without end."""
    if draw.random() < 0.1:
        return draw.choice(
            (b"[" * 100_000, b'{"a":' * 100_000, b"x = " + b"[" * 100_000, b"\xff\xfe", b"5", b"null", b"")
        )
    place: Any = content
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw.choice(keys)
        if not (isinstance(place[key], dict | list) and place[key] and draw.random() < 0.7):
            break
        place = place[key]
    if draw.random() < 0.2 and isinstance(place, dict):
        del place[key]
    else:
        place[key] = draw.choice(_VALUES)
    if draw.random() < 0.1 and isinstance(place, dict):
        place[draw.choice(_TEXTS)] = draw.choice(_VALUES)
    written = text(content).encode()
    return damaged(written, draw) if draw.random() < 0.2 else written


def _toml(value: Any, above: str = "") -> str:
    """Return a table as TOML."""
    if not isinstance(value, dict):
        return "" if value is None else json.dumps(value).replace("NaN", "nan").replace("Infinity", "inf")
    plain = {key: one for key, one in value.items() if not isinstance(one, dict) and one is not None}
    lines = [f"{json.dumps(key)} = {_toml(one)}" for key, one in plain.items()]
    for key, one in value.items():
        if isinstance(one, dict):
            lines += ["", f"[{above}{json.dumps(key)}]", _toml(one, f"{above}{json.dumps(key)}.")]
    return "\n".join(lines)


def _claim(draw: random.Random) -> tuple[str, bytes]:
    """Make a table of claims that lies."""
    names = ["method", "variant", "dataset", "degradation", "metric", "value", "protocol"]
    draw.shuffle(names)
    names = names[: draw.randrange(1, len(names) + 1)]
    rows = [[str(draw.choice((*_VALUES, "psnr", "median", "25", "30.5"))) for _ in names] for _ in range(3)]
    text = "\n".join(",".join(row) for row in [names, *rows])
    return ".csv", damaged(text.encode(errors="replace"), draw)


def _pairs(draw: random.Random) -> tuple[str, bytes]:
    """Make a table of pairs of images that leads elsewhere."""
    places = ("/etc/passwd", "../a.png", "a.png", "/dev/zero", "", "\x00", "~", "x" * 5000)
    rows = [f"{draw.choice(places)},{draw.choice(places)}" for _ in range(3)]
    return ".csv", damaged("\n".join(["clean,noisy", *rows]).encode(), draw)


KINDS: dict[str, tuple[Callable[[random.Random], tuple[str, Any]], ...]] = {
    "DATA": (_picture, _folder, _png_bomb, _array, _archive, _matlab, _pairs),
    "WEIGHTS": (_pickled, _safetensors, _matlab, _zipped_arrays, _onnx, _tflite),
    "METHOD": (_onnx, _tflite),
    "RECORD": (_record,),
    "RECIPE": (_recipe,),
    "CLAIM": (_claim,),
}
"""What is made for each variable."""
