"""Weights that this project trained: METHOD=name@own, from the records in `methods/weights/`."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from methods.description import Method, Net, Weights
from methods.sealed_json import changed_by_hand, parsed

FOLDER = Path(__file__).parent / "weights"

T = TypeVar("T")


def trained(known: Mapping[str, Method], folder: Path = FOLDER) -> list[Method]:
    """Return a method `name@own` for each method of which there are weights.

    Parameters
    ----------
    known : mapping
        The registered methods, by name.
    folder : Path
        Holds pairs of `X.safetensors` and its training record `X.json`, as `make train` writes them, and more in its
        `series/`, which ``all`` leaves out. Left out are a record with a `kind`, which is of a network that denoises
        nothing, and what `read` names.
    """
    return read(known, folder)[0]


def read(known: Mapping[str, Method], folder: Path = FOLDER) -> tuple[list[Method], list[str]]:
    """Return the methods of `trained`, and one line on each record that cannot be used or was changed by hand."""
    training_records, problems = records(folder)
    nets: dict[str, dict[Net, str]] = {}
    for path, record in training_records.items():
        if "kind" not in record:
            try:
                net, title = _net(path, record, known), _title(record)
                beside = nets.setdefault(record["name"], {})
                _check_alone(net, beside)
                beside[net] = title
            except ValueError as error:
                problems.append(_problem(path, error))
    found = [
        replace(known[name.partition("@")[0]], name=name, title=_common(members), nets=tuple(members))
        for name, members in nets.items()
        if members
    ]
    return found, problems


def _check_alone(net: Net, beside: Iterable[Net]) -> None:
    """Refuse a net beside another one of its name for the same images and noise: one of the two would never be used."""
    for other in beside:
        if other.colour == net.colour and (_sigmas(other.noise) or other.noise) == (_sigmas(net.noise) or net.noise):
            raise ValueError(f"{other.id} is of the same name, for {net.colour} images with {net.noise} too")


def _common(titles: Mapping[Net, str]) -> str:
    """Say what the nets of a name are; where they differ, each."""
    if len(set(titles.values())) == 1:
        return next(iter(titles.values()))
    return "; ".join(f"{net.id}: {title}" for net, title in titles.items())


def records(folder: Path = FOLDER) -> tuple[dict[Path, dict[str, Any]], list[str]]:
    """Return the training records of a folder, of every kind, by path.

    And one line on each file that is none, or was changed by hand.
    """
    contents: dict[Path, dict[str, Any]] = {}
    problems = []
    for path in [*sorted(folder.glob("*.json")), *sorted(folder.glob("series/*.json"))]:
        try:
            content = parsed(path.read_text(encoding="utf-8"), by_hand=True)
            if not isinstance(content, dict) or not path.name.isprintable():
                raise ValueError("it holds no JSON object, or its name cannot be printed")
            contents[path] = content
            if changed_by_hand(content):
                problems.append(_line(path, "was changed by hand, as its checksum says"))
        except (OSError, ValueError, RecursionError) as error:
            problems.append(_problem(path, error))
    return contents, problems


def _net(path: Path, record: Mapping[str, Any], known: Mapping[str, Method]) -> Net:
    """Describe the net of a record, or raise `ValueError` that says what is wrong with it."""
    name, method = _value(record, str, "name"), _value(record, str, "method")
    colour, file, digest = (_value(record, str, key) for key in ("colour", "weights", "sha256"))
    noise = _value(record, str, "recipe", "noise")
    if method not in known:
        raise ValueError(f"there is no method {method!r}")
    if not re.fullmatch(rf"{re.escape(method)}@own(-[\w.+=-]+)?", name):
        raise ValueError(f"name is {name!r}; expected {method}@own, or {method}@own-NAME")
    base = next((net for net in known[method].nets if net.colour in (colour, "any")), None)
    if base is None:
        raise ValueError(f"method {method} has no net for colour {colour!r}")
    if Path(file).name != file or not re.fullmatch("[0-9a-f]{64}", digest):
        raise ValueError("weights and sha256 are no file beside it and its digest")
    return replace(
        base,
        id=path.stem,
        label=_value(record, str, "label"),
        colour=colour,
        trained=_range(record, noise),
        noise=noise,
        weights=Weights(file, digest, licence="MIT", local=str(path.with_name(file)), record=path.name),
        receptive_field=None,  # the loaded network says it
        parameters=_value(record, int, "parameters"),
        published=None,
        published_ensemble=None,
        trained_on=tuple(word.strip() for word in _value(record, str, "recipe", "images").split(",")),
    )


def _title(record: Mapping[str, Any]) -> str:
    """Say what was trained: the size may be another one than that of the method's paper."""
    title, images = (_value(record, str, "recipe", key) for key in ("title", "images"))
    size = ", ".join(f"{name}={value}" for name, value in _value(record, dict, "recipe", "arguments").items())
    if not size.isprintable():
        raise ValueError("recipe.arguments cannot be printed")
    return f"{title}{': ' * bool(size)}{size[:200]}; trained by this project on {images}"


def _value(record: Any, kind: type[T], *keys: str) -> T:
    """Return what stands under some keys, each within the one before; texts must be printable."""
    for key in keys:
        record = record.get(key) if isinstance(record, dict) else None
    if type(record) is not kind or (isinstance(record, str) and not record.isprintable()):
        raise ValueError(f"{'.'.join(keys)} is {str(record)[:40]!r}; expected {kind.__name__}")
    return record


def _range(record: Mapping[str, Any], noise: str) -> tuple[float, float] | None:
    """Return the lowest and the highest sigma, which are those of the noise where that is a sigma or a range of it."""
    if record.get("trained") is None:
        return None
    numbers = _value(record, list, "trained")
    if [type(number) in (int, float) and 0 <= number <= 1e6 for number in numbers] != [True, True]:
        raise ValueError(f"trained is {str(numbers)[:40]!r}; expected the lowest and the highest sigma")
    low, high = map(float, numbers)
    right = _sigmas(noise) or (low, max(low, high))
    if (low, high) != right:
        raise ValueError(f"trained is {low:g} to {high:g}; expected {right[0]:g} to {right[1]:g}, as its noise {noise}")
    return low, high


def _sigmas(noise: str) -> tuple[float, float] | None:
    """Return the lowest and the highest sigma of plain Gaussian noise; None of other noise."""
    plain = re.fullmatch(r"(?:gaussian:)?(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))?", noise, re.ASCII)
    return (float(plain[1]), float(plain[2] or plain[1])) if plain else None


def _problem(path: Path, error: Exception) -> str:
    return _line(path, f"{error}; left out: train again, or delete it")


def _line(path: Path, cause: str) -> str:
    return " ".join(f"training record {path}: {cause}".split()).encode(errors="backslashreplace").decode()
