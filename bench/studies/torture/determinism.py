"""One cell in any order, batch, process and thread, and the noise of each kind: the same numbers, or the same bits."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from bench.studies.torture import cells
from bench.studies.torture.running import Runner
from bench.studies.torture.tally import Effort, Tally

PART = "determinism"

NOISE = Path(__file__).with_name("noise.json")
"""The SHA-256 of noisy images of each kind: what any machine and any NumPy must give."""

CLOSE = 1e-4
"""Decibels by which the PSNR of an image may differ with another number of threads or another runtime."""

BITS, NEARLY = "bits", "nearly"

WAYS: tuple[tuple[str, tuple[str, ...], dict[str, str], str], ...] = (
    ("again", (), {}, BITS),
    ("methods and noise in the other order", ("METHOD={reversed}", "NOISE=poisson:30,15"), {}, BITS),
    ("one image at a time, as MEMORY leaves room for", ("MEMORY=0.1",), {}, BITS),
    ("two threads, two processes", ("JOBS=2",), {"OMP_NUM_THREADS": "2"}, NEARLY),
    ("PyTorch, where another runtime is quicker", ("BACKEND=torch",), {}, NEARLY),
    ("ENGINE=loky", ("ENGINE=loky", "JOBS=2"), {}, NEARLY),
)
"""What is done otherwise, by which words and variables, and how far results agree."""

NETWORK = "dncnn-b@own-small"


def determinism(effort: Effort) -> Iterator[Tally]:
    """Make noise of each kind, and run cells in every way."""
    yield noise(effort)
    images = cells.photographs(effort.folder)
    for number in range(2, 4):  # images of one shape, which run in one batch
        shutil.copy(images / "camera.png", images / f"camera{number}.png")
    methods = (*cells.METHODS, NETWORK)
    folder = effort.of("ways")
    first: cells.Scores = {}
    for what, words, environment, agreement in WAYS:
        tally = Tally(PART, f"cells run {what}")
        usual = cells.bench(images, *(w.format(reversed=",".join(methods[::-1])) for w in words), methods=methods)
        for _ in effort.rounds(tally, 1, 1):
            with Runner(folder, environment | {"BENCH_MIRROR": ""}) as runner:
                if not first:
                    runner.run(cells.bench(images, methods=methods))
                    first, _ = cells.scores(folder / "out")
                    shutil.rmtree(folder / "out")
                tally.judge(runner.run(usual), statuses=(0,), slow=400)
            now, _ = cells.scores(folder / "out")
            shutil.rmtree(folder / "out")
            if agreement == BITS:
                for kind, key in cells.changed(first, now):
                    tally.note(kind, key)
            else:
                tally.remark = _nearly(first, now, tally)
        yield tally


def _nearly(first: cells.Scores, now: cells.Scores, tally: Tally) -> str:
    """Hold the PSNR of each image against that of the first run, and its noise against the same bits."""
    furthest = 0.0
    for key, rows in first.items():
        for before, after in zip(rows, now.get(key, [{}] * len(rows)), strict=True):
            if not after:
                tally.note("lost", key)
                break
            furthest = max(furthest, abs(before["psnr"] - after["psnr"]))
            if abs(before["psnr"] - after["psnr"]) > CLOSE or before["noisy_psnr"] != after["noisy_psnr"]:
                tally.note("false", f"{key}, {before['image']}: {before['psnr']} and {after['psnr']} dB")
    return f"PSNR of an image within {furthest:.1g} dB"


def noise(effort: Effort) -> Tally:
    """Make a noisy image of each kind, and hold its SHA-256 against the stored one."""
    import numpy

    tally = Tally(PART, "noise of each kind and draw, against stored SHA-256", remark=f"NumPy {numpy.__version__}")
    stored = json.loads(NOISE.read_text(encoding="utf-8"))
    now = digests()
    if not _draws_as_most():
        stored, now = ({word: sha for word, sha in of.items() if "torch" not in word} for of in (stored, now))
    for _ in effort.rounds(tally, 1, 1):
        for word in sorted(stored.keys() | now.keys()):
            if stored.get(word) != now.get(word):
                tally.note("false", f"{word}: {now.get(word, 'is no noise any more')}")
    tally.tried = len(now)
    return tally


def _draws_as_most() -> bool:
    """Whether PyTorch draws here as on processors with AVX2, where its normal numbers are those that papers have."""
    import torch

    return torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")


def digests() -> dict[str, str]:
    """Return the SHA-256 of noisy versions of a ramp, gray and RGB: each kind that is random, and each draw."""
    import numpy as np

    from bench.degradation import KINDS, parse
    from bench.degradation.degrade import degrade
    from bench.degradation.seed import PUBLISHED

    ramp = np.arange(24 * 20 * 3, dtype=np.uint32).reshape(24, 20, 3) * 7 % 256
    found = {}
    words = [(example, "independent") for kind in KINDS.values() if kind.random for example in _examples(kind.example)]
    for word, draw in [*words, *(("gaussian:25", draw) for draw in PUBLISHED)]:
        sha = hashlib.sha256()
        for channels in (1, 3):
            image = ramp[..., :channels].astype(np.uint8)
            noisy = degrade(image, parse(word), dataset="set", image="name", seed=3, noise_draw=draw).noisy
            sha.update(np.ascontiguousarray(noisy, "<f4").tobytes())
        found[f"{word} {draw}"] = sha.hexdigest()
    return found


def _examples(text: str) -> list[str]:
    return text.replace(" or ", ", ").split(", ")
