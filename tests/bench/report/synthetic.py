"""Leaderboards of made-up records, for tests of what is made of them."""

from bench.report.leaderboard import leaderboards
from bench.store.records import Record
from bench.store.results import gather

PHOTOGRAPHS = "synthetic photographs"


def provenance(label, sigma, **more):
    """Return what a record says of itself: a person's method, on a person's images, unless `more` says otherwise."""
    about = {
        "key": f"{label}{sigma}",
        "label": label,
        "own": {"code": "", "method": "", "command": "", "dataset": ""},
        "method": "",
        "paper": "",
        "net": {"id": label, "label": label, "trained": None, "published": None, "trained_on": []},
        "weights": None,
        "dataset": {
            "name": PHOTOGRAPHS, "title": PHOTOGRAPHS, "colour": "gray", "source": "", "ledger": None, "notes": [],
        },
        "degradation": f"gaussian:{sigma:g}",
        "kind": "gaussian",
        "strength": float(sigma),
        "sigma": float(sigma),
        "random": True,
        "told_sigma": "not told",
        "protocol": {
            "name": "standard", "noise_draw": "independent", "noisy": "float", "output": "uint8", "crop": 0,
            "channel": "rgb", "gray": "none",
        },
        "seed": 0,
        "extrapolates": False,
        "versions": {},
        "machine": "a machine",
        "commit": "",
        "started": "2026-01-01T00:00:00+00:00",
        "device": "cpu",
        "runtime": "torch",
        "fallback": "",
        "jobs": 1,
        "threads": 2,
        "parameters": None,
        "macs_per_megapixel": None,
        "failed_images": {},
    }  # fmt: skip
    about |= more
    dataset = about["dataset"]["name"]
    about["identity"] = {"net": label, "dataset": dataset, "data": dataset, "degradation": about["degradation"],
                         "machine": about["machine"], "options": {}, "seed": about["seed"]}  # fmt: skip
    return about


def record(label, sigma, psnr, noisy_psnr=20.0, seconds=1.0, **more):
    """Return the record of a method at a noise level: its PSNR of each image, or what is put in `more`."""
    rows = [
        {
            "image": f"image {place}", "height": 512, "width": 512, "told_sigma": None, "psnr": value,
            "ssim": value / 50,
            "mse": 255**2 / 10 ** (value / 10), "noisy_psnr": noisy_psnr, "noisy_ssim": 0.2, "noisy_mse": 600.0,
            "noise_psnr": value, "self_mse": 0.0, "self_error": 0.0, "seconds": seconds,
        }
        for place, value in enumerate(psnr)
    ]  # fmt: skip
    return Record(rows, provenance(label, sigma, **more))


def boards_of(*records):
    """Return the leaderboards of records."""
    return leaderboards(gather(records))
