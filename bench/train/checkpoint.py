"""Checkpoints: all that a training run needs to go on as if it had never stopped."""

from pathlib import Path
from typing import Any

from bench.common.atomic import whole
from bench.common.errors import BenchError

ADVICE = (
    "make room there or give OUT=another/folder; the checkpoint before it stays, and the same command goes on from it"
)


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint; a reader sees the last whole one.

    Raises
    ------
    BenchError
        If it cannot be written; the one before stays.
    """
    import torch

    # torch says RuntimeError where the disk is full.
    with whole(path, advice=ADVICE, errors=(OSError, RuntimeError)) as beside:
        torch.save(state, beside)


def load(path: Path, identity: str, device: str) -> dict[str, Any] | None:
    """Read the checkpoint of a run; None where there is none.

    Raises
    ------
    BenchError
        If it cannot be read, or belongs to another recipe or other data.
    """
    import zipfile

    import torch

    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip():  # torch does not look at the checksums that it writes
                raise zipfile.BadZipFile
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        known = state["identity"]
    except Exception as error:
        raise BenchError(
            f"training: checkpoint {path} cannot be read ({type(error).__name__}); delete it, and training starts anew"
        ) from error
    if known != identity:
        raise BenchError(
            f"training: checkpoint {path} belongs to another recipe or other images; delete it to start anew, "
            "or give OUT=another/folder"
        )
    return state
