import pickle

import h5py
import numpy as np
import pytest
import torch
from skimage.color import rgb2ycbcr
from torch import nn

import methods
from methods.checkpoints import state_dict
from methods.dncnn import load, load_flexible
from methods.formats import matconvnet_layers
from methods.networks.dncnn import DnCNN, FDnCNN, fold
from methods.networks.on_luma import OnLuma

NETS = {net.id: net for method in methods.available().values() for net in method.nets}
GRAY, RGB, FLEXIBLE = NETS["dncnn-b"], NETS["cdncnn-b"], NETS["fdncnn"]


def randomised(depth=6, channels=1, features=8) -> DnCNN:
    """A network in its training form, with batch norms that have seen something."""
    torch.manual_seed(0)
    network = DnCNN(depth, channels, features, norm=True).eval()
    for name, tensor in network.state_dict().items():
        if "running_mean" in name:
            tensor.normal_(0, 0.1)
        elif "running_var" in name:
            tensor.uniform_(0.3, 2)
        elif tensor.ndim == 1 and tensor.dtype.is_floating_point:
            tensor.uniform_(0.5, 1.5)
    return network


def save_matconvnet(path, convolutions):
    """Write a .mat file as MATLAB 7.3 writes MatConvNet's net.layers: axes reversed, last ones of size 1 dropped."""
    with h5py.File(path, "w", userblock_size=512) as file:
        references = []

        def put(name, group_type, weights):
            group = file.create_group(f"#refs#/{name}")
            group["type"] = np.array([[ord(c)] for c in group_type], np.uint16)
            if weights is None:
                group["weights"] = np.zeros(2, np.uint64)
            else:
                cells = []
                for part, array in zip("wb", weights, strict=True):
                    cells.append(file.create_dataset(f"#refs#/{name}{part}", data=array).ref)
                group.create_dataset("weights", data=np.array([[c] for c in cells], h5py.ref_dtype))
            references.append(group.ref)

        for index, (weight, bias) in enumerate(convolutions):
            stored = weight.transpose(0, 1, 3, 2)  # (O, I, W, H)
            put(f"c{index}", "conv", (stored[0] if len(stored) == 1 else stored, bias[None]))
            if index < len(convolutions) - 1:
                put(f"r{index}", "relu", None)
        file.create_dataset("net/layers", data=np.array([[r] for r in references], h5py.ref_dtype))


def layers(network) -> list[tuple[np.ndarray, np.ndarray]]:
    convolutions = [layer for layer in network.stack if isinstance(layer, nn.Conv2d)]
    return [(c.weight.detach().numpy(), c.bias.detach().numpy()) for c in convolutions]


def test_depth_receptive_field_and_parameters_of_the_paper():
    assert sum(p.numel() for p in DnCNN(17).parameters()) == 555_137
    assert sum(p.numel() for p in DnCNN(20).parameters()) == 665_921
    assert (NETS["dncnn-s-25"].receptive_field, NETS["dncnn-b"].receptive_field) == (35, 41)
    network = randomised(17)
    image = torch.zeros(1, 1, 41, 41, requires_grad=True)
    network(image)[0, 0, 20, 20].backward()
    reached = image.grad[0, 0].abs() > 0
    assert reached.any(dim=0).nonzero().flatten().tolist() == list(range(3, 38))  # 35 wide


def test_the_folded_form_is_the_same_function():
    network = randomised()
    noisy = torch.rand(2, 1, 20, 24)
    with torch.no_grad():
        torch.testing.assert_close(fold(network)(noisy), network(noisy), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("channels", "net"), [(1, GRAY), (3, RGB)])
def test_matconvnet_files_load(tmp_path, channels, net):
    network = fold(randomised(channels=channels))
    save_matconvnet(tmp_path / "net.mat", layers(network))
    noisy = torch.rand(1, channels, 20, 24)
    with torch.no_grad():
        torch.testing.assert_close(load(net, tmp_path / "net.mat", {})(noisy, 0.1), network(noisy))


def test_fdncnn_takes_the_map_last_and_gives_the_image(tmp_path):
    torch.manual_seed(1)
    network = FDnCNN(4, 1, 8).eval()
    save_matconvnet(tmp_path / "net.mat", layers(network))
    noisy = torch.rand(1, 1, 16, 16)
    by_hand = torch.cat([noisy, torch.full_like(noisy, 0.2)], 1)
    with torch.no_grad():
        for layer in network.stack:
            by_hand = layer(by_hand)
        torch.testing.assert_close(load_flexible(FLEXIBLE, tmp_path / "net.mat", {})(noisy, 0.2), by_hand)


