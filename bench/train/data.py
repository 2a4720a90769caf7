"""The images of a training: read, the held-out ones set apart with their noise, the others put onto the device."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.common.errors import BenchError, one_line
from bench.degradation import degrade, parse
from bench.plan import fingerprint
from bench.plan.resolve import dataset_words, known_dataset
from bench.run.images import Picture, pictures
from bench.train.patches import TrainingImages, on_device
from bench.train.recipe import Recipe
from bench.train.validation import held_out_numbers

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from bench.train.validation import Pair
    from datasets import Dataset


@dataclass(frozen=True)
class TrainingData:
    """What a training learns from, and what shows its progress."""

    images: TrainingImages  # what patches are drawn from
    held_out: "Sequence[Pair]"  # clean and noisy images, each (1, C, H, W), 1.0 = white
    # The label maps of the held-out images, whole numbers (1, H, W); empty where the recipe asks for none.
    labels: "Sequence[Tensor]" = ()
    identity: str = ""  # hash of all images


def training_sets(recipe: Recipe) -> "list[Dataset]":
    """Return the datasets of a recipe.

    Raises
    ------
    BenchError
        If there is no such dataset, or a folder holds no images.
    """
    with _readable():
        return [known_dataset(word) for word in dataset_words(recipe.images)]


def read_training_data(recipe: Recipe, device: str) -> TrainingData:
    """Put the training images onto the device, and the held-out ones with their noise.

    Raises
    ------
    BenchError
        If images are missing, cannot be read, or do not go together.
    """
    import torch

    kept: list[np.ndarray] = []
    held_out: list[Pair] = []
    labels: list[Tensor] = []
    identities = []
    for dataset in training_sets(recipe):
        with _readable():
            identities.append(fingerprint.of_data(dataset))
            found = list(pictures(dataset, labels=recipe.labels))
        if len(found) < 2:
            raise BenchError(
                f"training: {dataset.name} has {len(found)} image; expected two or more, of which one is held out"
            )
        apart = held_out_numbers(recipe.held_out, len(found))
        for i, picture in enumerate(found):
            levels = _levels(recipe, picture)
            if i not in apart:
                kept.append(levels)
                continue
            held_out.append(_pair(recipe, dataset, picture, device))
            if recipe.labels and picture.labels is not None:
                labels.append(torch.from_numpy(picture.labels[:1]).to(device))
    if len({clean.shape[1] for clean, _ in held_out}) > 1:
        raise BenchError(f"training: {recipe.images} has gray and colour images; train on one kind")
    images = on_device(kept, recipe.patch, device, recipe.align, mirror=recipe.mirror)
    return TrainingData(images, held_out, labels, "-".join(identities))


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (ValueError, OSError) as error:
        raise BenchError(f"training: {one_line(error)}") from None


def _levels(recipe: Recipe, picture: Picture) -> "np.ndarray":
    """Return an image (H, W, C) with its noisy version as further channels where that is recorded, and its labels."""
    import numpy as np

    parts = [picture.clean] + ([picture.noisy] if parse(recipe.noise).recorded else [])
    if any(part is None for part in parts):
        raise BenchError(f"training: {picture.name} has no {'noisy' if picture.clean is not None else 'clean'} picture")
    levels = np.concatenate([part for part in parts if part is not None], axis=2)
    return _labelled(levels, picture) if recipe.labels else levels


def _labelled(levels: "np.ndarray", picture: Picture) -> "np.ndarray":
    """Return an image (H, W, C) with its label map as one more channel, its numbers as grey levels."""
    import numpy as np

    if picture.labels is None:
        raise BenchError(f"training: {picture.name} has no label map; take a set that has them, as camvid-train")
    labels = picture.labels[0, :, :, None]
    if not 0 <= labels.min() <= labels.max() <= 255:
        raise BenchError(f"training: {picture.name} has label {labels.max()}; expected 0 to 255")
    return np.concatenate([levels, labels.astype(levels.dtype)], axis=2)


def _pair(recipe: Recipe, dataset: "Dataset", picture: Picture, device: str) -> "Pair":
    noise = parse(recipe.validation_noise or recipe.noise)
    with _readable():
        image = degrade(
            picture.clean, noise, dataset=dataset.noise_name, image=picture.name, seed=0,
            recorded=picture.noisy,
        )  # fmt: skip
    assert image.clean is not None
    return _tensor(image.clean / 255, device), _tensor(image.noisy, device)


def _tensor(image: Any, device: str) -> "Tensor":
    """Return an image (H, W, C) as a tensor (1, C, H, W)."""
    import numpy as np
    import torch

    return torch.from_numpy(np.ascontiguousarray(image, np.float32)).permute(2, 0, 1)[None].contiguous().to(device)
