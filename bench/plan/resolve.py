"""What the words of a request mean: each a method, a dataset, a seed ..., or the error that says why it is none."""

import itertools
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import datasets
import methods
from bench import degradation
from bench.common.errors import BenchError
from bench.common.naming import MOST_IN_A_RANGE
from bench.common.parsing import (
    check_option,
    empty_list,
    name_and_options,
    number,
    split,
    split_known,
    unknown,
    whole,
)
from bench.plan import choose_net
from bench.plan.inference import SMALLEST_TILE
from datasets import Dataset
from methods import Method

T = TypeVar("T")

LARGEST_SEED = 2**32 - 1
"""As of numpy's `RandomState` and of training."""

EXPECTED = (BenchError, ValueError, OSError)
"""What a word that means nothing raises."""


@dataclass(frozen=True)
class Resolved(Generic[T]):
    """A word, what it means or why it means nothing, and whether it is one of ``"all"``."""

    word: str
    meaning: T | Exception
    of_all: bool = False

    def value(self) -> T:
        """Return what it means, or raise why it means nothing."""
        if isinstance(self.meaning, Exception):
            raise self.meaning
        return self.meaning


@dataclass(frozen=True)
class ConfiguredMethod:
    """A method with the values of all its options."""

    method: Method
    options: Mapping[str, str]
    like: Method | None = None
    """Names the published numbers that a person's own method is held against."""


def resolve(
    variable: str,
    text: str,
    everything: Iterable[str],
    read: Callable[[str], T],
    parts: Callable[[str, str], list[str]] = split,
) -> list[Resolved[T]]:
    """Read each word of a comma list.

    Parameters
    ----------
    variable : str
        What the list was typed on.
    text : str
        The list; the word ``"all"`` stands for everything.
    everything : iterable of str
        What ``"all"`` means.
    read : callable
        Returns what a word means, or raises one of `EXPECTED`.
    parts : callable
        ``parts(text, variable)`` returns the words of the list.

    Raises
    ------
    BenchError
        If the list names nothing.
    """
    typed = parts(text, variable)
    if not typed:
        raise empty_list(variable, text)
    named = [word for word in typed if word != "all"]
    words = itertools.chain.from_iterable(everything if word == "all" else (word,) for word in typed)
    return [_resolved(word, read, of_all=word not in named) for word in dict.fromkeys(words)]


def _resolved(word: str, read: Callable[[str], T], *, of_all: bool) -> Resolved[T]:
    try:
        return Resolved(word, read(word), of_all)
    except EXPECTED as error:
        return Resolved(word, error, of_all)


def problems() -> list[str]:
    """Return one line on each training record that is left out, and on each net that is not used as its record says."""
    return [*methods.problems(), *choose_net.problems(methods.available().values())]


def ready_methods(weights: str) -> Iterable[str]:
    """Return the methods that can run: those that only a person can bring weights for need WEIGHTS."""
    known = [method for method in methods.available().values() if not method.of_a_series]
    return (m.name for m in known if weights or not m.learned or any(net.weights for net in m.nets))


def ready_datasets() -> Iterable[str]:
    """Return the test sets that come by themselves."""
    return (name for name, entry in datasets.available().items() if entry.in_all)


def known_method(word: str, weights: str, judged: str = "") -> ConfiguredMethod:
    """Return the method of a word on METHOD: a name of the registry or of a package, or a person's own.

    Parameters
    ----------
    word : str
        With options behind a colon: ``"bm3d:profile=lc"``.
    weights : str
        Path of a person's own file of weights for it, or empty.
    judged : str
        Whose published numbers it is held against if it is a person's own (`bench.adapters.judged_as`); empty: as it
        says itself.

    Raises
    ------
    BenchError
        If there is no such method, option or value, or its own file cannot be used.
    """
    from bench.adapters import judged_as, method_from_package, method_of, packaged, unknown_method, with_weights

    own = method_of(word, weights)
    if own is not None:
        configured, given = own
    else:
        name = word.partition(":")[0]
        known = methods.available()
        registered = known.get(name) or method_from_package(name)
        if registered is None:
            raise unknown_method(name, [*known, *packaged()])
        configured, (_, given) = registered, name_and_options(word)
    for key, value in given.items():
        if key not in configured.options:
            has = f"it has {', '.join(configured.options)}" if configured.options else "it has none"
            raise BenchError(f"method {configured.name} has no option {key!r}; {has}")
        if configured.options[key] == "auto" or number(configured.options[key]) is not None:
            check_option(f"method {configured.name}", key, value)
        if key in configured.choices and value not in configured.choices[key]:
            choices = ", ".join(configured.choices[key])
            raise BenchError(f"method {configured.name}: {key}={value}; expected one of {choices}")
    if weights and own is None:
        configured = with_weights(configured, Path(weights))
    like = getattr(configured.load, "like", None)
    if judged and (own or weights):
        like = judged_as("AS=", judged)
    return ConfiguredMethod(configured, {**configured.options, **given}, like)


