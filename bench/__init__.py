"""The harness: plan the cells, run them, score, store, judge and report."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from bench.run.on_arrays import Denoiser


# Else onnxruntime tells its maker how it is used, under a number in the user's cache; children inherit this.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def load_results(folder: str | Path = "results", *, images: bool = False) -> "pd.DataFrame":
    """Read what was measured as a tidy table.

    Parameters
    ----------
    folder : str or Path
        The folder that OUT named, or the `runs` in it.
    images : bool
        A row for each image and seed, in place of one for each result.

    Returns
    -------
    DataFrame
        One row a result: a method, dataset, degradation and protocol, over the seeds that were run; best first within
        each. Names and values are those of `leaderboard.csv`, and of `images.csv` for images:

        - ``method, net, dataset``: what was measured on what
        - ``degradation, protocol``: the noise (``gaussian:25``) and the rules
        - ``seeds, images``: how many seeds; how many images (``67 of 68`` where some failed)
        - ``psnr, ssim, mse``: means over images and seeds; PSNR in dB, MSE in squared grey levels
        - ``psnr_deviation`` ...: standard deviation over the seeds of each of these
        - ``noisy_psnr`` ...: the same of the noisy images
        - ``noise_psnr`` ...: of the noise that was taken away, and with peak 255 for images of white 1
        - ``noise_l1, noise_l1_published``: mean absolute error of that noise, 1.0 = white
        - ``self_mse, self_error``: the score without a reference, and its standard error
        - ``seconds, runtime``: of the method alone, for an image, and what computed it
        - ``psnr_published`` ...: the published number, where the ledger has one
        - ``psnr_claimed`` ...: what a person claims (CLAIM)
        - ``psnr_difference, psnr_allowed`` ...: measured minus published, and what chance alone explains
        - ``verdict, source``: on the PSNR (``ssim_verdict, mse_verdict``); where the number stands
        - ``warnings, notes``: a likely fault; how things were understood

        Of images: ``method, dataset, degradation, protocol, seed, image, height, width, told_sigma``, the scores, and
        ``seconds, runtime``. What there is no value of is NaN.

    Raises
    ------
    BenchError
        If there is no finished cell.

    Warns
    -----
    UserWarning
        For each file there that cannot be used: damaged, of another format, or none of ours.

    Examples
    --------
    >>> load_results().groupby(["dataset", "degradation", "protocol"]).psnr.max()  # doctest: +SKIP
    >>> load_results("results", images=True).pivot_table(
    ...     "psnr", ["dataset", "degradation", "protocol", "image"], "method"
    ... )  # doctest: +SKIP
    """
    from bench.report.frame import load_results

    return load_results(Path(folder), images=images)


def load_method(method: str | Path, *, weights: str | Path = "", device: str = "auto") -> "Denoiser":
    """Load a method by its name, for images of your own in Python.

    Parameters
    ----------
    method : str or Path
        As on METHOD: a name of ``make list``, with options behind a colon, or a file of your own.
    weights : str or Path
        A file of your own weights for it, as on WEIGHTS.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.

    Returns
    -------
    Denoiser
        ``denoise(image, sigma=None, *, white=None)`` returns what came, denoised: the same kind (array or tensor),
        shape, type, range and device. `image` is (H, W), (H, W, C), (C, H, W) or a batch (B, C, H, W), gray or RGB;
        uint8, uint16, or floats with white 1.0 (`white`: another one). `sigma` is the standard deviation of the noise
        on the 0-255 scale, for methods that are told it. The network runs as the benchmark runs it, with its padding
        and its tiles.

    Raises
    ------
    BenchError
        If there is no such method. A call raises it, in one line, for what is no such image.

    Examples
    --------
    >>> from bench import load_method
    >>> load_method("bfcnn-resnet-1x6")(image)  # doctest: +SKIP
    >>> load_method("ffdnet")(image, sigma=25)  # doctest: +SKIP
    """
    from bench.run.on_arrays import Denoiser

    return Denoiser(str(method), weights=str(weights), device=device)
