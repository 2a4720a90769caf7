"""The plan: what a person's words mean, as a list of cells, before anything heavy is imported."""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

import datasets
import methods
from bench import degradation
from bench.adapters import method_from_package, method_of, packaged, with_weights
from bench.common.errors import BenchError, one_line
from bench.common.parsing import name_and_options, split, unknown
from bench.degradation import Degradation
from bench.plan import fingerprint, inference
from bench.plan.cell import WORDS, Cell, Failure
from bench.plan.inference import Inference
from bench.plan.protocol import PROTOCOLS, Protocol, protocol
from datasets import Dataset
from datasets.folder import as_noisy
from methods import Method, Net
from methods.description import names

T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """A person's words: each a comma list, or `all`.

    Attributes
    ----------
    method, data, noise, protocol, seed : str
        As typed on METHOD, DATA, NOISE, PROTOCOL and SEED. Empty noise and protocol: the dataset's own,
        for most ``"25"`` and ``"standard"``.
    weights : str
        Path of a person's own file of weights for the method, or empty.
    ensemble, precision : str
        As typed on ENSEMBLE and PRECISION.
    tile : int
        Side of the tiles, or 0.
    sigma : str
        As typed on SIGMA: what methods are told instead of the sigma of the noise.
    """

    method: str = "bm3d,nlm,wavelet"
    data: str = "builtin"
    noise: str = ""
    protocol: str = ""
    seed: str = "0"
    weights: str = ""
    ensemble: str = "1"
    precision: str = "fp32"
    tile: int = 0
    sigma: str = ""


def plan(request: Request) -> tuple[list[Cell], list[Failure]]:
    """Return the cells that a request asks for, and the parts of it that cannot be run.

    Every combination is one or the other. Nothing is read but registries, a person's own files,
    and code for its fingerprint.
    """
    combinations = itertools.product(
        _resolve(request.method, _ready(request.weights), lambda word: _method(word, request.weights)),
        _images(request),
        _resolve(request.seed, [str(s) for s in range(5)], _seed),
        _resolve(request.ensemble, [str(e) for e in inference.ENSEMBLES], inference.ensemble),
        _resolve(request.precision, list(inference.PRECISIONS), inference.precision),
    )
    tile, told = _tile(request.tile), _told(request.sigma)
    cells: list[Cell] = []
    failures: list[Failure] = []
    for method, (data, noise, rules), seed, ensemble, precision in combinations:
        try:
            how = Inference(ensemble.value(), precision.value(), tile, told)
            cells.append(_cell(method.value(), data.value(), noise.value(), rules.value(), seed.value(), how))
        except (BenchError, ValueError, OSError) as error:
            asked = [word.text for word in (method, data, noise, rules, seed)]
            failures.append(Failure(dict(zip(WORDS, asked, strict=True)), one_line(error)))
    unique = {cell.key: cell for cell in cells}
    return list(unique.values()), _collapse(failures)


def single(method: str, weights: str, dataset: Dataset, noise: str) -> Cell:
    """Return one method on a dataset that need not be registered, under the default protocol and seed.

    Raises
    ------
    BenchError, ValueError
        If the method is not known, or has no net for the images and the noise.
    """
    return _cell(
        _method(method, weights), dataset, degradation.parse(noise), protocol(dataset.protocol), 0, Inference()
    )


def choose(method: Method, colour: str, sigma: float | None, noise: Degradation | None = None) -> Net:
    """Return the net that a method uses for a colour and a sigma (0-255 scale; None: not known).

    The first that was made for this very noise, where there is one; else the first that was trained for both;
    else, where the method may leave its range, the first of that colour. Where sigma is not known, the first
    blind one, else the first that is not bound to one sigma.

    Raises
    ------
    BenchError
        If there is none, with what there is.
    """
    fitting = [net for net in method.nets if net.colour in (colour, "any")]
    if not fitting:
        has = " and ".join(sorted({net.colour for net in method.nets}))
        raise BenchError(f"method {method.name} has {has} nets only, and the images are {colour}; see make list")
    if method.learned and all(net.weights is None for net in fitting):
        raise BenchError(
            f"method {method.name}: no trained weights of it can be had; give a file of yours with WEIGHTS=path"
        )
    for net in fitting:
        if noise is not None and net.noise and degradation.parse(net.noise) == noise:
            return net
    if sigma is None:
        wide = [net for net in fitting if net.covers_a_range]
        if not wide:
            raise BenchError(
                f"method {method.name}: its nets are each for one sigma ({names(tuple(fitting))}), and these "
                "images come with no known noise level; say which one with SIGMA, or use a blind method"
            )
        return next((net for net in wide if not net.given_sigma), wide[0])
    trained = [net for net in fitting if net.covers(sigma)]
    if not trained and not method.extrapolates:
        raise BenchError(
            f"method {method.name}: no {colour} net was trained for sigma {sigma:g}; there are {names(tuple(fitting))}"
        )
    return (trained or fitting)[0]


@dataclass(frozen=True)
class _Word(Generic[T]):
    """A word of a person's, and what it means or why it means nothing."""

    text: str
    meaning: T | Exception

    def value(self) -> T:
        if isinstance(self.meaning, Exception):
            raise self.meaning
        return self.meaning


