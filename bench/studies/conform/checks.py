"""What any method must do: one function a check, each of which says what it saw."""

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bench.common import devices, provenance
from bench.common.errors import one_line
from bench.run.conventions import KEPT
from bench.run.loading import arranged
from bench.score import sanity
from bench.studies.conform.subject import Subject, loaded, photograph
from bench.studies.one_channel import shifted_channels

if TYPE_CHECKING:
    from torch import Tensor

SIZES = ((1, 1), (1, 19), (23, 1), (5, 7), (37, 53))
"""Heights and widths that a method must take, as files of users have them."""

CLOSE = 1e-5
"""Largest difference of two outputs that must be equal, 1.0 = white."""


COLOURS = ((0.8, 0.5, 0.2), (0.55, 0.5, 0.45), (0.05, 0.5, 0.95))
"""Red, green and blue of flat images: plain colours, faint ones, and such as lie near black and white."""

LEVELS = 32
"""An output of a photograph with fewer grey levels was rounded to them."""


@dataclass(frozen=True)
class Check:
    """One thing that a method must do, and whether it does.

    Attributes
    ----------
    name : str
        What is asked.
    passed : bool, optional
        Whether it holds; None: it could not be checked.
    remark : str
        What was seen.
    """

    name: str
    passed: bool | None
    remark: str


def shape_and_type(subject: Subject) -> tuple[bool, str]:
    """Give float32 of the shape of the input, for one image and for several."""
    import torch

    noisy = torch.cat([photograph(subject, 48, 64)[1]] * 2)
    output = subject.run(noisy, subject.sigma)
    return output.dtype == torch.float32, f"{tuple(output.shape)}, {output.dtype}"


def range_of_values(subject: Subject) -> tuple[bool, str]:
    """Give images on the scale of the input, 1.0 = white."""
    clean, noisy = photograph(subject, 96, 128)
    output = subject.run(noisy, subject.sigma)
    shift = float((output.mean() - clean.mean()).abs())
    before, after = (float(-10 * (image - clean).square().mean().log10()) for image in (noisy, output))
    remark = f"{output.min():.2f} to {output.max():.2f}; PSNR {before:.2f} dB before, {after:.2f} dB after"
    levels = len((255 * output).round().unique())  # type: ignore[no-untyped-call]
    if levels < LEVELS:
        return False, f"only {levels} of 256 grey levels occur"
    converted = [line for line in subject.runner.notes if line.endswith(KEPT)]
    if converted:  # the harness makes an image of it, since it recognises what it is
        return False, "; ".join(converted)
    return shift < 0.25 and float(output.abs().max()) < 4, remark


def denoised(subject: Subject) -> tuple[bool, str]:
    """Give the image denoised: each pixel in its place, each colour, and no other thing."""
    clean, noisy = photograph(subject, 96, 128)
    output = subject.run(noisy, subject.sigma)
    one, two, three = (image[0].permute(1, 2, 0).cpu().numpy() for image in (clean, noisy, output))
    fault = sanity.fault(one, two, three)
    alone = [f"the {name} channel alone {how}" for name, how, _ in shifted_channels([(one, two, three)])]
    seen = [*subject.runner.warnings, *(alone or ([fault.cause] if fault else _poor(clean, noisy, output)))]
    return not seen, "; ".join(seen) or "nothing that is likely false"


def _poor(clean: "Tensor", noisy: "Tensor", output: "Tensor") -> list[str]:
    """Say whether an output that has no plain fault is one of a plain filter or less."""
    from torch.nn.functional import avg_pool2d

    plain = avg_pool2d(noisy, 3, 1, 1, count_include_pad=False)
    lost, detail = clean - output, clean - avg_pool2d(clean, 5, 1, 2, count_include_pad=False)
    error, of_plain, of_mean = (
        float((clean - image).square().mean()) for image in (output, plain, (noisy + output) / 2)
    )
    if of_mean < error / 2:
        return ["takes the noise away twice: is a residual subtracted from an image that is denoised already?"]
    behind = 10 * math.log10((error + 1e-12) / (of_plain + 1e-12))
    alike = float((lost * detail).sum() / (lost.norm() * detail.norm() + 1e-12))
    if behind < 1 or alike < 0.5:
        return []
    return [f"smooths away detail: {behind:.1f} dB below a plain mean over 3x3 pixels"]


