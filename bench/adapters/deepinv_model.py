"""A denoiser of the package deepinv."""

import ast
import importlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from bench.adapters.conventions import RECOGNISE
from bench.adapters.description import KEYS, Denoise, code_of, declared, known_keys
from bench.adapters.optional_packages import version
from bench.common import subnormal
from bench.common.errors import BenchError, one_line
from bench.common.parsing import unknown
from methods import Method, Net

if TYPE_CHECKING:
    from torch import Tensor

_CHANNELS = {"in_channels", "out_channels", "in_nc", "in_chans", "img_channels", "channels"}
"""What deepinv's networks call the number of channels of an image."""

_BLIND = ("scunet", "swinir", "restormer", "dncnn", "dsccp")
"""Networks that take sigma for form's sake and do not use it."""


def method_from_deepinv(options: Mapping[str, str]) -> Method:
    """Make a method of deepinv, for `METHOD=deepinv:model=drunet,weights=drunet_color.pth`.

    Parameters
    ----------
    options : mapping
        `model`: a denoiser of `deepinv.models`, in any case; `weights`: a file (used by the caller);
        any of `bench.adapters.description.KEYS`; all others are arguments of its constructor, as ``nb=2``, or
        ``nc=64/128/256/512`` where there are several numbers.

    Raises
    ------
    BenchError
        If deepinv is not installed, has no such denoiser, or it has no such argument.
    """
    where = "METHOD=deepinv"
    installed = version(where, "deepinv")
    if "model" not in options:
        raise BenchError(f"{where}: say which network, as in deepinv:model=drunet,weights=path")
    known = _classes(where)
    name = options["model"].lower()
    if name not in known:
        raise unknown("network of deepinv", name, known)
    parameters = inspect.signature(known[name].__init__).parameters
    given = {key: _value(text) for key, text in options.items() if key not in (*KEYS, "model", "weights")}
    known_keys(where, given, [p for p in parameters if p not in ("self", "pretrained", "device")])
    learned = "pretrained" in parameters
    method = f"deepinv-{name}"
    nets = tuple(
        declared(
            where,
            {"colour": colour} | dict(options),
            Net(method, method, colour, given_sigma=name not in _BLIND, returns=RECOGNISE),
        )
        for colour in (("gray", "rgb") if learned else ("any",))
    )
    nets = tuple({net.colour: net for net in nets}.values())
    code = code_of(installed, name, given)
    load = Load(name, tuple(given.items()), code)
    return Method(method, f"{known[name].__name__} of deepinv", "deepinv", nets, load, learned=learned)


@dataclass(frozen=True)
class Load:
    """Builds the network when a cell runs."""

    name: str
    arguments: tuple[tuple[str, Any], ...]
    code: str
    network: ClassVar[bool] = False

    def __call__(self, net: Net, weights: Path | None, options: Mapping[str, str]) -> Denoise:
        """Return the network, with the weights of a file, as a method's callable.

        Raises
        ------
        ValueError
            If it cannot be built, or the weights are of another network.
        """
        import torch

        from methods.checkpoints import notes, state_dict
        from methods.formats import fill

        where = f"METHOD=deepinv:model={self.name}"
        kind = _classes(where)[self.name]
        parameters = inspect.signature(kind.__init__).parameters
        arguments: dict[str, Any] = {"pretrained": None} if "pretrained" in parameters else {}
        if net.colour != "any":
            arguments |= dict.fromkeys(_CHANNELS & set(parameters), 3 if net.colour == "rgb" else 1)
        try:
            network = kind(**arguments | dict(self.arguments))
        except Exception as error:
            raise ValueError(f"{where}: cannot be built ({one_line(error)[:200]})") from error
        if weights is not None:
            fill(network, state_dict(weights), weights, f"a {kind.__name__} of deepinv for {net.colour} images")
        network.eval()

        def run(noisy: "Tensor", sigma: float | None) -> "Tensor":
            network.to(noisy.device)
            with torch.inference_mode():
                return network(noisy.clone(), sigma)

        run.notes = (*(notes(weights) if weights else ()), *subnormal.zeroed(network))  # type: ignore[attr-defined]
        return run


def _classes(where: str) -> dict[str, Any]:
    """Return the denoisers of deepinv by their names in lower case."""
    try:
        deepinv: Any = importlib.import_module("deepinv")
    except Exception as error:  # noqa: BLE001 - a package of its own that does not fit this torch
        raise BenchError(f"{where}: deepinv cannot be imported ({one_line(error)[:160]})") from None
    members = {n: getattr(deepinv.models, n) for n in dir(deepinv.models)}
    base = deepinv.models.Denoiser
    return {n.lower(): c for n, c in members.items() if isinstance(c, type) and issubclass(c, base) and c is not base}


def _value(text: str) -> Any:
    try:
        return tuple(map(ast.literal_eval, text.split("/"))) if "/" in text else ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
