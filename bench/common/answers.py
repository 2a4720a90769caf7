"""What comes back from a process that ran code of others: data alone, so that reading it runs nothing here."""

import io
import pickle
from typing import Any

from bench.common.errors import visible

_TYPES = {
    "bench.common.child_main.Failed",
    "bench.run.runtimes.choice.Runner",
    "bench.run.runtimes.cost.Cost",
    "bench.store.opened.Opened",
    "bench.studies.conform.checks.Check",
    "bench.studies.explain.explanation.Explanation",
    "bench.studies.explain.filters.Filter",
    "bench.studies.explain.pixels.Pixel",
    "bench.studies.explain.pixels.Window",
    "numpy.dtype",
    "numpy.ndarray",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy._core.numeric._frombuffer",
}
"""What an answer may hold besides numbers, texts, bytes and containers of them. None of these can be called."""


class RefusedAnswer(Exception):  # noqa: N818 - what was refused is the answer
    """An answer that is no plain data."""


def read_answer(content: bytes) -> Any:
    """Return the value in an answer, which was pickled.

    Raises
    ------
    RefusedAnswer
        If it asks for anything that no answer needs, or is damaged; nothing of it ran.
    """
    try:
        return _Reader(io.BytesIO(content)).load()
    except RefusedAnswer:
        raise
    except Exception as error:  # noqa: BLE001 - bytes of others may break the reader in any way
        raise RefusedAnswer(f"its answer is damaged ({type(error).__name__})") from None


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Return a type that is listed; every other name that an answer asks for is refused."""
        if f"{module}.{name}" not in _TYPES:
            raise RefusedAnswer(f"answered with {visible(f'{module}.{name}')[:80]}, which is no plain data")
        return super().find_class(module, name)
