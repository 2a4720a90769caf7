"""A person's own weights in one of our networks."""

from dataclasses import replace
from pathlib import Path

from bench.adapters.conventions import RECOGNISE
from bench.common import hdf5
from bench.common.errors import BenchError
from bench.common.files import sha256
from bench.common.text_files import file_there
from methods import Method, Weights


def with_weights(method: Method, path: Path) -> Method:
    """Return a learned method whose nets all use a person's own file of weights.

    What the published weights were trained for and reached is forgotten.

    Raises
    ------
    BenchError
        If there is no such file, or the method takes no weights.
    """
    file_there(f"WEIGHTS={path}", path, "a file of weights")
    if not method.learned and all(net.weights is None for net in method.nets):
        raise BenchError(f"WEIGHTS={path}: method {method.name} takes no weights")
    hdf5.check(path, f"WEIGHTS={path}")
    own = Weights(path.name, sha256(path), licence="your own file", local=str(path.resolve()))
    by_colour = {net.colour: net for net in reversed(method.nets)}
    nets = tuple(
        replace(
            net,
            id=f"{method.name}@{own.sha256[:12]}",
            label=method.name,
            weights=own,
            trained=None,
            receptive_field=None,
            parameters=None,
            published=None,
            trained_on=(),
            returns=RECOGNISE,
        )
        for net in by_colour.values()
    )
    return replace(method, nets=nets)
