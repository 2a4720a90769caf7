"""Checkpoints in every wrapping that training code leaves them in; what is none of them says what it is."""

import argparse
import gzip
import json
import tarfile
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from methods.checkpoints import notes, state_dict

TENSORS = OrderedDict(nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 3)).state_dict())
OTHER = {key: tensor + 1 for key, tensor in TENSORS.items()}
OPTIMISER = {"state": {0: {"exp_avg": torch.ones(4, 1, 3, 3)}}, "param_groups": [{"lr": 1e-3}]}


def prefixed(prefix, tensors=TENSORS):
    return {prefix + key: tensor for key, tensor in tensors.items()}


class Settings:
    """As a training script's own class, which nobody else has."""

    def __init__(self):
        self.depth = 17


WRAPPED = {
    "bare": TENSORS,
    **{
        key: {key: TENSORS, "epoch": 3, "optimizer": OPTIMISER}
        for key in ("state_dict", "model", "net", "params", "model_state_dict", "weights", "network", "denoiser")
    },
    "the only one, of any name": {"MyNet": TENSORS, "epoch": 3, "loss": torch.tensor(0.1)},
    "list": {"params": [TENSORS]},
    "pair": (TENSORS, {"epoch": 3, "best": 29.1}),
    "list with an optimiser": [{"epoch": 3}, {"state_dict": TENSORS}, OPTIMISER],
    "twice": {"checkpoint": {"state_dict": TENSORS}, "args": argparse.Namespace(depth=17)},
    "three times": {"model": {"net": {"params": TENSORS}}},
    "module": prefixed("module."),
    "compiled": prefixed("_orig_mod."),
    "both": {"state_dict": prefixed("_orig_mod.module.")},
    "both the other way": {"state_dict": prefixed("module._orig_mod.")},
    "compiled inside": {"state_dict": prefixed("net._orig_mod."), "pytorch-lightning_version": "2.1"},
    "lightning": {"state_dict": prefixed("model."), "pytorch-lightning_version": "2.1", "epoch": 3},
    "lightning with a loss": {
        "state_dict": {**prefixed("loss."), **prefixed("net.")}, "pytorch-lightning_version": "2.1",
    },
    "GAN": {"netD": OTHER, "netG": TENSORS},
    "numpy numbers": {"state_dict": TENSORS, "best_psnr": np.float64(29.2), "step": np.int64(7), "lr": np.float32(1)},
    "numpy arrays": {"state_dict": {key: tensor.numpy() for key, tensor in TENSORS.items()}, "history": np.ones(9)},
    "parameters": {"state_dict": {key: nn.Parameter(t, False) for key, t in TENSORS.items()}},
    "an object of its own": {"state_dict": TENSORS, "settings": Settings()},
    "averaged side by side": {**prefixed("model.", OTHER), **prefixed("ema."), "step": torch.tensor(3)},
    "averaged side by side, wrapped": {"state_dict": {**prefixed("net_ema.module."), **prefixed("net.", OTHER)}},
    "averaged in Lightning": {
        "state_dict": {**prefixed("net.", OTHER), **prefixed("net_ema."), "loss.scale": torch.ones(5)},
        "pytorch-lightning_version": "2.1",
    },
    "averaged too": {"params": OTHER, "params_ema": TENSORS},
    "averaged first": {"ema": TENSORS, "model": OTHER},
    "averaged, another name": {"state_dict": OTHER, "state_dict_ema": TENSORS, "optimizer": OPTIMISER},
    "averaged, inside": {"model_ema": {"module": prefixed("module.")}, "model": OTHER},
    "averaged, by SWA": {"swa_model": {**prefixed("module."), "n_averaged": torch.tensor(7)}, "model": OTHER},
    "averaged, in words": {"model_state_dict": OTHER, "averaged_model": TENSORS},
    "averaged, lightning": {
        "state_dict": {**prefixed("model.", OTHER), **prefixed("ema_model.")}, "pytorch-lightning_version": "2.1",
    },
    "the count of averaging": {**prefixed("module."), "n_averaged": torch.tensor(7)},
    "lightning with a metric": {
        "state_dict": {"psnr.total": torch.zeros(1), **prefixed("denoise.")}, "pytorch-lightning_version": "2.1",
    },
    "lightning in parallel": {"state_dict": prefixed("net.module."), "pytorch-lightning_version": "2.1"},
}  # fmt: skip


@pytest.mark.parametrize("case", WRAPPED)
@pytest.mark.parametrize("old", [False, True])
def test_every_wrapping_is_opened(tmp_path, case, old):
    path = tmp_path / "net.pth"
    torch.save(WRAPPED[case], path, _use_new_zipfile_serialization=not old)
    if old and case == "an object of its own":  # only the newer format says its classes before it is read
        with pytest.raises(ValueError, match=r"net\.pth"):
            state_dict(path)
        return
    found = state_dict(path)
    assert list(found) == list(TENSORS)
    assert all(torch.equal(found[key], TENSORS[key]) for key in TENSORS)
    said = notes(path)
    assert len(said) == case.startswith("averaged")
    assert all("of net.pth is taken, the averaged weights; it holds" in line for line in said)


