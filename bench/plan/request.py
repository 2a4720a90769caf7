"""The plan: what a person's words mean, as a list of cells, before anything heavy is imported."""

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from bench import degradation
from bench.common.errors import BenchError, DoesNotFit, one_line
from bench.degradation import Degradation
from bench.plan import fingerprint, inference, resolve
from bench.plan.cell import REQUESTED, Cell, Failure
from bench.plan.choose_net import choose_net, held_against
from bench.plan.inference import Inference
from bench.plan.names import told_apart
from bench.plan.outputs import are_outputs, clashes, with_files
from bench.plan.protocol import PROTOCOLS, Protocol, protocol, protocols
from bench.plan.resolve import EXPECTED, ConfiguredMethod, Resolved
from datasets import Dataset
from datasets.from_path import as_noisy
from datasets.gray import as_gray
from methods import Method, Net


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
    range : str
        As typed on RANGE: the value of white of a person's images that are deeper than 8 bits.
    output : str
        As typed on OUTPUT: what a person's own methods return.
    judged : str
        As typed on AS: whose published numbers a person's own methods are held against.
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
    range: str = ""
    output: str = ""
    judged: str = ""


@dataclass(frozen=True)
class Plan:
    """What a request asks for.

    Attributes
    ----------
    cells : list of Cell
        What runs.
    failures : list of Failure
        The parts of the request that cannot be run.
    left_out : list of str
        What does not fit of each combination that ``"all"`` brought in.
    combinations : int
        Of all parts of the request.
    """

    cells: list[Cell]
    failures: list[Failure]
    left_out: list[str]
    combinations: int

    @property
    def remarks(self) -> list[str]:
        """What a person is told of it: combinations that were left out, and a sigma that is likely on another scale."""
        lines = []
        if self.left_out:
            kinds = ", ".join(f"{kind} ({count})" for kind, count in Counter(self.left_out).most_common())
            lines.append(f"{len(self.left_out)} of {self.combinations} combinations left out: {kinds}")
        drawn = {("NOISE", cell.degradation.sigma) for cell in self.cells}
        told = {("SIGMA", cell.inference.level(None)) for cell in self.cells}
        return lines + [
            f"{variable}={sigma:g}: sigma is on the 0-255 scale, and less than one level of 8 bit; {sigma:g} of images "
            f"from 0 to 1 is {variable}={sigma * 255:.4g}"
            for variable, sigma in sorted((name, sigma) for name, sigma in drawn | told if sigma and sigma < 1)
        ]


def plan(request: Request) -> tuple[list[Cell], list[Failure]]:
    """Return the cells that a request asks for, and the parts of it that cannot be run; see `planned`."""
    whole = planned(request)
    return whole.cells, whole.failures


def planned(request: Request, methods: Sequence[Resolved[ConfiguredMethod]] = ()) -> Plan:
    """Return what a request asks for, with other methods than it names where they are given.

    Every combination is a cell or a failure, or it is left out: where ``"all"`` brought a part of it in, which does
    not fit the others. Nothing is read but registries, a person's own files, and code for its fingerprint.

    Raises
    ------
    BenchError
        If a list is empty, nothing of all fits, or no method takes what OUTPUT or SIGMA says.
    """
    planner = _Planner()
    cells: dict[tuple[str, tuple[str, ...] | None], Cell] = {}  # code may open other files in another folder
    failures: list[Failure] = []
    left_out: list[str] = []
    combinations = 0
    for method, (data, noise, rules), seed, how in itertools.product(
        methods or _methods(request),
        list(_images(request)),
        resolve.resolve("SEED", resolve.seeds(request.seed), list(map(str, range(5))), resolve.seed),
        list(_inferences(request)),
    ):
        combinations += 1
        words = (method, data, noise, rules, seed)
        try:
            cell = planner.cell(method.value(), data.value(), noise.value(), rules.value(), seed.value(), how.value())
            cells.setdefault((cell.key, cell.folders), cell)
        except EXPECTED as error:
            if isinstance(error, DoesNotFit) and any(word.of_all for word in (*words, how)):
                left_out.append(error.kind)
                continue
            asked = dict(zip(REQUESTED, (word.word for word in words), strict=True))
            failures.append(Failure(asked, one_line(error)))
    for key, cause in clashes(list(cells.values())).items():
        failures.append(Failure(cells.pop((key, None)).request, cause))  # outputs have no code
    _check_used(request, cells.values())
    whole = Plan(told_apart(list(cells.values())), _one_a_cause(failures), left_out, combinations)
    if left_out and not cells and not failures:
        raise BenchError(f"nothing fits: {whole.remarks[0]}")
    return whole


