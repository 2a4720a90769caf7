"""Named tensors out of checkpoints as they lie about: safetensors and PyTorch's files, in whatever wrapping.

Nothing that is read is ever executed.
"""

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from methods.formats import is_hdf5


def state_dict(path: Path) -> dict[str, Any]:
    """Read named tensors from a safetensors file or a PyTorch checkpoint.

    A checkpoint is unpickled by `torch.load(weights_only=True)`, which builds tensors, plain containers and NumPy's
    numbers and arrays; of any other class but networks an empty object is made. A dictionary that holds the tensors
    under a usual name (`WRAPPERS`) is opened, however deep, also where they are the only ones of a list: averaged
    weights before others. The prefixes that `DataParallel`, `torch.compile` and Lightning set before names are dropped.
    Of a dictionary of numbered state dicts the tensors are named by the number too: `3.model.0.weight`.

    Raises
    ------
    ValueError
        If the file is truncated, is something else, would execute code, or holds no named tensors.
    """
    return _named(path)[0]


def notes(path: Path) -> tuple[str, ...]:
    """Return a line where a file of weights holds several networks: which one `state_dict` takes."""
    return () if what_else(path) else _named(path)[1]


WRAPPERS = (
    "params_ema", "ema", "model_ema", "ema_model", "state_dict_ema", "ema_state_dict", "state_dict", "model_state_dict",
    "model_state", "params", "model", "net", "network", "net_state_dict", "netG", "generator", "weights", "denoiser",
)  # fmt: skip
"""Names under which checkpoints hold the tensors of the network, those that come first preferred."""

_AVERAGED = re.compile(r"(^|[^a-z])(ema|swa|avg|averaged?)([^a-z]|$)", re.IGNORECASE)
"""How weights that were averaged while a network was trained are named."""