def test_saoyan_layout_loads(tmp_path):
    """DataParallel prefix, no convolution bias, no num_batches_tracked."""
    network = randomised()
    for layer in network.stack:
        if isinstance(layer, nn.Conv2d):
            nn.init.zeros_(layer.bias)
    saved = {
        f"module.dncnn.{key.removeprefix('stack.')}": value
        for key, value in network.state_dict().items()
        if "num_batches_tracked" not in key
        and not (key.endswith("bias") and f"{key[:-4]}running_var" not in network.state_dict())
    }
    path = tmp_path / "net.pth"
    torch.save(saved, path, _use_new_zipfile_serialization=False)
    noisy = torch.rand(1, 1, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(load(GRAY, path, {})(noisy), network(noisy), atol=1e-5, rtol=0)


def test_safetensors_and_wrapped_checkpoints_load(tmp_path):
    from safetensors.torch import save_file

    network = fold(randomised())
    save_file(network.state_dict(), tmp_path / "net.safetensors")
    torch.save({"epoch": 3, "state_dict": network.state_dict()}, tmp_path / "net.ckpt")
    noisy = torch.rand(1, 1, 16, 16)
    for name in ("net.safetensors", "net.ckpt"):
        with torch.no_grad():
            torch.testing.assert_close(load(GRAY, tmp_path / name, {})(noisy), network(noisy))


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_pickle_with_code_is_refused_and_nothing_runs(tmp_path):
    bad = tmp_path / "bad.pth"
    bad.write_bytes(pickle.dumps({"weight": Malicious(tmp_path / "ran")}))
    torch.save({"weight": Malicious(tmp_path / "ran")}, tmp_path / "bad2.pth")
    for path in (bad, tmp_path / "bad2.pth"):
        with pytest.raises(ValueError, match="would execute code; refused"):
            state_dict(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("case", ["truncated", "empty", "text", "dilated", "other channels", "no tensors", "mat"])
def test_files_that_are_no_dncnn(tmp_path, case):
    path = tmp_path / ("net.mat" if case == "mat" else "net.pth")
    torch.save(fold(randomised()).state_dict(), path)
    if case == "truncated":
        path.write_bytes(path.read_bytes()[:2000])
    elif case == "empty":
        path.write_bytes(b"")
    elif case == "text":
        path.write_text("not weights")
    elif case == "dilated":
        torch.save(nn.Sequential(nn.Conv2d(1, 8, 5), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 1, 3)).state_dict(), path)
    elif case == "other channels":
        torch.save(FDnCNN(4, 1, 8).state_dict(), path)
    elif case == "no tensors":
        torch.save({"epoch": 3}, path)
    else:
        with h5py.File(path, "w") as file:
            file["x"] = 1
    with pytest.raises(ValueError, match=r"^weights .*net") as caught:
        load(GRAY, path, {})
    assert len(str(caught.value).splitlines()) == 1


def test_a_net_for_another_colour(tmp_path):
    torch.save(fold(randomised(channels=3)).state_dict(), tmp_path / "net.pth")
    with pytest.raises(ValueError, match="hold a rgb net, and the images are gray"):
        load(GRAY, tmp_path / "net.pth", {})


def ycbcr(image):
    """Y from 16 to 235 and chroma (H, W, 3) of one image (1, 3, H, W), by another library."""
    return rgb2ycbcr(image[0].double().permute(1, 2, 0).numpy())


@pytest.mark.parametrize("change", [-0.02, 0.0, 0.05])
def test_on_luma_y_is_what_the_gray_network_makes_of_it_and_the_chroma_stays(change):
    noisy = 0.3 + 0.4 * torch.rand(1, 3, 9, 7, generator=torch.Generator().manual_seed(0))
    before, after = (ycbcr(image) for image in (noisy, OnLuma(lambda luma: luma + change)(noisy)))
    np.testing.assert_allclose(after - before, np.broadcast_to([change * 255, 0, 0], (9, 7, 3)), atol=1e-4)


def test_on_luma_a_pixel_that_would_leave_the_range_gets_paler_and_keeps_its_y():
    noisy = -0.2 + 1.4 * torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    result = OnLuma(lambda luma: luma + 0.03)(noisy)
    assert result.min() >= -1e-6
    assert result.max() <= 1 + 1e-6
    expected = np.clip(ycbcr(noisy)[..., 0] + 0.03 * 255, 16, 235)
    np.testing.assert_allclose(ycbcr(result)[..., 0], expected, atol=1e-3)
    assert (np.abs(expected - ycbcr(noisy.clamp(0, 1))[..., 0] - 0.03 * 255) > 1).any()  # clipping would change it


def test_dncnn_3_for_colour_images_is_the_gray_net_on_their_luma(tmp_path):
    network = randomised()
    save_matconvnet(tmp_path / "net.mat", layers(fold(network)))
    luma = methods.available()["dncnn-3-luma"]
    (net,) = luma.nets
    assert (net.colour, net.published) == ("rgb", NETS["dncnn-3"].published)
    noisy = 0.3 + 0.4 * torch.rand(1, 3, 16, 12, generator=torch.Generator().manual_seed(0))
    y = torch.from_numpy(ycbcr(noisy)[None, None, ..., 0]).float() / 255
    with torch.inference_mode():
        gray, colour = network(y), luma.load(net, tmp_path / "net.mat", {})(noisy, None)
    assert (gray - y).abs().max() > 1e-3
    np.testing.assert_allclose(ycbcr(colour)[..., 0], np.clip(gray[0, 0].numpy() * 255, 16, 235), atol=0.02)


def test_matlab_axes(tmp_path):
    weight = np.arange(2 * 3 * 3 * 3, dtype=np.float32).reshape(2, 3, 3, 3)
    save_matconvnet(tmp_path / "net.mat", [(weight, np.array([5, 6], np.float32))])
    ((read, bias),) = matconvnet_layers(tmp_path / "net.mat")
    assert np.array_equal(read.numpy(), weight)
    assert bias.tolist() == [5, 6]


def test_parameters_are_counted_as_the_facts_have_them():
    assert NETS["dncnn-s-25"].parameters == 555_137
    assert NETS["dncnn-b"].parameters == 665_921
    for name, network in (("cdncnn-b", DnCNN(20, 3)), ("fdncnn", FDnCNN(20, 1)), ("fdncnn-rgb", FDnCNN(20, 3))):
        assert NETS[name].parameters == sum(p.numel() for p in network.parameters())