def _check_used(request: Request, cells: Collection[Cell]) -> None:
    """Raise `BenchError` where something was said that holds for no cell, and would be passed over without a word."""
    if request.output and cells and all(cell.net.returns is None for cell in cells):
        raise BenchError(
            f"OUTPUT={request.output} says what a method of your own returns, and none of METHOD={request.method} is "
            "one; leave it out"
        )
    if request.sigma and cells and not any(cell.net.given_sigma for cell in cells):
        raise BenchError(
            f"SIGMA={request.sigma} is what methods are told, and none of METHOD={request.method} is told sigma; leave "
            "it out"
        )


def inputs(request: Request) -> tuple[list[Cell], list[Failure]]:
    """Return the cells of a request, whatever its methods: each of `UNCHANGED`."""
    whole = planned(request, [Resolved("", ConfiguredMethod(UNCHANGED, {}))])
    return whole.cells, whole.failures


def _unchanged(net: Net, weights: Path | None, options: Mapping[str, str]) -> Callable[..., Any]:
    return lambda noisy, sigma: noisy


UNCHANGED = Method("none", "the noisy image", "", (Net("none", "noisy images", "any"),), _unchanged)
"""Returns the noisy image."""


def single(method: str, weights: str, dataset: Dataset, noise: str) -> Cell:
    """Return one method on a dataset that need not be registered, under the default protocol and seed.

    Raises
    ------
    BenchError, ValueError
        If the method is not known, has no net for the images and the noise, or cannot run on them.
    """
    configured = resolve.known_method(method, weights)
    if are_outputs(configured.method):
        raise BenchError(f"METHOD={method}: outputs are finished; this needs a method that runs on other images")
    return _Planner().cell(configured, dataset, degradation.parse(noise), protocol(dataset.protocol), 0, Inference())


def _methods(request: Request) -> list[Resolved[ConfiguredMethod]]:
    def read(word: str) -> ConfiguredMethod:
        return resolve.known_method(word, request.weights, request.judged)

    found = resolve.resolve("METHOD", request.method, resolve.ready_methods(request.weights), read)
    named = [one.meaning for one in found if isinstance(one.meaning, ConfiguredMethod)]
    if request.judged and named and not any(one.like for one in named):
        raise BenchError(
            f"AS={request.judged}: no method here is your own; AS says by whose published numbers your file, program, "
            "weights or outputs are judged, and registered methods are judged by their own"
        )
    return found


def _images(
    request: Request,
) -> Iterator[tuple[Resolved[Dataset], Resolved[Degradation], Resolved[Protocol]]]:
    """Give every dataset with every noise and protocol asked for; each dataset says what stands for no word."""
    read = partial(resolve.known_dataset, white=resolve.white(request.range))
    for data in resolve.resolve("DATA", request.data, resolve.ready_datasets(), read, resolve.dataset_words):
        entry = data.meaning if isinstance(data.meaning, Dataset) else None
        usual = entry.default_noise if entry else "25"
        every = ["15", "25", "50"] if usual == "25" else [usual]
        noises = resolve.resolve("NOISE", resolve.degradations(request.noise or usual), every, degradation.parse)
        rules = resolve.resolve(
            "PROTOCOL", protocols(request.protocol) or (entry.protocol if entry else "standard"), PROTOCOLS, protocol
        )
        yield from ((data, noise, rule) for noise, rule in itertools.product(noises, rules))


def _inferences(request: Request) -> Iterator[Resolved[Inference]]:
    """Give every way of running a method that is asked for."""
    tile, sigma, output = resolve.tile(request.tile), inference.sigma(request.sigma), inference.output(request.output)
    ensembles = resolve.resolve("ENSEMBLE", request.ensemble, map(str, inference.ENSEMBLES), inference.ensemble)
    precisions = resolve.resolve("PRECISION", request.precision, inference.PRECISIONS, inference.precision)
    for ensemble, precision in itertools.product(ensembles, precisions):
        word = f"{ensemble.word}, {precision.word}"
        try:
            yield Resolved(word, Inference(ensemble.value(), precision.value(), tile, sigma, output))
        except BenchError as error:
            yield Resolved(word, error)


