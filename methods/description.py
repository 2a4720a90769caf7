"""What a method says of itself: which nets it has, for which images and noise, and their source."""

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

RAW = "https://raw.githubusercontent.com"


@dataclass(frozen=True)
class Weights:
    """A file of trained weights.

    Attributes
    ----------
    path : str
        Where it lies below the `weights/` folder of a mirror or of the cache.
    sha256 : str
        The digest that every copy must have.
    url : str
        Where it can be downloaded.
    licence : str
        On which terms.
    local : str
        Where it lies on this machine, for a person's own file; empty for published ones.
    record : str
        The training record beside a file that this project trained; empty for others.
    beside : tuple of Weights
        Further files that the format needs in the same folder; `load` is given the first one only.
    """

    path: str
    sha256: str
    url: str = ""
    licence: str = "none stated"
    local: str = ""
    record: str = ""
    beside: tuple["Weights", ...] = ()

    @property
    def checksum(self) -> str:
        """The digest that every copy must have, with its kind."""
        return f"sha256:{self.sha256}"

    @property
    def page(self) -> str:
        """Where a person gets it by hand: nowhere, every file has an address."""
        return ""

    @property
    def bytes(self) -> int:
        """Its size: not stated."""
        return 0


@dataclass(frozen=True)
class Net:
    """One thing that can denoise: a trained network, or a classical algorithm.

    Attributes
    ----------
    id : str
        Unique name, which cells carry: ``"dncnn-s-25"``.
    label : str
        Its name in tables: ``"DnCNN-S"``.
    colour : str
        ``"gray"``, ``"rgb"`` or ``"any"``.
    trained : tuple of float, optional
        Lowest and highest sigma it was trained for, on the 0-255 scale; None where nothing was
        trained.
    noise : str
        The degradation it was trained for, as on NOISE, where `trained` does not say all, as another kind or mean: of
        the nets of a method, the one for this very noise.
    given_sigma : bool
        Whether it needs to be told sigma; a blind one is not told.
    weights : Weights, optional
        Its weights.
    receptive_field : int, optional
        Side in pixels of the square around an output pixel that holds every input pixel it depends
        on; None: the whole image, or not known.
    size_multiple : int
        Height and width must be multiples of this; the harness pads on the right and at the bottom,
        and crops.
    padding : str
        How it pads: ``"reflect"``, ``"replicate"`` or ``"zero"``, as the source of the net does.
    parameters : int, optional
        Trained numbers, as its paper or its code counts them; the harness measures them too.
    output : str
        ``"image"`` or ``"residual"``: what the network's last layer gives. The callable
        returns the denoised image in either case.
    returns : str, optional
        What the callable of a person's own method returns, as they say of it: ``"image"``, ``"residual"``, ``"255"``
        (`bench.adapters.conventions`); empty where nobody says so and it is to be recognised. None: it keeps to the
        contract.
    published : tuple of str, optional
        Its `method` and `variant` in the ledger of published numbers.
    published_ensemble : tuple of str, optional
        Those of its self-ensemble (ENSEMBLE=8), where the ledger has such rows.
    later_version : bool
        Whether it is a later version of what was published under `published`, as a package that its authors went on
        with.
    architecture : str
        Which network it is, where its method's `load` knows several of one layout, or a file may hold another one of
        a family: ``"bias-free"``.
    trained_on : tuple of str
        Datasets of the registry that its weights were trained on, as far as its paper says; tables say where
        one of them holds a test image.
    """

    id: str
    label: str
    colour: str
    trained: tuple[float, float] | None = None
    noise: str = ""
    given_sigma: bool = False
    weights: Weights | None = None
    receptive_field: int | None = None
    size_multiple: int = 1
    padding: str = "reflect"
    parameters: int | None = None
    output: str = "image"
    returns: str | None = None
    published: tuple[str, str] | None = None
    published_ensemble: tuple[str, str] | None = None
    later_version: bool = False
    architecture: str = ""
    trained_on: tuple[str, ...] = ()

    def covers(self, sigma: float) -> bool:
        """Whether the net was trained for this sigma (0-255 scale)."""
        return self.trained is None or self.trained[0] <= sigma <= self.trained[1]

    @property
    def covers_a_range(self) -> bool:
        """Whether it is not bound to one sigma."""
        return self.trained is None or self.trained[0] < self.trained[1]


@dataclass(frozen=True)
class Method:
    """A denoiser as a person asks for it.

    Attributes
    ----------
    name : str
        What a person types on METHOD.
    title : str
        What it is, in a line.
    paper : str
        Its source.
    nets : tuple of Net
        What it can choose from, the preferred first.
    load : callable
        ``load(net, weights, options) -> denoise``: `weights` is a path or None, `options` maps
        names to texts, and ``denoise(noisy, sigma)`` takes a float32 tensor (B, C, H, W) with 1.0 =
        white and the standard deviation on that scale, and returns a tensor like it. A
        `torch.nn.Module` is such a callable, and the harness may run it through another backend.
    options : mapping
        Options and their default values, as texts.
    choices : mapping
        The values that an option may take, where they are few.
    extrapolates : bool
        Whether it may run outside the trained range (the record says so then).
    processes : bool
        Whether the callable is one-threaded CPU code that takes one image at a time, so that the
        images of a set are best spread over processes.
    packages : tuple of str
        Installed packages whose version determines the result.
    learned : bool
        Whether it needs weights even where none are published (`Net.weights` is None): a person then
        gives their own with WEIGHTS.
    """

    name: str
    title: str
    paper: str
    nets: tuple[Net, ...]
    load: Callable[[Net, Path | None, Mapping[str, str]], Callable[..., Any]]
    options: Mapping[str, str] = field(default_factory=dict)
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    extrapolates: bool = True
    processes: bool = False
    packages: tuple[str, ...] = ()
    learned: bool = False

    @property
    def of_a_series(self) -> bool:
        """Whether it is one of many that a study compares (`methods/weights/series/`), which `all` leaves out."""
        files = [net.weights.local for net in self.nets if net.weights]
        return bool(files) and all(Path(file).parent.name == "series" for file in files)


@cache
def listed() -> dict[str, Weights]:
    """Return the author-published weights of `files.csv`, by their path in a mirror."""
    with (Path(__file__).parent / "files.csv").open(newline="") as table:
        return {
            row["path"]: Weights(row["path"], row["sha256"], _url(row["address"]), row["licence"])
            for row in csv.DictReader(table)
        }


def _url(address: str) -> str:
    return address if address.startswith("pypi:") else f"{RAW}/{address}"


def names(nets: tuple[Net, ...]) -> str:
    """Say in words which sigmas some nets were trained for: `10, 15, 20, 0-55`."""
    ranges = dict.fromkeys(net.trained for net in nets if net.trained)
    return ", ".join(f"{low:g}" if low == high else f"{low:g}-{high:g}" for low, high in sorted(ranges))
