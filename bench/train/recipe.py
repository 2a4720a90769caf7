"""Recipes: how a method is trained, read from `methods/recipes/NAME.toml`."""

import hashlib
import json
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from bench.common.errors import BenchError, one_line
from bench.common.parsing import unknown
from bench.common.paths import ROOT
from bench.common.text_files import read_text
from bench.degradation import parse
from bench.store.records import slug
from bench.train.checking import KINDS, checked
from bench.train.losses import LOSSES
from bench.train.registry import CORRUPTIONS, NETWORKS, OPTIMISERS, PROGRAMMES, arguments, resolve

FOLDER = ROOT / "methods" / "recipes"

LEAST = {"patch": 1, "batch": 1, "steps": 1, "held_out": 1, "align": 1, "seed": 0, "warm_up": 0, "decay": 0, "clip": 0}
"""The least value of fields of `Recipe` that are numbers."""

MOST = {
    "patch": 2**14, "batch": 2**16, "align": 64, "steps": 2**40, "warm_up": 2**40, "decay": 1e6, "clip": 1e30,
    "rate": 1e6,
}  # fmt: skip
"""Their largest value: more fills the memory, or is no number of float32."""

MOST_LAYERS = 4096
"""The largest count of layers, channels or units of a network: more fills the memory before anything can be said."""


@dataclass(frozen=True)
class Recipe:
    """How a network is trained."""

    name: str  # the recipe's file, without its ending
    # What it trains, and where the recipe stands.
    title: str
    paper: str
    method: str  # the method that the weights belong to: they are tried as METHOD=method@own
    network: str  # the network that is trained, one of `NETWORKS`
    images: str  # the training set. Comma list: several.
    noise: str  # a degradation as on NOISE; a range is drawn for each patch
    arguments: Mapping[str, Any] = field(default_factory=dict)  # what it is made with
    programme: str = ""  # one of `PROGRAMMES`, that trains in several stages; empty: one stage, this recipe
    variant: str = ""  # what tells these weights apart from the paper's size: METHOD=method@own-variant
    # The noise of the held-out images; empty: `noise`, of a range a level for each image, the same in every run.
    validation_noise: str = ""
    # So many images of the training set, a quarter of them at most, are not trained on but show the progress.
    held_out: int = 8
    # Side in pixels, patches a step, and steps in all.
    patch: int = 40
    batch: int = 128
    steps: int = 100_000
    augment: bool = True  # whether patches are turned and mirrored
    # Whether they are mirrored left to right at least, where `augment` is false: for upright scenes.
    mirror: bool = False
    loss: str = "squared"  # one of `LOSSES`
    optimiser: str = "adam"  # one of `OPTIMISERS`
    rate: float = 1e-3  # learning rate at the start
    # From this share of the steps on, the rate is multiplied by this factor.
    schedule: tuple[tuple[float, float], ...] = ()
    cosine: bool = False  # whether the rate falls to zero along half a cosine instead
    warm_up: int = 0  # steps over which the rate rises from zero
    decay: float = 0.0
    clip: float = 0.0  # largest norm of the gradient; 0: none
    average: float = 0.0  # decay of the running mean of the weights, which is what is stored; 0: the weights themselves
    seed: int = 0  # of the weights, patches and noise
    # Whether the last channel of the training images is their label map (its numbers as grey levels).
    labels: bool = False
    # What the programme reads besides; its docstring says what.
    options: Mapping[str, Any] = field(default_factory=dict)
    # One of `CORRUPTIONS`, which draws the noise of the patches where `noise` cannot say it; `noise` is then what held-
    # out images and records know. Empty: `noise`.
    corruption: str = ""
    align: int = 1  # patches begin at multiples of this row and column; 2 keeps the pattern of Bayer mosaics
    # Weights that training starts from: a name as METHOD has it, ``"dncnn@own"``, or a file; empty: untrained.
    start: str = ""
    start_sha256: str = ""  # of their file, filled in when it is found

    @property
    def weights_name(self) -> str:
        """What a person types on METHOD for the weights."""
        return f"{self.method}@own" + (f"-{self.variant}" if self.variant else "")

    @property
    def stem(self) -> str:
        """The name of the files of its weights, without ending."""
        return slug(f"{self.weights_name}-{self.noise}")

    @property
    def digest(self) -> str:
        """Hash of everything that determines the trained weights."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        share = step / self.steps
        rate = self.rate * min(1.0, (step + 1) / self.warm_up) if self.warm_up else self.rate
        if self.cosine:
            return rate * 0.5 * (1 + math.cos(math.pi * share))
        for start, factor in self.schedule:
            rate *= factor if share >= start else 1.0
        return rate

    def build(self) -> Any:
        """Return the untrained network; its weights depend on the seed alone.

        Raises
        ------
        BenchError
            If there is no such network.
        """
        import torch

        torch.manual_seed(self.seed)
        try:
            return resolve(NETWORKS[self.network].maker)(**self.arguments)
        except (TypeError, ValueError, RuntimeError, AssertionError, IndexError) as error:
            made_of = ", ".join(f"{name} {value}" for name, value in self.arguments.items())
            raise BenchError(
                f"recipe {self.name}: there is no network {self.network} with {made_of} ({one_line(error)})"
            ) from None

    def folded(self, network: Any) -> Any:
        """Return the network as it is stored, batch normalisation folded where it has some."""
        fold = NETWORKS[self.network].fold
        return resolve(fold)(network) if fold else network


def recipe_files() -> dict[str, Path]:
    """Return the file of every recipe, by its name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.toml"))}