def _one_a_cause(failures: Iterable[Failure]) -> list[Failure]:
    """Keep one failure a cause: a misspelt method fails once, not for every sigma and seed."""
    by_cause: dict[str, Failure] = {}
    for failure in failures:
        by_cause.setdefault(failure.cause, failure)
    return list(by_cause.values())


class _Planner:
    """Makes cells; what many of them share is made once."""

    def __init__(self) -> None:
        self._cells: dict[tuple[int, int, Degradation, Inference], Cell] = {}
        self._data: dict[int, str] = {}
        self._noisy: dict[int, Dataset] = {}
        self._gray: dict[tuple[int, str], Dataset] = {}

    def cell(
        self,
        method: ConfiguredMethod,
        dataset: Dataset,
        degradation: Degradation,
        protocol: Protocol,
        seed: int,
        how: Inference,
    ) -> Cell:
        """Return a cell; methods and datasets are told apart by their objects, which must live on."""
        if protocol.noise_draw != "independent" and seed != 0:
            raise DoesNotFit(
                f"PROTOCOL={protocol.name} has seed 0 only, got SEED={seed}; for other seeds use PROTOCOL=standard",
                f"seeds other than 0 under {protocol.name}",
            )
        dataset = self._coloured(dataset, protocol)
        shared = (id(method), id(dataset), degradation, how)
        if shared not in self._cells:
            self._cells[shared] = self._first(method, self._degradable(dataset, degradation), degradation, how)
        return with_files(replace(self._cells[shared], protocol=protocol, seed=seed if degradation.random else 0))

    def _first(self, method: ConfiguredMethod, dataset: Dataset, degradation: Degradation, how: Inference) -> Cell:
        net = choose_net(method.method, dataset.colour, how.level(degradation.sigma), degradation)
        net = held_against(net, method.like, dataset.colour, degradation)
        how = how if net.given_sigma else replace(how, sigma=None)
        how = how if net.returns is not None else replace(how, output="")
        code = fingerprint.of_code(method.method, net, dataset, degradation, how)
        if id(dataset) not in self._data:
            self._data[id(dataset)] = fingerprint.of_data(dataset)
        return Cell(
            method=method.method,
            net=net,
            options=method.options,
            dataset=dataset,
            degradation=degradation,
            protocol=PROTOCOLS["standard"],
            seed=0,
            code=code.code,
            data=self._data[id(dataset)],
            harness=code.harness,
            packages=code.packages,
            inference=how,
        )

    def _coloured(self, dataset: Dataset, protocol: Protocol) -> Dataset:
        """Return the dataset in the colour that a protocol asks for, or raise `DoesNotFit`."""
        if dataset.colour != "rgb" and (protocol.channel != "rgb" or protocol.gray != "none"):
            which = f"channel={protocol.channel}" if protocol.channel != "rgb" else f"gray={protocol.gray}"
            raise DoesNotFit(
                f"PROTOCOL={protocol.name}: the images of {dataset.name} are gray, and {which} is for colour images; "
                "leave it out",
                "gray images under a protocol for colour images",
            )
        if protocol.gray == "none":
            return dataset
        return self._gray.setdefault((id(dataset), protocol.gray), as_gray(dataset, protocol.gray))

    def _degradable(self, dataset: Dataset, degradation: Degradation) -> Dataset:
        """Return the dataset as the degradation takes it, or raise `BenchError` where it lacks what that needs."""
        if not degradation.recorded and not dataset.has_clean:
            raise DoesNotFit(
                f"dataset {dataset.name} has no clean images to add noise to; use NOISE=pairs",
                "datasets without clean images to add noise to",
            )
        if not degradation.recorded or dataset.has_noisy:
            return dataset
        if dataset.ledger is not None:
            raise DoesNotFit(
                f"dataset {dataset.name} has no noisy images of its own for NOISE=pairs; give NOISE=25",
                "datasets without noisy images of their own",
            )
        # A person's own photographs, with the noise that is in them.
        return self._noisy.setdefault(id(dataset), as_noisy(dataset))
