"""Segmentation networks that `make train` left: which one fits a dataset, and how it is loaded."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.common.errors import BenchError
from bench.common.files import as_recorded
from bench.common.text_files import DAMAGE, file_there, read_text
from bench.studies.segment.evaluation import scheme
from datasets.walking import typed_path
from methods.sealed_json import changed_by_hand, parsed
from methods.trained_here import FOLDER, records

if TYPE_CHECKING:
    from torch import Tensor, nn

    from datasets import Dataset


@dataclass(frozen=True)
class Segmenter:
    """A file of weights of a segmentation network."""

    path: Path
    classes: tuple[str, ...] = ()  # their names; empty where no record beside the file says them
    score: float | None = None  # mean IoU on held-out images, in percent
    by_hand: bool = False  # its record was changed by a person

    @property
    def title(self) -> str:
        """Its name, and how good it was on clean images that it was not trained on."""
        by_hand = ", by a record changed by hand" if self.by_hand else ""
        return self.path.stem + (f" (held-out mean IoU {self.score:.1f} %{by_hand})" if self.score is not None else "")


def segmenters(folder: Path | None = None) -> list[Segmenter]:
    """Return the segmentation networks that `make train` left in a folder, the best first; not given: ours.

    The best has the highest mean IoU on held-out images. Left out are those whose training record says nothing of a
    segmentation network.
    """
    readable, _ = records(folder or FOLDER)
    networks = []
    for path in sorted(readable, key=lambda path: path.stem):
        if path.name.startswith("segmenter@own"):
            with suppress(BenchError):
                networks.append(_described(path.with_suffix(".safetensors")))
    return sorted(networks, key=lambda one: -(one.score or 0))


def fitting(dataset: "Dataset", word: str = "", folder: Path | None = None) -> Segmenter:
    """Return the segmentation network of a file; not given, the first of `segmenters` with the classes of the dataset.

    Raises
    ------
    BenchError
        If the dataset has no classes, the file is not there, or its classes are others.
    """
    names = scheme(dataset).names
    if not word:
        for found in segmenters(folder):
            if found.classes == names:
                return found
        raise BenchError(
            f"no segmentation network for the {len(names)} classes of dataset {dataset.name}; train one: "
            f"make train METHOD=ding-liu-joint DATA={dataset.name}-train, or give SEGMENTER=file.safetensors"
        )
    path = typed_path(word)
    file_there(f"SEGMENTER={word}", path, "a .safetensors file of make train")
    found = _described(path)
    count = len(found.classes) or load(path).head.out_channels
    if (found.classes or names) != names or count != len(names):
        theirs = ", ".join(found.classes) or "not named"
        raise BenchError(
            f"SEGMENTER={word}: its {count} classes ({theirs}) are not the {len(names)} of dataset {dataset.name} "
            f"({', '.join(names)}); take another file, or another dataset"
        )
    return found


def load(path: Path, device: str = "cpu") -> Any:
    """Return the segmentation network of a file that `make train` left, in evaluation mode.

    Raises
    ------
    BenchError
        If the file cannot be read, holds another network, or is not the one that its training record is of.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if path.is_file():
        as_recorded(path, "segmentation network")
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise BenchError(f"{path}: cannot be read ({type(error).__name__}: {error}); train again") from None
    try:
        return network(tensors).to(device)
    except (KeyError, IndexError, RuntimeError, ValueError):
        raise BenchError(f"{path}: holds no CompactUNet; expected the segmentation network of make train") from None


def network(tensors: "Mapping[str, Tensor]") -> "nn.Module":
    """Return a `CompactUNet` in evaluation mode; classes, width and levels are read off its tensors."""
    from methods.networks.segmentation import CompactUNet

    classes, features = tensors["head.weight"].shape[:2]
    levels = len({name.split(".")[1] for name in tensors if name.startswith("down.")})
    made = CompactUNet(classes, features, levels)
    made.load_state_dict(dict(tensors))
    return made.eval()


def _described(path: Path) -> Segmenter:
    """Return what the training record beside a file of weights says of it."""
    record = path.with_suffix(".json")
    if not record.exists():
        return Segmenter(path)
    try:
        said = parsed(read_text(record), by_hand=True)
        return Segmenter(path, tuple(said["classes"]), float(said["held_out_mean_iou"]), changed_by_hand(said))
    except DAMAGE as error:
        raise BenchError(
            f"training record {record}: is none of a segmentation network ({type(error).__name__}: {error}); "
            "train again, or delete it"
        ) from None
