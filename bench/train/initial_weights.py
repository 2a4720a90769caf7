"""START: the weights that a training goes on from."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.common.errors import BenchError
from bench.common.files import as_recorded
from bench.common.parsing import unknown
from bench.common.text_files import DAMAGE, file_there, read_text
from bench.train.recipe import Recipe
from bench.train.weights_file import FOLDER
from datasets.walking import typed_path
from methods.sealed_json import parsed

if TYPE_CHECKING:
    from torch import Tensor


def initial_weights(recipe: Recipe, *folders: Path) -> "tuple[Recipe, dict[str, Tensor] | None]":
    """Return the weights that a recipe starts from, and the recipe with their SHA-256; None: it starts untrained.

    Parameters
    ----------
    recipe : Recipe
        Its `start` is a file of safetensors, or a name as METHOD has it, of which a folder has a record.
    *folders : Path
        Of weights and their records, besides `weights_file.FOLDER`.

    Raises
    ------
    BenchError
        If the recipe has several stages, there are no such weights, they do not fit its network, or they are not those
        that its `start_sha256` says.
    """
    if not recipe.start:
        return recipe, None
    if recipe.programme:
        raise BenchError(
            f"START={recipe.start}: recipe {recipe.name} trains in several stages ({recipe.programme}), each of which "
            "has its own start; expected a recipe of one stage"
        )
    path = weights_of(recipe, FOLDER, *folders)
    digest = as_recorded(path, f"START={recipe.start}")
    if recipe.start_sha256 not in ("", digest):
        raise BenchError(
            f"START={recipe.start}: {path} has SHA-256 {digest[:16]}..., and the training began with "
            f"{recipe.start_sha256[:16]}...; bring that file, or train without RECORD"
        )
    return replace(recipe, start_sha256=digest), _loaded(recipe, path)


def weights_of(recipe: Recipe, *folders: Path) -> Path:
    """Return the file that `start` of a recipe means: of several with one name, that of the recipe's noise.

    Raises
    ------
    BenchError
        If there are no such weights, or several and none for the noise.
    """
    if recipe.start.endswith(".safetensors"):
        path = typed_path(recipe.start)
        file_there(f"START={recipe.start}", path, "weights of make train")
        return path
    files: dict[str, dict[str, Path]] = {}
    for record in (record for folder in folders for record in sorted(folder.glob("*.json"))):
        try:
            content = parsed(read_text(record), by_hand=True)
            name, noise, path = content["name"], content["recipe"]["noise"], record.parent / content["weights"]
        except DAMAGE:
            continue  # `make list` says which one is damaged
        files.setdefault(name, {})[noise] = path
        files[record.stem] = {noise: path}
    if recipe.start not in files:
        raise unknown("weights on START:", recipe.start, files, "; or the path of a .safetensors file")
    named = files[recipe.start]
    path = named.get(recipe.noise) or next(iter(named.values()))
    if recipe.noise not in named and len(named) > 1:
        raise BenchError(
            f"START={recipe.start}: there are several such weights, and none for {recipe.noise}; expected one of "
            f"{', '.join(sorted(path.stem for path in named.values()))}"
        )
    return path


def _loaded(recipe: Recipe, path: Path) -> "dict[str, Tensor]":
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise BenchError(f"START={recipe.start}: {path} cannot be read as safetensors ({error})") from None
    expected = recipe.build().state_dict()
    wrong = [name for name in {**expected, **tensors} if _shape(expected, name) != _shape(tensors, name)]
    if not wrong:
        return {name: value.to(expected[name].dtype) for name, value in tensors.items()}
    folded = any(name.endswith("running_var") for name in expected) and not any(
        name.endswith("running_var") for name in tensors
    )
    more = (
        "; stored weights have the batch normalisation folded into the convolutions: add CHANGE=norm=false to go on "
        "with them without it"
        if folded
        else "; expected weights of the same network: see CHANGE for depth and width"
    )
    raise BenchError(
        f"START={recipe.start}: {path.name} does not fit the network of recipe {recipe.name}: {wrong[0]} is "
        f"{_shape(tensors, wrong[0])} there and {_shape(expected, wrong[0])} here{more}"
    )


def _shape(tensors: "Mapping[str, Tensor]", name: str) -> str:
    return "x".join(map(str, tensors[name].shape)) or "a number" if name in tensors else "missing"
