"""Which of its nets a method uses for some images and their noise."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache

from bench import degradation
from bench.adapters.judged_as import with_published
from bench.common.errors import BenchError, DoesNotFit, one_line
from bench.degradation import Degradation
from methods import Method, Net, available
from methods.description import names


def choose_net(method: Method, colour: str, sigma: float | None, noise: Degradation | None = None) -> Net:
    """Return the net that a method uses for a colour and a sigma (0-255 scale; None: not known).

    The first that was made for this very noise, where there is one (see `problems`); else the first trained for both;
    else, where the method may leave its range, the first of that colour. Where sigma is not known, the first
    blind one, else the first that is not bound to one sigma.

    Raises
    ------
    DoesNotFit
        If no net fits, with what there is, or no weights can be had.
    """
    fitting = [net for net in method.nets if net.colour in (colour, "any")]
    if not fitting:
        has = " and ".join(sorted({net.colour for net in method.nets}))
        raise DoesNotFit(
            f"method {method.name} has {has} nets only, and the images are {colour}; see make list",
            f"{has} nets on {colour} images".replace("rgb", "colour"),
        )
    if method.learned and all(net.weights is None for net in fitting):
        raise DoesNotFit(
            f"method {method.name}: no trained {fitting[0].colour} weights of it can be had; give a file of yours with "
            f"WEIGHTS=path{_ours(method, colour)}",
            "nets without weights",
        )
    for net in fitting:
        if noise is not None and net.noise and _read(net.noise) == noise:
            return net
    if sigma is None:
        wide = [net for net in fitting if net.covers_a_range]
        if not wide:
            raise DoesNotFit(
                f"method {method.name}: its nets are each for one sigma ({names(tuple(fitting))}), and these "
                "images come with no known noise level; say which one with SIGMA, or use a blind method",
                "nets for one sigma on images of unknown noise level",
            )
        return next((net for net in wide if not net.given_sigma), wide[0])
    trained = [net for net in fitting if net.covers(sigma)]
    if not trained and not method.extrapolates:
        raise DoesNotFit(
            f"method {method.name}: no {colour} net was trained for sigma {sigma:g}; there are {names(tuple(fitting))}",
            "nets that were not trained for the sigma",
        )
    return (trained or fitting)[0]


def _ours(method: Method, colour: str) -> str:
    """Name the methods that are this one, trained by this project."""
    ours = [
        other.name
        for other in available().values()
        if other.name.startswith(f"{method.name}@own") and not other.of_a_series
        if any(net.colour in (colour, "any") for net in other.nets)
    ]
    return f", or take METHOD={' or '.join(ours)}, which this project trained" * bool(ours)


def held_against(net: Net, like: Method | None, colour: str, noise: Degradation) -> Net:
    """Return a net that is held against the published numbers of what another method uses for the same images."""
    if like is None:
        return net
    try:
        other = choose_net(like, colour, noise.sigma, noise)
    except DoesNotFit:  # nothing was published for such images
        return replace(net, published=None, published_ensemble=None)
    return with_published(net, other)


def problems(methods: Iterable[Method]) -> Iterator[str]:
    """Give one line on each net whose noise cannot be read, so that it is chosen by sigma alone."""
    for net in dict.fromkeys(net for method in methods for net in method.nets if net.noise):
        cause = _read(net.noise)
        if not isinstance(cause, Degradation):
            yield f"net {net.id}: its noise {net.noise!r} cannot be read ({cause}); it is chosen by sigma alone"


@cache
def _read(noise: str) -> Degradation | str:
    """Return the noise that a net was made for, or why its text means none."""
    try:
        return degradation.parse(noise)
    except (BenchError, ValueError) as error:
        return one_line(error)
