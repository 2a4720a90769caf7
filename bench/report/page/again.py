"""What a person types to measure a result again."""

import shlex

import datasets
import methods
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
    words = {
        "METHOD": ":".join(filter(None, (method, ",".join(options)))),
        "DATA": own.get("dataset") or about["dataset"]["word"],
        "NOISE": result.noise if "=" not in result.noise else result.degradation,
        "PROTOCOL": "" if rules.name == usual else rules.name,
        "SEED": "" if result.seeds == [0] else ",".join(map(str, result.seeds)),
        "WEIGHTS": own.get("method", "") if not own.get("code") else "",
        "ENSEMBLE": _unless(inference.get("ensemble"), 1),
        "PRECISION": _unless(inference.get("precision"), "fp32"),
        "TILE": _unless(inference.get("tile"), 0),
        "SIGMA": _unless(inference.get("sigma"), None),
        "OUTPUT": _unless(inference.get("output"), ""),
        "RANGE": _unless(about["dataset"].get("white"), None),
    }
    return " ".join(["make bench", *(f"{name}={shlex.quote(word)}" for name, word in words.items() if word)])


def _usual_protocol(dataset: str) -> str:
    entry = datasets.available().get(dataset)
    return entry.protocol if entry else "standard"


def _unless(value: object, usual: object) -> str:
    return "" if value is None or value == usual else f"{value:g}" if isinstance(value, float) else str(value)
