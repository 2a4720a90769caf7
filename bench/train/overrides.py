"""What a person changes in a recipe: CHANGE, or --set, ``name=VALUE`` with VALUE in TOML."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields, replace
from typing import Any

from bench.common.errors import BenchError
from bench.common.parsing import unknown
from bench.degradation import parse
from bench.train.data import training_sets
from bench.train.recipe import Recipe, load_recipe, recipe_from, recipe_name
from bench.train.registry import NETWORKS, PROGRAMMES, arguments

_ASSIGNMENT = re.compile(r"""(?:\[(?:[^][]|\[[^]]*\])*\]|"[^"]*"|'[^']*'|[^\s,["'])+""")
FIELDS = {
    field.name: field.type
    for field in fields(Recipe)
    if field.name not in ("name", "start_sha256", "arguments", "options")
}


def read_overrides(text: str) -> dict[str, Any]:
    """Read ``name=VALUE``, several of them with spaces or commas between.

    Parameters
    ----------
    text : str
        Values are TOML; what is no TOML is a word. Of a name that comes twice the last value counts. Where a
        field of `Recipe` is a word, a number is one too.

    Returns
    -------
    dict
        Values by names.

    Raises
    ------
    BenchError
        If a piece is no ``name=VALUE``.

    Examples
    --------
    >>> read_overrides("steps=2000,loss=l1 validation_noise=25 features=[16, 24] options.segmenter.rate=1e-3")
    {'steps': 2000, 'loss': 'l1', 'validation_noise': '25', 'features': [16, 24], 'options.segmenter.rate': 0.001}
    """
    values: dict[str, Any] = {}
    if unread := _ASSIGNMENT.sub("", text).strip(" ,\t\n"):
        raise BenchError(f"CHANGE={text}: nothing can be made of {unread}; brackets and quotation marks come in pairs")
    for piece in _ASSIGNMENT.findall(text):
        name, _, value = piece.partition("=")
        if not name or not value:
            raise BenchError(
                f"CHANGE={text}: {piece!r} is no name=VALUE; expected for example steps=2000 features=[16,24] loss=l1"
            )
        try:
            values[name] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            values[name] = value
        if FIELDS.get(name) is str and not isinstance(values[name], str):
            values[name] = value
    return values


def recipe_for(
    method: str,
    images: str = "",
    noise: str = "",
    overrides: str | Mapping[str, Any] = "",
    variant: str = "",
    start: str = "",
    seed: int | None = None,
) -> Recipe:
    """Return the recipe that a person asks for.

    Parameters
    ----------
    method : str
        A recipe, its file (TOML), or the method that one trains.
    images, noise, variant, start, seed
        As `Recipe` has them; empty or None: the recipe's.
    overrides : str or mapping
        What `read_overrides` reads, or gives. A name is a field of `Recipe`, an argument of its network (``depth``, or
        ``arguments.depth``), or an option with its tables (``options.segmenter.steps``).

    Raises
    ------
    BenchError
        If there is no such recipe, a name or value means nothing, or the network cannot be built with it.
    """
    base = load_recipe(recipe_name(method))
    given: dict[str, Any] = {"images": images, "noise": noise, "variant": variant, "start": start, "seed": seed}
    base = replace(base, **{word: value for word, value in given.items() if value not in ("", None)})
    if noise:
        base = replace(base, corruption="", validation_noise=_validation_noise(base))
    table = {name: value for name, value in asdict(base).items() if name != "name"}
    changes = read_overrides(overrides) if isinstance(overrides, str) else overrides
    known = _names({**table, **changes})
    for name, value in changes.items():
        if name not in known:
            raise unknown("word in CHANGE:", name, known)
        *tables, last = known[name]
        place = table
        for word in tables:
            place = place.setdefault(word, {})
        place[last] = value
    recipe = recipe_from(base.name, table)
    if (recipe.network, recipe.arguments) != (base.network, base.arguments):
        recipe.build()
    if "held_out" in changes:
        for dataset in training_sets(recipe):
            if recipe.held_out >= len(dataset.images):
                raise BenchError(
                    f"CHANGE=held_out={recipe.held_out}: {dataset.name} has {len(dataset.images)} images; expected "
                    "fewer, of which a quarter at most is held out"
                )
    return recipe


def _names(table: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return all that may be changed of a recipe, and where it stands in its table."""
    network = arguments(table["network"]) if table["network"] in NETWORKS else {}
    paths: list[tuple[str, ...]] = [("arguments", name) for name in network]
    plain = {path[-1]: path for path in paths} | {name: (name,) for name in FIELDS}
    paths += _paths(("options",), PROGRAMMES.get(table["programme"], {}))
    return plain | {".".join(path): path for path in paths}


def _paths(above: tuple[str, ...], table: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, value in table.items():
        yield from _paths((*above, name), value) if isinstance(value, Mapping) else [(*above, name)]


def _validation_noise(recipe: Recipe) -> str:
    """Return the noise of the held-out images; none where it lies outside that of the training."""
    trained, held_out = parse(recipe.noise).sigma_range, parse(recipe.validation_noise or recipe.noise).sigma_range
    if trained is None or held_out is None:
        return ""
    return recipe.validation_noise if trained[0] <= held_out[0] and held_out[1] <= trained[1] else ""
