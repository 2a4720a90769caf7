"""What a person types to measure a result again."""

import shlex
from collections.abc import Iterable

import datasets
import methods
from bench.common.naming import listed
from bench.degradation.parsing import GROUPS
from bench.store.results import Result


def again(result: Result) -> str:
    """Return the make line that measures a result again.

    A person's own method and images are said by the last parts of their path, which is all that a record knows.

    Parameters
    ----------
    result : Result
        Of a run with make bench.

    Returns
    -------
    str
        As ``make bench METHOD=dncnn-s DATA=set12 NOISE=25``.
    """
    return again_of("bench", [result])


def again_of(command: str, results: Iterable[Result], **more: object) -> str:
    """Return the make line that asks the same of several results at once.

    Parameters
    ----------
    command : str
        Such as ``"where"``.
    results : iterable of Result
        As for `again`.
    **more
        What else is typed, by its name in small letters; nothing is said of what is empty.

    Examples
    --------
    >>> again_of("compare", [], metric="ssim", images=0)
    'make compare METRIC=ssim'
    """
    typed: dict[str, dict[str, None]] = {"METHOD": {}}
    for result in results:
        for name, word in _words(result).items():
            typed.setdefault(name, {}).update({word: None} if word else {})
    for name, noises in GROUPS.items():
        if set(noises) == set(typed.get("NOISE", ())):
            typed["NOISE"] = {name: None}
    texts = {name: ",".join(words) for name, words in typed.items()}
    texts |= {name.upper(): str(value) for name, value in more.items() if value}
    return " ".join([f"make {command}", *(f"{name}={shlex.quote(text)}" for name, text in texts.items() if text)])


def _words(result: Result) -> dict[str, str]:
    """Return what is typed of a result, by the name of the variable; empty where it is as usual."""
    about, own = result.about, result.about.get("own", {})
    inference = about.get("inference", {})
    known = methods.available().get(about["method"])
    options = [
        f"{name}={value}"
        for name, value in about["identity"]["options"].items()
        if known is None or known.options.get(name) != value
    ]
    method = own.get("command") or (own.get("method", "") if own.get("code") else "") or about["method"]
    rules, usual = result.rules, _usual_protocol(about["dataset"]["name"])
    return {
        "METHOD": ":".join(filter(None, (method, ",".join(options)))),
        "DATA": own.get("dataset") or about["dataset"]["word"],
        "NOISE": result.noise if "=" not in result.noise else result.degradation,
        "PROTOCOL": "" if rules.name == usual else rules.name,
        "SEED": "" if result.seeds == [0] else listed(result.seeds, ","),
        "WEIGHTS": own.get("method", "") if not own.get("code") else "",
        "ENSEMBLE": _unless(inference.get("ensemble"), 1),
        "PRECISION": _unless(inference.get("precision"), "fp32"),
        "TILE": _unless(inference.get("tile"), 0),
        "SIGMA": _unless(inference.get("sigma"), None),
        "OUTPUT": _unless(inference.get("output"), ""),
        "RANGE": _unless(about["dataset"].get("white"), None),
    }


def _usual_protocol(dataset: str) -> str:
    entry = datasets.available().get(dataset)
    return entry.protocol if entry else "standard"


def _unless(value: object, usual: object) -> str:
    return "" if value is None or value == usual else f"{value:g}" if isinstance(value, float) else str(value)
