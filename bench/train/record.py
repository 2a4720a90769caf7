"""Training records: what stands beside weights, whose they are, and training again as one says."""

import hashlib
import math
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from textwrap import shorten
from typing import Any

from bench.common import devices, provenance
from bench.common.atomic import write_whole
from bench.common.errors import BenchError
from bench.common.files import sha256
from bench.common.text_files import DAMAGE, read_text
from bench.degradation import parse
from bench.train import distributed
from bench.train.recipe import MOST, Recipe, recipe_from
from bench.train.session import Replay
from bench.train.trained_network import TrainedNetwork
from bench.train.weights_file import ADVICE, packed, rounded_weights
from methods.sealed_json import changed_by_hand, parsed, sealed


@dataclass(frozen=True)
class RecordedTraining:
    """A finished training, as its record tells of it."""

    path: Path
    recipe: Recipe  # as it was then
    replays: Mapping[str, Replay]  # what the clock decided, by the name of the stage; ``""`` where there was one
    threads: int  # on the CPU; 0: the record does not say
    content: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """Hash of the record, by which the checkpoint of the new training is known."""
        return sha256(self.path)[:16]


def read_record(path: Path, variant: str = "", to: Path | None = None) -> RecordedTraining:
    """Return the training that a record tells of.

    Parameters
    ----------
    variant : str
        A new name for the weights; empty: that of the recipe.
    to : Path, optional
        The folder that gets them, as on TO.

    Raises
    ------
    BenchError
        If it is no record of a training, or the weights would overwrite those that it is of.
    """
    try:
        content: dict[str, Any] = parsed(read_text(path), by_hand=True)
        recipe = recorded_recipe(content)
        stages = content.get("stages") or [{**content, "name": ""}]
        replays = {stage["name"]: _replay(stage, 0 if stage["name"] else recipe.steps) for stage in stages}
        threads = _whole(content.get("threads", 0), "threads", 0)
        for word, kind in (("data", str), ("versions", dict), ("device", str), ("within", dict)):
            if not isinstance(content.get(word, {} if word == "within" else None), kind):
                raise TypeError(f"{word} is {str(content.get(word))[:40]!r}")
    except (BenchError, *DAMAGE) as error:
        said = error.strerror if isinstance(error, OSError) else str(error) if isinstance(error, BenchError) else ""
        cause = said or f"{type(error).__name__}: {error}"
        raise BenchError(
            f"RECORD={path}: is no training record that can be read ({cause}); expected a file as "
            "methods/weights/NAME.json"
        ) from None
    if "within" in content:
        whole = content["within"].get("name", "another recipe")
        raise BenchError(f"RECORD={path}: was trained as a part of {whole}; give the record of that training")
    if not variant and (not to or to.resolve() == path.resolve().parent):
        raise BenchError(f"RECORD={path}: its weights would be overwritten; give NAME=again or TO=another/folder")
    return RecordedTraining(path, replace(recipe, variant=variant or recipe.variant), replays, threads, content)


def recorded_recipe(record: Mapping[str, Any]) -> Recipe:
    """Return the recipe that a training record holds; fields that it does not have take their defaults.

    Raises
    ------
    BenchError, KeyError, TypeError
        If it is no record of a training, or says something that no recipe says.
    """
    table = dict(record["recipe"])
    return recipe_from(table.pop("name"), table)


def _replay(stage: Mapping[str, Any], planned: int) -> Replay:
    """Return what the clock decided in a stage; `planned` steps, if not 0, where no budget planned others."""
    steps = _whole(stage["steps"], "steps", 1)
    # Records did not always have the plan: a budget then counts as planned at the beginning.
    rows = stage.get("plan", [(0, 0.0, steps)])
    plan = {_whole(row[0], "plan", 0): _whole(row[2], "plan", 1) for row in rows}
    most = max(plan.values(), default=planned or steps)
    if steps > most:
        raise ValueError(f"steps is {steps}, and {most} were planned at most")
    return Replay(steps, plan, frozenset(_whole(row["step"], "history", 1) for row in stage["history"]))


def _whole(number: Any, word: str, least: int) -> int:
    """Return a whole number of a record; a larger one than a recipe may have would train without end."""
    if type(number) is not int or not least <= number <= MOST["steps"]:
        raise ValueError(f"{word} is {str(number)[:40]}; expected a whole number from {least} up")
    return number


def differences(recorded: RecordedTraining, data: str, device: str) -> Iterator[str]:
    """Say, a line each, what is not as it was then, so that bits will differ; `data` is the hash of the images."""
    return (shorten(line, LONGEST, placeholder=" ...") for line in _differences(recorded, data, device))


LONGEST = 400
"""Letters of a line about a record, which may say anything."""