def _resolve(text: str, everything: Iterable[str], read: Callable[[str], T]) -> list[_Word[T]]:
    words: list[_Word[T]] = []
    for word in everything if text.strip() == "all" else split(text):
        try:
            words.append(_Word(word, read(word)))
        except (BenchError, ValueError, OSError) as error:
            words.append(_Word(word, error))
    return words


def _collapse(failures: Iterable[Failure]) -> list[Failure]:
    """Keep one failure a cause: a misspelt method fails once, not for every sigma and seed."""
    by_cause: dict[str, Failure] = {}
    for failure in failures:
        by_cause.setdefault(failure.cause, failure)
    return list(by_cause.values())


def _ready(weights: str) -> list[str]:
    """Return the methods that can run: those that only a person can bring weights for need WEIGHTS."""
    known = methods.available().values()
    return [m.name for m in known if weights or not m.learned or any(net.weights for net in m.nets)]


def _method(word: str, weights: str) -> tuple[Method, dict[str, str]]:
    own = method_of(word, weights)
    if own is not None:
        method, given = own
    else:
        name, given = name_and_options(word)
        known = methods.available()
        found = known.get(name) or method_from_package(name)
        if found is None:
            more = "; see make list, or give the path of a Python, ONNX or TensorFlow Lite file, or cmd:PROGRAM"
            raise unknown("method", name, [*known, *packaged()], more)
        method = found
    for key, value in given.items():
        if key not in method.options:
            has = f"it has {', '.join(method.options)}" if method.options else "it has none"
            raise BenchError(f"method {method.name} has no option {key!r}; {has}")
        if key in method.choices and value not in method.choices[key]:
            raise BenchError(f"method {method.name}: {key}={value}; expected one of {', '.join(method.choices[key])}")
    if weights and own is None:
        method = with_weights(method, Path(weights))
    return method, {**method.options, **given}


def known_dataset(word: str) -> Dataset:
    """Return the dataset of a word on DATA: a name of the registry, or a path."""
    known = datasets.available()
    if word in known:
        return known[word]
    path = Path(word).expanduser()
    if path.exists():
        from datasets.own import from_path

        return from_path(path)
    raise unknown("dataset", word, known, "; see make list, or give the path of a folder, an archive or one image")


def _images(request: Request) -> "list[tuple[_Word[Dataset], _Word[Degradation], _Word[Protocol]]]":
    """Return every dataset with every noise and protocol asked for; each dataset says what stands for no word."""
    found = []
    test_sets = (name for name, entry in datasets.available().items() if entry.in_all)  # counted where asked for
    for data in _resolve(request.data, test_sets, known_dataset):
        entry = data.meaning if isinstance(data.meaning, Dataset) else None
        usual = entry.default_noise if entry else "25"
        every = ["15", "25", "50"] if usual == "25" else [usual]
        noises = _resolve(_ungrouped(request.noise or usual), every, degradation.parse)
        rules = _resolve(request.protocol or (entry.protocol if entry else "standard"), list(PROTOCOLS), protocol)
        found += [(data, noise, rule) for noise, rule in itertools.product(noises, rules)]
    return found


def _ungrouped(text: str) -> str:
    """Write out the words that mean several degradations."""
    return ",".join(",".join(degradation.GROUPS.get(word, (word,))) for word in split(text))


def _told(word: str) -> float | None:
    if not word:
        return None
    try:
        sigma = float(word)
    except ValueError:
        sigma = 0.0
    if not 0 < sigma <= 255:
        raise BenchError(f"SIGMA={word}: expected the number that methods are told, above 0 and up to 255")
    return sigma


def _tile(side: int) -> int:
    if side and side < inference.SMALLEST_TILE:
        raise BenchError(f"TILE={side}: expected 0 (the harness decides) or at least {inference.SMALLEST_TILE} pixels")
    return side


def _seed(word: str) -> int:
    if not word.isdecimal():
        raise BenchError(f"SEED={word}: expected a whole number from 0 up")
    return int(word)


def _cell(
    method_and_options: tuple[Method, dict[str, str]],
    dataset: Dataset,
    degradation: Degradation,
    protocol: Protocol,
    seed: int,
    how: Inference,
) -> Cell:
    method, options = method_and_options
    if protocol.noise_draw == "reset" and seed != 0:
        raise BenchError(
            f"PROTOCOL={protocol.name} has seed 0 only, got SEED={seed}; for other seeds use PROTOCOL=standard"
        )
    if degradation.recorded and not dataset.has_noisy and dataset.name not in datasets.available():
        dataset = as_noisy(dataset)  # a person's own photographs, with the noise that is in them
    if degradation.recorded and not dataset.has_noisy:
        raise BenchError(f"dataset {dataset.name} has no noisy images of its own for NOISE=pairs; give NOISE=25")
    if not degradation.recorded and not dataset.has_clean:
        raise BenchError(f"dataset {dataset.name} has no clean images to add noise to; use NOISE=pairs")
    sigma = degradation.sigma if how.sigma is None else how.sigma
    net = choose(method, dataset.colour, sigma, degradation)
    how = how if net.given_sigma else replace(how, sigma=None)
    code = fingerprint.of_code(method, net, dataset, degradation, how)
    return Cell(
        method=method,
        net=net,
        options=options,
        dataset=dataset,
        degradation=degradation,
        protocol=protocol,
        seed=seed if degradation.random else 0,
        code=code.code,
        data=fingerprint.of_data(dataset),
        harness=code.harness,
        packages=code.packages,
        inference=how,
    )