def load_recipe(name: str) -> Recipe:
    """Read a recipe, by its name or from a file that ends in ``.toml``.

    Raises
    ------
    BenchError
        If there is no such recipe, or a word or value in it means nothing.
    """
    known = recipe_files() | ({name: Path(name)} if name.endswith(".toml") else {})
    if name not in known:
        raise unknown("recipe", name, known, "; a recipe is a file of methods/recipes/")
    return recipe_from(known[name].stem, _toml(known[name]))


def recipe_name(method: str) -> str:
    """Return the name of the recipe that a person means: itself, or the one that trains a method as in its paper."""
    known = recipe_files()
    if method in known or method.endswith(".toml"):
        return method
    fitting = {name: table for name, path in known.items() if (table := _toml(path)).get("method") == method}
    return next((name for name, table in fitting.items() if "variant" not in table), next(iter(fitting), method))


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_text(path))
    except OSError as error:
        raise BenchError(f"recipe {path}: cannot be read ({error.strerror}); make search writes such files") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise BenchError(f"recipe {path}: is no TOML ({error})") from None


def recipe_from(name: str, table: Mapping[str, Any]) -> Recipe:
    """Return the recipe that a table says, which has fields of `Recipe` as TOML and JSON have them.

    Raises
    ------
    BenchError
        If a word or value means nothing.
    """
    where = f"recipe {name}"
    own: dict[str, Any] = {one.name: one for one in fields(Recipe) if one.name != "name"}
    for word in table:
        if word not in own:
            raise unknown(f"word in {where}:", word, own)
    missing = [word for word, one in own.items() if one.default is one.default_factory is MISSING and word not in table]
    if missing:
        raise BenchError(f"{where}: has no {missing[0]}; expected {', '.join(missing)} too, as in other recipes")
    values = {
        word: checked(f"{where}: {word}", value, own[word].type())
        for word, value in table.items()
        if own[word].type in KINDS
    }
    _known(where, "network", values["network"], NETWORKS)
    _known(where, "programme", values.get("programme", ""), PROGRAMMES)
    recipe = Recipe(
        name,
        **values,
        arguments=_arguments(where, values["network"], table.get("arguments", {})),
        options=checked(f"{where}: options", table.get("options", {}), PROGRAMMES[values.get("programme", "")]),
        schedule=_schedule(where, table.get("schedule", ())),
    )
    _check_values(where, recipe)
    return replace(recipe, noise=_usual(recipe.noise))


def _usual(noise: str) -> str:
    """Return a noise in one spelling, a bare sigma where that says all: the files of the weights bear it in their name.

    Examples
    --------
    >>> _usual("gaussian:25"), _usual("25.0"), _usual("gaussian:0-55")
    ('25', '25', 'gaussian:0-55')
    """
    text = str(parse(noise))
    sigma = text.removeprefix("gaussian:")
    return sigma if re.fullmatch(r"[\d.]+", sigma) else text


def _check_values(where: str, recipe: Recipe) -> None:
    """Refuse a value that is out of its range or stands in no table."""
    for word, table in (("loss", LOSSES), ("optimiser", OPTIMISERS), ("corruption", {"": "", **CORRUPTIONS})):
        _known(where, word, getattr(recipe, word), table)
    for word, least in LEAST.items():
        if getattr(recipe, word) < least:
            raise BenchError(f"{where}: {word} is {getattr(recipe, word)}; expected a number from {least} up")
    for word, most in MOST.items():
        if getattr(recipe, word) > most:
            raise BenchError(f"{where}: {word} is {getattr(recipe, word):g}; expected a number up to {most:g}")
    if not recipe.rate > 0:
        raise BenchError(f"{where}: rate is {recipe.rate:g}; expected a number above 0, as 1e-3")
    if not 0 <= recipe.average < 1:
        raise BenchError(f"{where}: average is {recipe.average:g}; expected 0 to below 1, as 0.999")
    if recipe.seed >= 2**32:
        raise BenchError(f"{where}: seed is {recipe.seed}; expected a number below 2^32")
    parse(recipe.noise)
    if recipe.validation_noise:
        parse(recipe.validation_noise)


def _arguments(where: str, network: str, given: Any) -> dict[str, Any]:
    """Return the arguments of a network in their types; counts of layers and channels are 1 or more."""
    examples = arguments(network)
    values: dict[str, Any] = checked(f"{where}: arguments", given, examples)
    for word, value in values.items():
        example = examples[word][0] if isinstance(examples[word], list | tuple) and examples[word] else examples[word]
        if type(example) is int and example > 0:
            numbers = value if isinstance(value, list) else [value]
            if not all(1 <= number <= MOST_LAYERS for number in numbers):
                raise BenchError(
                    f"{where}: arguments.{word} is {value}; expected a whole number from 1 to {MOST_LAYERS}"
                )
    return values


def _known(where: str, word: str, value: str, table: Mapping[str, Any]) -> None:
    if value not in table:
        raise unknown(f"{word} in {where}:", value, table)


def _schedule(where: str, rows: Any) -> tuple[tuple[float, float], ...]:
    try:
        schedule = tuple((float(share), float(factor)) for share, factor in rows)
        shares = [share for share, _ in schedule]
        rises = shares == sorted(set(shares))
        if rises and all(0 <= share <= 1 and 0 < factor < math.inf for share, factor in schedule):
            return schedule
    except (TypeError, ValueError):
        pass
    raise BenchError(
        f"{where}: schedule is {rows}; expected [[share, factor], ...], shares that rise, from 0 to 1"
    ) from None