def _named(path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    import torch

    content, remarks = contents(path), []
    lightning = isinstance(content, Mapping) and "pytorch-lightning_version" in content
    while isinstance(content, Mapping | list | tuple):
        if not isinstance(content, Mapping):
            holding = [part for part in content if _holds_tensors(part)]
            if len(holding) != 1:
                break
            content = holding[0]
            continue
        holders = [key for key, part in content.items() if _holds_tensors(part)]
        known = sorted((key for key in holders if key in WRAPPERS), key=WRAPPERS.index)
        averaged = [key for key in holders if _AVERAGED.search(str(key))]
        others = [key for key in holders if key in known and key not in averaged]
        chosen = next(iter([*averaged, *known]), None)
        if chosen is None and len(holders) == 1 and not any(value.ndim > 1 for value in _tensors(content).values()):
            chosen = holders[0]
        if chosen is None:
            break
        if averaged and others:
            remarks.append(f"{chosen} of {path.name} is taken, the averaged weights; it holds {others[0]} too")
        elif elsewhere := _averaged({key: part for key, part in content.items() if key not in (chosen, *averaged)}):
            remarks.append(f"{chosen} of {path.name} is taken; it holds averaged weights too, as {elsewhere}")
        content = content[chosen]
    if isinstance(content, Mapping) and content and all(isinstance(part, Mapping) for part in content.values()):
        content = {f"{number}.{key}": tensor for number, part in content.items() for key, tensor in part.items()}
    tensors = {_unprefixed(str(key)): torch.as_tensor(value) for key, value in _tensors(content).items()}
    if not any(tensor.ndim for tensor in tensors.values()):
        parts = content.values() if isinstance(content, Mapping) else (content,)
        if any(isinstance(part, Opaque) for part in parts):
            raise ValueError(_CODE.format(path))
        raise ValueError(f"weights {path}: holds no named tensors; expected a state dict or safetensors")
    tensors.pop("n_averaged", None)  # a count, of `torch.optim.swa_utils.AveragedModel`
    return _of_members(tensors, path, remarks, lightning=lightning), tuple(remarks)


def _averaged(content: Any, depth: int = 3) -> str:
    """Return where in a dictionary averaged weights are, as ``"callbacks.EMA"``; empty where there are none."""
    for key, part in content.items() if isinstance(content, Mapping) and depth else ():
        if _AVERAGED.search(str(key)) and _holds_tensors(part):
            return str(key)
        if inner := _averaged(part, depth - 1):
            return f"{key}.{inner}"
    return ""


def _tensors(content: Any) -> dict[Any, Any]:
    """Return the entries of a dictionary that are tensors, or NumPy arrays, which may stand for them."""
    import numpy as np
    import torch

    if not isinstance(content, Mapping):
        return {}
    return {
        key: value
        for key, value in content.items()
        if isinstance(value, torch.Tensor) or (isinstance(value, np.ndarray) and value.dtype.kind in "fiu")
    }


def _holds_tensors(part: Any, depth: int = 3) -> bool:
    """Whether something is a dictionary of named tensors, or holds one; an optimiser's state is none."""
    if isinstance(part, list) and len(part) == 1:
        part = part[0]
    if not isinstance(part, Mapping) or {"state", "param_groups"} <= set(part):
        return False
    named = any(isinstance(key, str) and value.ndim for key, value in _tensors(part).items())
    return named or (depth > 0 and any(_holds_tensors(inner, depth - 1) for inner in part.values()))


def _unprefixed(key: str) -> str:
    while key.startswith(("module.", "_orig_mod.")):
        key = key.partition(".")[2]
    return key.replace("._orig_mod.", ".")


def _of_members(tensors: dict[str, Any], path: Path, remarks: list[str], *, lightning: bool) -> dict[str, Any]:
    """Return the tensors of the network where several stand side by side, each behind a name of its own.

    They do in a Lightning module, and where averaged weights have all the names that others have: `ema.`, `model.`.
    """
    members: dict[str, dict[str, Any]] = {}
    for key, tensor in tensors.items():
        member, _, name = key.partition(".")
        members.setdefault(member, {})[_unprefixed(name)] = tensor
    twins = {
        member: [other for other in members if other != member and _is_copy(members[other], members[member])]
        for member in members
        if _AVERAGED.search(member)
    }
    averaged = [member for member, others in twins.items() if others]
    if not averaged and not (lightning and all("." in key for key in tensors)):
        return tensors
    usual = {name: place for place, name in enumerate(WRAPPERS)}

    def rank(member: str) -> tuple[bool, int, int]:
        size = sum(tensor.numel() for tensor in members[member].values())
        return member not in averaged, usual.get(member, len(usual)), -size

    chosen = min(members, key=rank)
    if chosen in averaged:
        remarks.append(f"{chosen} of {path.name} is taken, the averaged weights; it holds {twins[chosen][0]} too")
    return members[chosen]


def _is_copy(some: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    """Whether the tensors of a network are among others, by their names and shapes; a layer has two or so."""
    return len(some) > 2 and all(name in others and others[name].shape == part.shape for name, part in some.items())


_CODE = (
    "weights {}: no PyTorch checkpoint of plain tensors, or one that would execute code; refused. "
    "Expected a state dict (torch.save(net.state_dict())) or safetensors"
)


class RefusedError(ValueError):
    """A file that is no checkpoint, with the words that say what it is."""


class Opaque:
    """Stands for an object of a checkpoint that is no tensor, and does nothing."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        """Forget what it would be made of."""

    def __setstate__(self, state: Any) -> None:
        """Forget what it would hold."""


def contents(path: Path) -> Any:
    """Read a safetensors file or a PyTorch checkpoint as it is; errors as of `state_dict`."""
    import pickle
    import warnings

    import safetensors
    import safetensors.torch
    import torch

    try:
        wrong = what_else(path)
        if wrong:
            raise RefusedError(f"weights {path}: {wrong}")
        if path.suffix == ".safetensors" or _is_safetensors(path):
            return safetensors.torch.load_file(path)
        with warnings.catch_warnings(), torch.serialization.safe_globals([*_numpy_globals(), *_opaque(path)]):
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except RefusedError:
        raise
    except pickle.UnpicklingError:
        raise ValueError(_CODE.format(path)) from None
    except (OSError, RuntimeError, EOFError, ValueError, LookupError, safetensors.SafetensorError) as error:
        raise ValueError(f"weights {path}: cannot be read ({' '.join(str(error).split())}); fetch it again") from None


def _opaque(path: Path) -> list[tuple[Any, str]]:
    """Return a stand-in for each class of a checkpoint that PyTorch does not know, by the class's name.

    Raises
    ------
    ValueError
        If it holds a whole network: its class would have to be imported and run.
    """
    import torch

    with torch.serialization.safe_globals(_numpy_globals()):
        try:
            names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        except (OSError, RuntimeError, ValueError, EOFError, LookupError):  # said when it is read
            return []
    layers = [name for name in names if name.startswith("torch.nn.modules")]
    if layers:
        kinds = [name for name in names if not name.startswith("torch.")]
        raise RefusedError(
            f"weights {path}: holds a whole pickled model ({(kinds or layers)[0]}), which would execute code; refused. "
            "Where its code is, save its weights: torch.save(net.state_dict(), 'weights.pth')"
        )
    return [(type("Opaque", (Opaque,), {}), name) for name in names if _is_class(name)]


def _is_class(name: str) -> bool:
    """Whether a name is written as one of a class; functions are not stood for."""
    return name.rpartition(".")[2].lstrip("_")[:1].isupper()


def _numpy_globals() -> list[Any]:
    """Return what numbers and arrays of NumPy are pickled with, under its old and its new names."""
    import argparse
    from _codecs import encode

    import numpy as np

    core: Any = importlib.import_module("numpy._core.multiarray")
    makers = [(part, f"numpy.{place}.multiarray.{part.__name__}") for part in (core.scalar, core._reconstruct)
              for place in ("core", "_core")]  # fmt: skip
    kinds = [type(np.dtype(kind)) for kind in "?bhilqBHILQefd"]
    return [argparse.Namespace, encode, np.ndarray, np.dtype, *dict.fromkeys(kinds), *makers]


def what_else(path: Path) -> str:
    """Say what a file is that holds no weights for PyTorch, and what to do; empty where it may hold them."""
    with path.open("rb") as file:
        head = file.read(600)
    text = head.lstrip()[:200].lower()
    if not head:
        return "cannot be read: it is empty; fetch it again"
    if head.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer, not the file itself; run git lfs pull where it comes from, or download it by hand"
    if text.startswith((b"<!doctype html", b"<html", b"<?xml")) or b"<html" in text:
        return "is an HTML page, not the file itself; open its address in a browser and save the file"
    if is_hdf5(path):
        return "is HDF5, as Keras (.h5) and MATLAB (7.3) save; expected a PyTorch checkpoint or safetensors"
    if head.startswith(b"MATLAB 5.0"):
        return "is a MATLAB file; expected a PyTorch checkpoint or safetensors"
    if path.suffix in (".index", ".pb", ".meta") or ".data-0" in path.name:
        return "is a part of a TensorFlow checkpoint; expected a PyTorch checkpoint or safetensors"
    if path.suffix in (".onnx", ".tflite"):
        return f"is a model of its own; give it as METHOD={path}"
    if head.startswith(b"\x1f\x8b") or head[257:262] == b"ustar":
        return "is a packed archive (gzip or tar); unpack it and give the file of weights"
    if head.startswith(b"\x93NUMPY"):
        return "is one array of NumPy; expected a PyTorch checkpoint or safetensors"
    if not head.strip(b"\0"):
        return "cannot be read: it begins with zeros, as a download that was cut off; fetch it again"
    if path.suffix != ".safetensors" and text.isascii() and all(byte >= 32 or byte in b"\t\r\n" for byte in text):
        return f"is a text ({text[:40].decode().splitlines()[0]!r}); fetch the file itself"
    return _zip_of_something_else(path) if head.startswith(b"PK") else ""


def _zip_of_something_else(path: Path) -> str:
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return f"cannot be read: it is truncated ({path.stat().st_size} bytes, and its end is missing); fetch it again"
    if "model.weights.h5" in names:
        return "is a Keras archive; expected a PyTorch checkpoint or safetensors"
    if any(name.endswith("constants.pkl") for name in names):
        return (
            "is TorchScript, code and weights in one; refused, since it would execute code. Save its weights: "
            "torch.save(torch.jit.load(path).state_dict(), 'weights.pth')"
        )
    if not any(name.endswith("data.pkl") for name in names):
        return f"is a zip archive of {', '.join(names[:3])}; unpack it and give the file of weights"
    return ""


def _is_safetensors(path: Path) -> bool:
    """Whether a file begins as safetensors do: the length of a header of JSON, and that."""
    with path.open("rb") as file:
        head = file.read(9)
    return len(head) == 9 and head[8:] == b"{" and int.from_bytes(head[:8], "little") < path.stat().st_size
