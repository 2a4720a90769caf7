"""How a person's own method may be called and what it may return: what is said of it, and the call that follows."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

from bench.adapters.output_tensors import joined, shaped, tensor_of
from bench.common.errors import BenchError

if TYPE_CHECKING:
    from torch import Tensor

Denoise = Callable[["Tensor", "float | None"], Any]

OUTPUTS = {
    "image": ("the image", "kept"),
    "residual": ("the noise", "subtracted"),
    "-residual": ("the noise with its sign turned", "added"),
    "255": ("values from 0 to 255", "divided by 255"),
    "-1..1": ("values from -1 to 1", "brought to 0..1"),
}
"""What a method may return, as OUTPUT says it; what that is, and what is done to it."""

EXPECTED_OUTPUT = f"one of {', '.join(OUTPUTS)}"

RECOGNISE = ""
"""What `methods.Net.returns` is of a method that says nothing: it is recognised when the first image is run."""

INPUTS = ("0..1", "0..255", "-1..1")
"""Scales of the image that a method may take; it returns its image, or the noise, on the scale that it takes."""

ARRAY = "array"
"""Said as INPUT: a function gets arrays of NumPy, (H, W) of a gray image and (H, W, 3) of a colour one, one by one."""

SIGMAS = ("number", "vector", "map")
"""Forms of the noise level that a method may take: a number, a tensor (B,), a tensor (B, 1, H, W)."""

LEAST = 5.0
"""A default from here on is a noise level from 0 to 255; there is no such one from 0 to 1."""

_LEVEL = re.compile("sigma|noise|level|std", re.IGNORECASE)
"""Names of a parameter that is the noise level."""


def returns(value: Any) -> str:
    """Read OUTPUT, or raise `ValueError`."""
    word = str(value).strip().lower()
    word = {"noise": "residual", "0..255": "255"}.get(word, word)
    if word not in OUTPUTS:
        raise ValueError(f"OUTPUT is {value!r}; expected {EXPECTED_OUTPUT}")
    return word


def takes(value: Any) -> tuple[str, bool]:
    """Read INPUT, a scale, `ARRAY` or both (``"array 0..255"``), or raise `ValueError`.

    Returns
    -------
    scale : str
        One of `INPUTS`.
    array : bool
        Whether it takes arrays of NumPy.
    """
    words = _words(value)
    scales = [word for word in words if word in INPUTS]
    if len(scales) > 1 or sorted(set(words) - set(INPUTS)) not in ([], [ARRAY]) or len(set(words)) < len(words):
        known = f"{', '.join(INPUTS)}, {ARRAY}, or both, as '{ARRAY} 0..255'"
        raise ValueError(f"INPUT is {value!r}; expected one of {known}")
    return next(iter(scales), "0..1"), ARRAY in words


def _words(value: Any) -> list[str]:
    return [{"255": "0..255", "1": "0..1"}.get(word, word) for word in str(value).replace(",", " ").split()]


def level(value: Any) -> tuple[str, str]:
    """Read SIGMA, a form and a scale in any order (``"map"``, ``"255"``, ``"vector 255"``), or raise `ValueError`.

    Returns
    -------
    form : str
        One of `SIGMAS`, or empty: as the parameter's name says.
    scale : str
        One of `INPUTS`, or empty: that of the image.
    """
    words = _words(value)
    forms, scales = ([word for word in words if word in known] for known in (SIGMAS, INPUTS))
    if len(forms) > 1 or len(scales) > 1 or len(words) > len(forms) + len(scales):
        raise ValueError(f"SIGMA is {value!r}; expected number, vector or map, a scale as 0..255, or both")
    return "".join(forms), "".join(scales)


@dataclass(frozen=True)
class Parameter:
    """A parameter of a function, as it is parsed or as it is there; `default` is its value where that is a number."""

    name: str
    required: bool
    keyword: bool = False
    default: float | None = None


@dataclass(frozen=True)
class Call:
    """How a method is called.

    Attributes
    ----------
    sigma : str, optional
        The parameter that gets the noise level; None: it gets the image alone.
    keyword : bool
        Whether it is given by its name.
    form, scale, image : str
        The form of the noise level (`SIGMAS`), its scale and that of the image (`INPUTS`).
    array : bool
        Whether it gets arrays of NumPy, image by image, and a map of the noise level (H, W).
    output : str
        What it returns, one of `OUTPUTS` or `RECOGNISE`. The image, and the noise, are on the scale of the input.
    notes : tuple of str
        How it was understood, for the record.
    """

    sigma: str | None
    keyword: bool = False
    form: str = "number"
    scale: str = "0..1"
    image: str = "0..1"
    output: str = RECOGNISE
    notes: tuple[str, ...] = ()
    array: bool = False

    @property
    def plain(self) -> bool:
        """Whether it is the contract of all methods: ``denoise(noisy, sigma)``, both on the unit scale."""
        return self.sigma is not None and self == Call(self.sigma, output=self.output)


def level_of(parameters: Sequence[Parameter]) -> Parameter | None:
    """Return the parameter that is the noise level: the second one, or one of such a name; None if there is none.

    Raises
    ------
    ValueError
        If more than an image and a noise level must be given, or nothing can be.
    """
    if not parameters or parameters[0].keyword:
        raise ValueError("its method takes no image; expected denoise(noisy) or denoise(noisy, sigma)")
    image, *others = parameters
    named = [p for p in others if _LEVEL.search(p.name)]
    required = [p for p in others if p.required]
    unknown = [p.name for p in required if p not in named[:1]]
    if unknown and (named or len(unknown) > 1):
        given = ", ".join((image.name, *(p.name for p in required)))
        raise ValueError(f"its method must be given {given}; expected denoise(noisy) or denoise(noisy, sigma)")
    return next(iter(named or required), None)


def call_of(parameters: Sequence[Parameter] | None, input: Any, sigma: Any, output: Any) -> Call | None:
    """Say how a function of these parameters is called.

    Parameters
    ----------
    parameters : sequence of Parameter, optional
        None: they cannot be seen.
    input, sigma, output : any
        What its file says as INPUT, SIGMA and OUTPUT; None where it says nothing.

    Returns
    -------
    Call, optional
        None: as all methods are.

    Raises
    ------
    ValueError
        As `level_of`, and if the file says what cannot be.
    """
    (image, array), (form, scale) = takes(input or ""), level(sigma or "")
    output = RECOGNISE if output is None else returns(output)
    if parameters is None:
        if input is None and sigma is None:
            return None
        parameters = (Parameter("noisy", True), Parameter("sigma", True))
    found = level_of(parameters)
    if found is None:
        return Call(None, image=image, output=output, array=array)
    form = form or ("map" if "map" in found.name.lower() else "number")
    notes: tuple[str, ...] = ()
    if not scale and found.default is not None and found.default >= LEAST:
        scale = "0..255"
        notes = (
            f"gets {found.name} from 0 to 255, as its default of {found.default:g} is; SIGMA = '0..1' changes that",
        )
    named = found.keyword or found is not parameters[1]
    return Call(found.name, named, form, scale or image, image, output, notes, array)


def number(value: Any) -> float | None:
    """Return the value of a default that is a number, or None."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def parameters_of(function: Callable[..., Any]) -> list[Parameter] | None:
    """Return the parameters of a function, or of the `forward` of a network; None where they cannot be seen."""
    import inspect

    import torch

    subject = function.forward if isinstance(function, torch.nn.Module) else function
    if isinstance(subject, torch.jit.ScriptFunction | torch.ScriptMethod):  # these have no signature
        schema: Any = subject.schema
        return [
            Parameter(a.name, not a.has_default_value(), a.kwarg_only, number(a.default_value))
            for a in schema.arguments
            if a.name != "self"
        ]
    try:
        signature = inspect.signature(subject)
    except (TypeError, ValueError):
        return None
    kinds = [p.kind for p in signature.parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return None
    given = subject.keywords if isinstance(subject, partial) else {}  # of `functools.partial`: they are settled
    return [
        Parameter(p.name, p.default is p.empty, p.kind is p.KEYWORD_ONLY, number(p.default))
        for p in signature.parameters.values()
        if p.kind is not p.VAR_KEYWORD and p.name not in given
    ]


def called(function: Callable[..., Any], call: Call) -> Denoise:
    """Return a method's callable, ``denoise(noisy, sigma)``, of a function that is called otherwise.

    A network stays one, `torch.nn.Module`; of its outputs it returns those of the shape of its input.

    Raises
    ------
    ValueError
        If a network is said to take arrays.
    """
    import torch

    def convert(noisy: "Tensor", sigma: "float | None") -> Any:
        image = {"0..1": noisy, "0..255": noisy * 255, "-1..1": noisy * 2 - 1}[call.image]
        value = None if call.sigma is None or sigma is None else _level(noisy, sigma, call)
        if call.array:
            given = value if isinstance(value, torch.Tensor) else [value] * len(image)
            output = torch.cat(
                [_of_array(run, one, level) for one, level in zip(torch.split(image, 1), given, strict=True)]
            )
        else:
            output = run(image, value)
        return _unit(joined(output, noisy.shape), call)

    def run(image: Any, value: Any) -> Any:
        named = {call.sigma: value} if call.sigma is not None and call.keyword else {}
        return function(image, *([value] if call.sigma is not None and not call.keyword else []), **named)

    if not isinstance(function, torch.nn.Module):
        return function if call.plain else convert
    if call.array:
        raise ValueError(f"INPUT = '{ARRAY}' is of a function; a network gets tensors (B, C, H, W)")
    if call.plain:
        function.register_forward_hook(lambda module, inputs, output: joined(output, inputs[0].shape))
        return function

    class Called(torch.nn.Module):
        """The network, called as the harness calls one."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = function
            for name in ("receptive_field", "size_multiple", "padding"):
                if hasattr(function, name):
                    setattr(self, name, getattr(function, name))

        def forward(self, noisy: "Tensor", sigma: "float | None") -> Any:
            return convert(noisy, sigma)

    return Called()


def remarked(function: Callable[..., Any], notes: tuple[str, ...]) -> Callable[..., Any]:
    """Return a function that carries how it was understood, for the record; a network stays one."""
    import torch

    if not notes:
        return function

    @wraps(function)
    def run(noisy: "Tensor", sigma: float | None) -> Any:
        return function(noisy, sigma)

    carrier: Any = function if isinstance(function, torch.nn.Module) else run
    carrier.notes = notes
    return carrier


def _of_array(run: Callable[..., Any], image: "Tensor", level: Any) -> "Tensor":
    """Run a function of arrays on an image (1, C, H, W); return its outputs as a tensor (1, k * C, H, W)."""
    import torch

    pixels = image[0].permute(1, 2, 0).cpu().contiguous().numpy()
    pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    if isinstance(level, torch.Tensor):  # a map (1, H, W), or a number of a vector
        level = level.cpu().numpy().reshape(pixels.shape[:2] if level.ndim else 1)
    output = joined(run(pixels, level), image.shape)
    tensor = tensor_of(output)
    if tensor is None:
        raise BenchError(f"returned a {type(output).__name__}; expected an array like its input")
    whole = shaped(tensor, image.shape)
    if whole is None and tensor.ndim == image.ndim and tensor.shape[-2:] == image.shape[-2:]:
        whole = tensor  # several outputs, joined
    if whole is None:
        raise BenchError(f"returned shape {tuple(tensor.shape)}; expected {pixels.shape}, that of its input")
    return whole.to(image.device)


def _level(noisy: "Tensor", sigma: float, call: Call) -> Any:
    value = sigma * {"0..1": 1, "0..255": 255, "-1..1": 2}[call.scale]
    if call.form == "number":
        return value
    import torch

    return noisy.new_full((len(noisy),), value) if call.form == "vector" else torch.full_like(noisy[:, :1], value)


def _unit(output: Any, call: Call) -> Any:
    """Bring an output from the scale of the input to 0..1; OUTPUT=255 and OUTPUT=-1..1 name the scale themselves."""
    if call.image == "0..1" or call.output in ("255", "-1..1") or (tensor := tensor_of(output)) is None:
        return output
    if call.image == "0..255":
        return tensor / 255
    return tensor / 2 if "residual" in call.output else (tensor + 1) / 2