def dataset_words(text: str, variable: str = "DATA") -> list[str]:
    """Split DATA into its datasets: `set12:01,02` is one, `set12,bsd68` two, and a path may have commas."""
    return split_known(text, _is_dataset, variable)


def known_dataset(word: str, white: float | None = None) -> Dataset:
    """Return the dataset of a word on DATA: a name of the registry, a path, or a part of one behind a colon.

    Parameters
    ----------
    word : str
        As `datasets.from_path.from_word` takes it, or ``"set12:01,02"`` (`datasets.choosing`).
    white : float, optional
        What RANGE says.

    Raises
    ------
    BenchError
        If there is no such dataset or path, or `white` is said of a registered dataset, which knows its own.
    """
    known = datasets.available()
    if word in known:
        if white:
            raise BenchError(f"RANGE={white:g}: dataset {word} says itself which value is white; leave RANGE out")
        return known[word]
    from datasets.choosing import chosen
    from datasets.from_path import from_word, missing

    if whole := whole_of(word):
        return chosen(known_dataset(whole, white), word[len(whole) + 1 :])
    own = from_word(word, white)
    if own is not None:
        return own
    if os.sep in word or "/" in word:
        raise BenchError(f"DATA={word}: {missing(word)}; expected the path of a folder, an archive or an image")
    raise unknown("dataset", word, known, "; see make list, or give the path of a folder, an archive or one image")


def dataset_names(text: str, variable: str = "DATA") -> list[str]:
    """Return the names of the datasets of a comma list, as results have them: of a part its own.

    Words that are no parts are as they stand; each may be a path, or the name of something that is no more.

    Raises
    ------
    BenchError, ValueError
        If the list names nothing, or a part no image.

    Examples
    --------
    >>> dataset_names("set12:01,02,bsd68,folder photos")
    ['set12:01-02', 'bsd68', 'folder photos']
    """
    return [known_dataset(word).name if whole_of(word) else word for word in dataset_words(text, variable)]


def whole_of(word: str) -> str:
    """Return the dataset of which a word names a part behind a colon; empty where it names none.

    Examples
    --------
    >>> whole_of("set12:01,02"), whole_of("set12")
    ('set12', '')
    """
    return "" if _is_one(word) else _whole(word)


_PREFIX = re.compile(r"(pairs|images|train):|")
"""What may stand before a path."""


def _whole(word: str) -> str:
    """Return the dataset before a colon of a word; empty where there is none."""
    starts = (word[:cut] for cut, sign in enumerate(word) if sign == ":")
    return next((start for start in starts if _is_one(start)), "")


def _is_dataset(word: str) -> bool:
    """Whether a word without a comma begins a dataset, or one with commas has them in a path."""
    whole = _whole(word)
    begins = "," not in word and _PREFIX.sub("", word, count=1) != word
    return _is_one(word) or begins or bool(whole and "," not in word[len(whole) :])


def _is_one(word: str) -> bool:
    from datasets.from_path import is_path, two_sides

    named = word == "all" or word in datasets.available()
    return named or is_path(word) or is_path(_PREFIX.sub("", word, count=1)) or two_sides(word) is not None


def white(word: str) -> float | None:
    """Read RANGE, which may be empty, or raise `BenchError`."""
    if not word:
        return None
    value = number(word)
    if value is None or not 0 < value <= 1e10:
        raise BenchError(f"RANGE={word}: expected the value of white in your files, as 1, 255, 4095 or 65535")
    return value


def degradations(text: str) -> str:
    """Write out those words of a list on NOISE that mean several degradations."""
    return ",".join(",".join(degradation.GROUPS.get(word, (word,))) for word in split(text, "NOISE"))


def seeds(text: str) -> str:
    """Write out the ranges of a list on SEED.

    Examples
    --------
    >>> seeds("0-3,7")
    '0,1,2,3,7'
    """
    return ",".join(",".join(_members(word)) for word in split(text, "SEED"))


def _members(word: str) -> Iterable[str]:
    """Return the seeds of a range; a word that is none as it is."""
    ends = [whole(end) for end in word.split("-")]
    if len(ends) != 2 or ends[0] is None or ends[1] is None or not 0 <= ends[1] - ends[0] < MOST_IN_A_RANGE:
        return (word,)
    return map(str, range(ends[0], ends[1] + 1))


def seed(word: str) -> int:
    """Read SEED, or raise `BenchError`."""
    value = whole(word)
    if value is None or value > LARGEST_SEED:
        raise BenchError(
            f"SEED={word}: expected a whole number from 0 to {LARGEST_SEED} (2^32 - 1), or a range of up to "
            f"{MOST_IN_A_RANGE} as 0-9"
        )
    return value


def tile(side: int) -> int:
    """Check TILE, or raise `BenchError`."""
    if side and side < SMALLEST_TILE:
        raise BenchError(f"TILE={side}: expected 0 (the harness decides) or at least {SMALLEST_TILE} pixels")
    return side