def sizes(subject: Subject) -> tuple[bool, str]:
    """Take odd sizes, one row, one column and one pixel."""
    for height, width in SIZES:
        try:
            subject.run(photograph(subject, height, width)[1], subject.sigma)
        except Exception as error:  # noqa: BLE001 - whatever it is, it names the size
            return False, f"{height}x{width}: {one_line(error)[:150]}"
    return True, ", ".join(f"{height}x{width}" for height, width in SIZES)


def determinism(subject: Subject) -> tuple[bool, str]:
    """Give the same result twice, bit by bit."""
    noisy = photograph(subject, 48, 64)[1]
    first, second = (subject.run(noisy, subject.sigma) for _ in range(2))
    difference = float((first - second).abs().max())
    return difference == 0, f"largest difference {difference:.1e}"


def memory(subject: Subject) -> tuple[bool, str]:
    """Give each image its own result, whatever came before."""
    one, other = _two(subject)
    first, second, again = (subject.run(image, subject.sigma) for image in (one, other, one))
    if bool((first == second).all()):
        return False, "the same for two images: does it keep the first one's?"
    difference = float((first - again).abs().max())
    return difference == 0, f"after another image: largest difference {difference:.1e}"


def _two(subject: Subject) -> "tuple[Tensor, Tensor]":
    """Return two noisy photographs (1, C, 48, 64) of other things."""
    return photograph(subject, 48, 64)[1], photograph(subject, 96, 128)[1][..., 48:, 64:]


def input_kept(subject: Subject) -> tuple[bool, str]:
    """Leave the input as it is."""
    noisy = photograph(subject, 48, 64)[1]
    before = noisy.clone()
    subject.denoise(noisy[..., :48, :64], subject.sigma)
    return bool((noisy == before).all()), "unchanged" if bool((noisy == before).all()) else "changed"


def batches(subject: Subject) -> tuple[bool, str]:
    """Treat each image of a batch as if it were alone."""
    import torch

    one, other = _two(subject)
    in_one = subject.run(torch.cat([one, other]), subject.sigma)
    one_by_one = torch.cat([subject.run(one, subject.sigma), subject.run(other, subject.sigma)])
    difference = float((in_one - one_by_one).abs().max())
    return difference <= CLOSE, f"largest difference {difference:.1e}"


def colours(subject: Subject) -> tuple[bool, str]:
    """Keep red, green and blue where they are, and gray levels."""
    import torch

    remarks: list[str] = []
    passed = True
    for colour in COLOURS:
        level = torch.tensor(colour[: subject.channels])
        noise = torch.randn(1, subject.channels, 64, 64, generator=torch.Generator().manual_seed(1))
        noisy = (level[:, None, None] + subject.sigma * noise).to(subject.device)
        found = subject.run(noisy, subject.sigma).mean(dim=(0, 2, 3)).cpu()
        kept = bool(((found - level).abs() < 0.1).all())
        passed &= kept
        if not kept or not remarks:
            remarks.append(", ".join(f"{a:.2f} for {b:.2f}" for a, b in zip(found, level, strict=True)))
    return passed, remarks[-1]


def noise_level(subject: Subject) -> tuple[bool, str]:
    """Be blind to sigma where the description says so."""
    noisy = photograph(subject, 48, 64)[1]
    if not subject.cell.net.given_sigma:
        same = bool((subject.run(noisy, subject.sigma) == subject.run(noisy, 2 * subject.sigma)).all())
        return same, "blind" if same else "says it is blind and gives another result for another sigma"
    change = (subject.run(noisy, subject.sigma) - subject.run(noisy, 2 * subject.sigma)).abs().mean()
    return True, f"is given sigma; twice of it changes the result by {float(change) * 255:.2f} grey levels"


def receptive_field(subject: Subject) -> tuple[bool, str]:
    """Depend on no pixel outside the declared receptive field."""
    import torch

    net, denoise = subject.cell.net, subject.denoise
    declared = getattr(denoise, "receptive_field", None) or net.receptive_field
    if declared is None:
        return True, "none is declared: large images are not cut"
    if not isinstance(denoise, torch.nn.Module):
        return True, f"declared {declared}; no network, which could be probed"
    multiple = int(getattr(denoise, "size_multiple", None) or net.size_multiple)
    reach = max(_reach(subject, declared, multiple, phase) for phase in range(multiple))
    return reach <= declared // 2, f"declared {declared}, found {2 * reach + 1}"


