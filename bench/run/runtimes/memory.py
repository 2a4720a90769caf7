"""How many pixels are run at one time, and how many fit into memory."""

from bench.common import devices, provenance

MOST_PIXELS = {"onnxruntime": 800_000, "torch": 640_000, "cuda": 2_500_000}
"""At one time: more pixels gain no speed."""

WORKSPACE = 2.0
"""Memory that PyTorch and onnxruntime take, for each byte of activations that must live at one time."""

ACTIVATIONS = 2.2
"""GiB for activations on the CPU, where a person names no limit; with the images and the program, under 4."""

SCORING = 0.75
"""GiB of a GPU's memory that are left to the metrics, which work in strips, and to the images themselves."""

BESIDE = 1.6
"""GiB of a person's limit that are left to the program and to images of up to 24 megapixels."""


def pixel_limits(runtime: str, activations: float, memory: float, device: str = "cpu") -> tuple[int, int]:
    """Return how many pixels are best run together, and how many fit; 0: not known.

    Parameters
    ----------
    runtime : str
        ``"onnxruntime"``, ``"torch"`` (on the CPU) or ``"cuda"``.
    activations : float
        Bytes that must live at one time for each pixel; 0 where it is not known.
    memory : float
        A person's limit in GiB, or 0.
    device : str
        ``"cpu"`` or ``"cuda:N"``.
    """
    usual = MOST_PIXELS[runtime]
    if not activations:
        return usual, 0
    if runtime == "cuda":
        free = devices.free_memory(device) / 2**30
        room = most = max(0.25, min(memory or free, free) * 0.9 - SCORING)
    else:
        room = max(0.25, memory - BESIDE) if memory else ACTIVATIONS
        most = room if memory else max(room, provenance.free_memory() / 2**30 * 0.8)
    for_a_pixel = activations * WORKSPACE
    return min(usual, int(room * 2**30 / for_a_pixel)), int(most * 2**30 / for_a_pixel)