def test_averaged_weights_that_are_not_taken_are_said(tmp_path):
    callbacks = {"EMA": {"ema_weights": OTHER}}
    torch.save({"state_dict": TENSORS, "callbacks": callbacks, "optimizer": OPTIMISER}, tmp_path / "net.ckpt")
    assert torch.equal(state_dict(tmp_path / "net.ckpt")["0.weight"], TENSORS["0.weight"])
    line = "state_dict of net.ckpt is taken; it holds averaged weights too, as callbacks.EMA"
    assert notes(tmp_path / "net.ckpt") == (line,)


@pytest.mark.parametrize("name", ["net.safetensors", "net.pth"])
def test_safetensors_by_what_is_in_them(tmp_path, name):
    path = tmp_path / name
    safetensors.torch.save_file(prefixed("module."), path)
    assert set(state_dict(path)) == set(TENSORS)
    assert notes(path) == ()
    safetensors.torch.save_file({**prefixed("model.", OTHER), **prefixed("ema.")}, path)
    assert torch.equal(state_dict(path)["0.weight"], TENSORS["0.weight"])
    assert notes(path) == (f"ema of {name} is taken, the averaged weights; it holds model too",)


def test_numbers_of_nets_stay(tmp_path):
    torch.save({"0": TENSORS, "1": OTHER}, tmp_path / "nets.pth")
    assert list(state_dict(tmp_path / "nets.pth"))[:2] == ["0.0.weight", "0.0.bias"]


def archive(path, *names):
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, json.dumps({}))


def truncated(path):
    torch.save(TENSORS, path)
    path.write_bytes(path.read_bytes()[:-400])


def scripted(path):
    torch.jit.trace(nn.Conv2d(1, 1, 3), torch.zeros(1, 1, 8, 8)).save(path)


def packed(path):
    with tarfile.open(path, "w") as file:
        file.add(__file__)


def hdf5(path):
    import h5py

    with h5py.File(path, "w") as file:
        file["conv/kernel"] = np.ones(3)


ELSE = {
    "LFS": (lambda p: p.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n"), "Git LFS"),
    "HTML": (lambda p: p.write_text("\n<!DOCTYPE html>\n<html><title>Google Drive"), "is an HTML page"),
    "TorchScript": (scripted, "is TorchScript"),
    "pickled model": (lambda p: torch.save(nn.Sequential(nn.Conv2d(1, 1, 3)), p), "holds a whole pickled model .torch"),
    "pickled inside": (lambda p: torch.save({"net": nn.Conv2d(1, 1, 3)}, p), "holds a whole pickled model"),
    "Keras": (lambda p: archive(p, "config.json", "model.weights.h5"), "is a Keras archive"),
    "HDF5": (hdf5, r"is HDF5, as Keras \(.h5\) and MATLAB \(7.3\) save"),
    "a zip": (lambda p: archive(p, "a/net.pth", "b.txt"), "is a zip archive of a/net.pth, b.txt; unpack it"),
    "truncated": (truncated, r"cannot be read: it is truncated \(\d+ bytes"),
    "empty": (lambda p: p.write_bytes(b""), "cannot be read: it is empty"),
    "MATLAB": (lambda p: p.write_bytes(b"MATLAB 5.0 MAT-file, Platform: GLNXA64".ljust(600)), "is a MATLAB file"),
    "no tensors": (lambda p: torch.save({"epoch": 3}, p), "holds no named tensors"),
    "text": (lambda p: p.write_text("depth: 17\n" * 90), r"is a text \('depth: 17'\)"),
    "answer of a server": (
        lambda p: p.write_text('{"message": "Not Found"}'),
        r"is a text \('{\"message\": \"not found\"}'",
    ),
    "gzip": (lambda p: p.write_bytes(gzip.compress(b"depth")), r"is a packed archive \(gzip or tar\)"),
    "tar": (packed, r"is a packed archive \(gzip or tar\)"),
    "zeros": (lambda p: p.write_bytes(bytes(5000)), "cannot be read: it begins with zeros"),
    "NumPy": (lambda p: np.save(p.open("wb"), np.ones(3)), "is one array of NumPy"),
}


@pytest.mark.parametrize("case", ELSE)
def test_what_is_no_checkpoint_says_what_it_is(tmp_path, case):
    path = tmp_path / "net.pth"
    write, cause = ELSE[case]
    write(path)
    with pytest.raises(ValueError, match=f"^weights {path}: .*{cause}") as caught:
        state_dict(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["variables.index", "variables.data-00000-of-00001", "saved_model.pb"])
def test_parts_of_a_tensorflow_model(tmp_path, name):
    (tmp_path / name).write_bytes(bytes(range(200)))
    with pytest.raises(ValueError, match="is a part of a TensorFlow checkpoint"):
        state_dict(tmp_path / name)


class Evil:
    def __reduce__(self):
        import os

        return os.system, ("touch ran",)


def test_nothing_is_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for content in (Evil(), {"state_dict": TENSORS, "hook": Evil()}):
        torch.save(content, tmp_path / "net.pth")
        with pytest.raises(ValueError, match="would execute code; refused"):
            state_dict(tmp_path / "net.pth")
    assert not (tmp_path / "ran").exists()
