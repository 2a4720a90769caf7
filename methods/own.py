"""Weights of this project's own training: METHOD=name@own, from the records in `methods/weights/`."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from methods.description import Method, Net, Weights

FOLDER = Path(__file__).parent / "weights"


def trained(known: Mapping[str, Method], folder: Path = FOLDER) -> list[Method]:
    """Return a method `name@own` for each method of which there are own weights.

    Parameters
    ----------
    known : mapping
        The registered methods, by name.
    folder : Path
        Holds pairs of `X.safetensors` and its training record `X.json`, as `make train` writes them. A record with a
        `kind` is of a network that denoises nothing, as a segmentation network: it is left out.

    Raises
    ------
    ValueError
        If a record cannot be read, or names a method that there is not.
    """
    nets: dict[str, list[Net]] = {}
    for path in sorted(folder.glob("*.json")):
        record = _record(path)
        if "kind" not in record:
            name, net = _net(path, record, known)
            nets.setdefault(name, []).append(net)
    return [_method(known[name.partition("@")[0]], name, tuple(members)) for name, members in nets.items()]


def _record(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from None
    return found if isinstance(found, dict) else {}


def _net(path: Path, record: Mapping[str, Any], known: Mapping[str, Method]) -> tuple[str, Net]:
    try:
        name, colour = record["name"], record["colour"]
        base = next(net for net in known[record["method"]].nets if net.colour in (colour, "any"))
        trained = (float(record["trained"][0]), float(record["trained"][1])) if record["trained"] else None
        own = Weights(
            record["weights"],
            record["sha256"],
            licence="MIT",
            local=str(path.parent / record["weights"]),
            record=path.name,
        )
        label, parameters = record["label"], record["parameters"]
        images, noise = record["recipe"]["images"], record["recipe"]["noise"]
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        raise _damaged(path, error) from None
    return name, replace(
        base,
        id=path.stem,
        label=label,
        colour=colour,
        trained=trained,
        noise=noise,
        weights=own,
        receptive_field=None,  # the loaded network says it
        parameters=parameters,
        published=None,
        trained_on=tuple(word.strip() for word in images.split(",")),
    )


def _damaged(path: Path, error: Exception) -> ValueError:
    return ValueError(
        f"training record {path}: cannot be read ({type(error).__name__}: {error}); train again, or delete it"
    )


def _method(base: Method, name: str, nets: tuple[Net, ...]) -> Method:
    return replace(base, name=name, title=f"{base.title.split(' (weights')[0]}; trained by this project", nets=nets)