def _reach(subject: Subject, declared: int, multiple: int, phase: int) -> int:
    """Return how far a pixel's value is seen, in a row and a column of the given phase.

    NaN put into one pixel comes out wherever the output depends on it, whatever the weights are.
    """
    import torch

    middle = (declared // 2 + multiple + 8) // multiple * multiple
    side = 2 * middle + 2 * multiple
    noisy = torch.full((1, subject.channels, side, side), 0.5, device=subject.device)
    place = middle + phase
    noisy[..., place, place] = math.nan
    with torch.inference_mode():
        seen = subject.denoise(noisy, subject.sigma).isnan().any(dim=0).any(dim=0)
    rows, columns = (seen.any(dim=d).nonzero().flatten() for d in (1, 0))
    if not len(rows):
        return 0
    return max(int((found - place).abs().max()) for found in (rows, columns))


def tiles(subject: Subject) -> tuple[bool, str]:
    """Give the same image in tiles where the receptive field is known."""
    import torch

    cell = replace(subject.cell, inference=replace(subject.cell.inference, tile=40))
    known = getattr(subject.denoise, "receptive_field", None) or cell.net.receptive_field
    # Where it is known a tile has neighbours on both sides; else it is only seen whether the method takes tiles.
    noisy = photograph(subject, *((90, 73) if known else (50, 43)))[1]
    in_tiles = arranged(subject.denoise, subject.denoise, cell, None)
    with torch.inference_mode():
        difference = float((in_tiles(noisy, subject.sigma) - subject.run(noisy, subject.sigma)).abs().max())
    unknown = "" if known else "; its receptive field is not known"
    return known is None or difference <= CLOSE, f"largest difference {difference:.1e}{unknown}"


def workers(subject: Subject) -> tuple[bool, str]:
    """Travel to a worker process."""
    import cloudpickle

    content = cloudpickle.dumps(subject.cell)
    same = cloudpickle.loads(content).key == subject.cell.key
    return same, f"{len(content) / 1e3:.0f} kB"


def large_image(subject: Subject, megapixels: float) -> Check:
    """Take a large image, through the fastest runtime."""
    height = max(1, round(math.sqrt(megapixels * 1e6 / 1.5)))
    width = max(1, round(megapixels * 1e6 / height))
    name = f"Take a large image, {megapixels:g} megapixels"
    noisy = photograph(subject, height, width)[1]
    fast = loaded(subject.cell, subject.channels, subject.device, "auto", provenance.cores())
    start = time.perf_counter()
    try:
        fast.run(noisy, subject.sigma)
        devices.synchronise(subject.device)
    except Exception as error:  # noqa: BLE001 - whatever it is, the method does not conform
        return Check(name, False, one_line(error)[:200])
    return Check(name, True, f"{height}x{width} in {time.perf_counter() - start:.1f} s")


def gpu(subject: Subject) -> tuple[bool | None, str]:
    """Run on a GPU, which is pretended where there is none."""
    if subject.cell.method.processes:
        return None, "a program or code for the CPU, wherever the cell runs"
    if subject.device != "cpu":
        return True, subject.device
    from bench.studies.conform.pretended_cuda import pretended_cuda

    with pretended_cuda() as seen:
        there = loaded(subject.cell, subject.channels, "cuda:0")
        noisy = photograph(there, 48, 64)[1]
        there.run(noisy, there.sigma)
        seen.clear()
        there.denoise(noisy, there.sigma)
        waits = sum(seen.waits.values())
        places = ", ".join(f"{name} at {place}" for name, place in seen.waits)
        found = there.run(noisy, there.sigma).cpu()
    expected = subject.run(photograph(subject, 48, 64)[1], subject.sigma)
    difference = float((found - expected).abs().max())
    waiting = f"; a call waits {waits} times for the GPU: {places}" if waits else ""
    return difference <= CLOSE, f"largest difference from the CPU {difference:.1e}{waiting}"


CHECKS = (
    shape_and_type, range_of_values, denoised, sizes, determinism, memory, input_kept, batches, colours, noise_level,
    receptive_field, tiles, workers, gpu,
)  # fmt: skip
