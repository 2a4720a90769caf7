"""Arrays in pickle files, read without running anything that the file asks for."""

import io
import math
import pickle
import re
import struct
from dataclasses import dataclass, field
from typing import Any

# What numpy names when it pickles an array, in its releases before 2 and since.
_NAMES = {
    "numpy.core.multiarray._reconstruct": "array",
    "numpy._core.multiarray._reconstruct": "array",
    "numpy.ndarray": "class",
    "numpy.dtype": "type",
    "_codecs.encode": "encode",
}


def load(content: bytes, what: str) -> dict[str, Any]:
    """Read a pickled dictionary of arrays, numbers, texts and lists of them.

    A pickle is a program. Here its steps only note what it asks for: nothing but the names that numpy
    arrays need is accepted, and these are never called; arrays are then built from their noted bytes.

    Parameters
    ----------
    content : bytes
        The pickle, of Python 2 or 3.
    what : str
        Its name, for messages.

    Returns
    -------
    dict
        The dictionary, its keys as str; texts of Python 2 in its values stay bytes.

    Raises
    ------
    ValueError
        If it names anything else, is damaged, or holds no dictionary.
    """
    try:
        root = _Reader(io.BytesIO(content), encoding="bytes").load()
        if isinstance(root, dict):
            return {_text(key): _value(value) for key, value in root.items()}
    except _ForbiddenError as error:
        raise ValueError(
            f"pickle {what}: it asks for {error}, which no array needs; nothing ran: do not use this file"
        ) from None
    except (pickle.UnpicklingError, ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError,
            RuntimeError, TypeError, ValueError, struct.error) as error:  # fmt: skip
        raise ValueError(f"pickle {what}: damaged ({' '.join(str(error).split())}); fetch it again") from None
    raise ValueError(f"pickle {what}: it holds {type(root).__name__}; expected a dictionary of arrays")


class _ForbiddenError(Exception):
    """A name that no array needs."""


@dataclass(frozen=True)
class _Name:
    """A name that a pickle asks for; calling it only notes that it was called."""

    meaning: str

    def __call__(self, *arguments: Any) -> "_Call":
        return _Call(self.meaning, arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("it changes a name")


@dataclass
class _Call:
    """A call that a pickle asks for."""

    meaning: str
    arguments: tuple[Any, ...]
    state: tuple[Any, ...] = field(default=())

    def __setstate__(self, state: Any) -> None:
        self.state = state


# The reader in Python, since that in C makes room for as many objects as a pickle claims to have.
class _Reader(pickle._Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full not in _NAMES:
            raise _ForbiddenError(repr(full))
        return _Name(_NAMES[full])


def _text(key: Any) -> str:
    return key.decode() if isinstance(key, bytes) else str(key)


def _value(value: Any) -> Any:
    import numpy as np

    if not isinstance(value, _Call):
        return value
    if value.meaning == "encode":
        text, encoding = value.arguments
        if encoding not in ("latin1", b"latin1"):
            raise ValueError(f"a text is encoded as {encoding!r}")
        return text.encode("latin1")
    if value.meaning != "array" or len(value.state) != 5:
        raise ValueError(f"a value is no array but {value.meaning}")
    _, shape, kind, columns_first, content = value.state
    content = _value(content)
    code, order = _text(kind.arguments[0]), _text(kind.state[1])
    if not re.fullmatch("[biuf][1248]", code) or order not in ("|", "<", ">", "="):
        raise ValueError(f"an array of {code!r}; expected numbers")
    array = np.frombuffer(content, np.dtype(order + code))
    if any(side < 0 for side in shape) or math.prod(shape) != array.size:
        raise ValueError(f"{array.size} numbers for an array of shape {shape}")
    return array.reshape(shape, order="F" if columns_first else "C")