def _differences(recorded: RecordedTraining, data: str, device: str) -> Iterator[str]:
    import torch

    then, recipe = recorded.content, recorded.recipe
    if changed_by_hand(then):
        yield "not as then: the record was changed by hand, as its checksum says"
    if data != then["data"]:
        yield f"not as then: the images of {recipe.images} are others (hash {data}, was {then['data']})"
    for package, version in then["versions"].items():
        now = provenance.versions().get(package, "not installed")
        if package in ("python", "torch", "numpy") and now != version:
            yield f"not as then: {package} is {now}, was {version}"
    if device != "cpu" or then["device"] != "cpu":
        title = devices.title(device)
        yield f"not to the bit: the device is {title}, was {then['device']}; only the CPU repeats every bit"
    elif not recorded.threads:
        yield "not as then: the record has no number of threads; JOBS says it"
    elif torch.get_num_threads() != recorded.threads:
        yield f"not as then: {torch.get_num_threads()} threads, were {recorded.threads}; JOBS says it"
    here = provenance.machine()
    if device == "cpu" and then.get("processor") != here:
        yield f"not as then: the processor is {here}, was {then.get('processor', 'not recorded')}; bits may differ"
    if then.get("processes", 1) != 1:
        yield f"not as then: one process, were {then['processes']}, each of which drew its own patches"
    for name, replay in recorded.replays.items():
        stage = next((one for one in then.get("stages", ()) if one["name"] == name), then)
        if "plan" not in stage and (name or replay.steps != recipe.steps):
            yield f"not to the bit: the record does not say when its budget became {replay.steps} steps"


def check_free(recipe: Recipe, weights: Path) -> None:
    """Refuse to overwrite the weights of another recipe, as their record says; the same one may overwrite its own.

    Raises
    ------
    BenchError
        If what is there belongs to another recipe, for example to that of a gray net where this one is of colour.
    """
    if not weights.exists():
        return
    record = weights.with_name(f"{weights.stem}.json")
    try:
        before = recorded_recipe(parsed(read_text(record), by_hand=True))
    except (BenchError, *DAMAGE):
        different = "has no readable training record"
    else:
        if before.digest == recipe.digest:
            return
        names = [field.name for field in fields(Recipe) if getattr(before, field.name) != getattr(recipe, field.name)]
        different = f"was trained by another recipe ({before.name} on {before.images}; other: {', '.join(names)})"
    raise BenchError(
        f"training: {weights} {different}; give NAME=another to keep both (METHOD={recipe.method}@own-another), "
        "or delete it"
    )


def store(trained: TrainedNetwork, stem: Path, device: str, data: str, more: Mapping[str, Any]) -> Path:
    """Write weights and their training record, at a path without endings; `data` is the hash of the images.

    Returns
    -------
    Path
        The weights; the record has the same name and ends in ``.json``.

    Raises
    ------
    BenchError
        If one cannot be written.
    """
    recipe = trained.recipe
    network = recipe.build()
    network.load_state_dict({name: value.cpu() for name, value in trained.weights.items()})
    network = recipe.folded(network.eval())
    weights, record = (stem.with_name(f"{stem.name}.{kind}") for kind in ("safetensors", "json"))
    tensors, precision, change = rounded_weights(network, trained.held_out)
    content_of_weights = packed(tensors)
    denoises = "kind" not in trained.about
    content = {
        "recipe": asdict(recipe),
        **more,
        **trained.about,
        "data": data,
        "name": recipe.weights_name,
        "method": recipe.method,
        "label": f"{recipe.title} (own{f' {recipe.variant}' if recipe.variant else ''})",
        "weights": weights.name,
        "sha256": hashlib.sha256(content_of_weights).hexdigest(),
        "precision": precision,
        "half_precision_changes_psnr": None if math.isnan(change) else round(change, 4),
        "trained": parse(recipe.noise).sigma_range if denoises else None,
        "parameters": sum(value.numel() for value in network.parameters()),
        "steps": trained.steps,
        "seconds": round(trained.seconds, 1),
        "patches_per_second": round(trained.patches / trained.seconds, 1) if trained.seconds else None,
        "held_out_psnr" if denoises else "held_out_mean_iou": round(trained.score, 3),
        **_rounded(trained.history),
        "device": devices.title(device),
        "machine": platform.machine(),
        "versions": provenance.versions(),
        "commit": provenance.commit(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    # The record first: weights without one belong to nobody and are never overwritten, not even by this training where
    # it was killed between the two.
    write_whole(record, sealed(content), advice="make room there, and run again")
    write_whole(weights, content_of_weights, advice=ADVICE)
    return weights


def surroundings() -> dict[str, Any]:
    """Return what a record says of this process, on which the bits of a training depend."""
    import torch

    return {
        "threads": torch.get_num_threads(), "processes": distributed.size(), "processor": provenance.machine(),
    }  # fmt: skip


def _rounded(value: Any) -> Any:
    """Return numbers within lists and dicts with four places."""
    if isinstance(value, Mapping):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return round(value, 4) if isinstance(value, float) else value
