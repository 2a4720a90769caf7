import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from bench.common.errors import BenchError
from bench.common.files import sha256
from bench.degradation import parse
from bench.studies.segment.evaluation import Scheme, predicted
from bench.studies.segment.segmenters import fitting, load, segmenters
from bench.train import data, loop
from bench.train.data import read_training_data
from bench.train.loop import Run
from bench.train.overrides import recipe_for
from bench.train.patches import draw_batch, on_device
from bench.train.programmes import segmentation
from bench.train.programmes.segmentation import STAGES, coupled, segmenting, train, with_patches_of
from bench.train.recipe import Recipe, load_recipe, recipe_from
from bench.train.session import Session
from bench.train.trainer import progress_line, train_and_store
from datasets.description import Dataset, File, Part
from datasets.description import Image as Entry
from datasets.labels import indexed
from methods.networks.ding_liu import DingLiu
from methods.networks.segmentation import CompactUNet
from methods.trained_here import trained

VOID = 3
TINY = Recipe(
    "tiny", "tiny", "a paper", "ding-liu", "ding-liu", "scenes", "30", {"features": 2},
    programme="segmentation", variant="joint",
    patch=16, batch=2, steps=3, loss="mse", labels=True, held_out=1, augment=False,
    options={
        "weight": 0.5,
        "segmenter": {"steps": 4, "average": 0.9, "arguments": {"features": 2, "levels": 2}},
        "denoiser": {"steps": 4, "patch": 8, "batch": 3},
    },
)  # fmt: skip


def scene(seed):
    """A picture of three bands, its label map, and a frame without a class."""
    generator = np.random.default_rng(seed)
    labels = np.zeros((24, 32), np.uint8)
    labels[generator.integers(6, 10) :] = 1
    labels[generator.integers(14, 18) :] = 2
    colours = np.array([[200, 210, 240], [90, 120, 60], [60, 50, 50]], np.uint8)
    image = colours[labels] + generator.integers(0, 12, (24, 32, 3), dtype=np.uint8)
    labels[:, :2] = VOID
    return image, labels


@pytest.fixture
def scenes(tmp_path, monkeypatch):
    entries = []
    for i in range(3):
        parts = []
        for kind, pixels in zip(("image", "labels"), scene(i), strict=True):
            path = tmp_path / f"{i}-{kind}.png"
            Image.fromarray(pixels).save(path)
            parts.append(Part(File(path.name, sha256(path), local=str(path))))
        entries.append(Entry(str(i), parts[0], labels=parts[1]))
    made = Dataset(
        name="scenes", title="Scenes", colour="rgb", images=tuple(entries), source="made", licence="none",
        label_reader=indexed, classes={0: "sky", 1: "tree", 2: "road", VOID: "none"}, void=VOID,
    )  # fmt: skip
    for module in (data, segmentation):
        monkeypatch.setattr(module, "known_dataset", lambda word: made)
    return made


def trained_by(how, path, **words):
    torch.set_num_threads(1)
    read = read_training_data(how, "cpu")
    return train(how, read, Session("cpu", path, how.digest + read.identity, **words))


def left_by(path, stage):
    """Return the weights that a stage left which is over."""
    return torch.load(path.with_suffix(f".{stage}.sealed"), weights_only=True)["weights"]


def entropy(logits, labels, void):
    """Mean over pixels with a class of -log softmax, written out."""
    logits, labels = logits.double().numpy(), labels.numpy()
    total, count = 0.0, 0
    for b, y, x in np.argwhere(labels != void):
        values = logits[b, :, y, x]
        total += math.log(np.exp(values).sum()) - values[labels[b, y, x]]
        count += 1
    return total / count


def patches(labels):
    clean = torch.rand(2, 4, 8, 8)
    clean[:, 3] = labels / 255
    return clean, torch.rand(2, 4, 8, 8)


LABELS = torch.randint(4, (2, 8, 8), generator=torch.Generator().manual_seed(0))


def test_labels_stay_with_their_pixels_under_all_turns():
    rows, columns = np.mgrid[:20, :30].astype(np.uint8)
    labels = (rows * 7 + columns) % 11
    stock = on_device([np.stack([rows, columns, rows + columns, labels], axis=2)], 8, "cpu")
    clean, noisy = draw_batch(stock, 200, parse("30"), (0, 0), augment=True)
    levels = (clean * 255).round().long()
    torch.testing.assert_close(levels[:, 3], (levels[:, 0] * 7 + levels[:, 1]) % 11)
    # Where the first step to the right and the first step down lead: eight ways in all.
    right, down = levels[:, :2, 0, 1] - levels[:, :2, 0, 0], levels[:, :2, 1, 0] - levels[:, :2, 0, 0]
    assert len({tuple(way) for way in torch.cat([right, down], 1).tolist()}) == 8
    assert torch.equal(segmentation._labels(clean), levels[:, 3])
    assert float((noisy - clean)[:, :3].std() * 255) == pytest.approx(30, rel=0.02)


def test_the_label_map_is_the_fourth_channel_of_the_stock(scenes):
    read = read_training_data(TINY, "cpu")
    images = [scene(i) for i in (0, 2)]  # of three, the one in the middle is held out
    expected = np.concatenate([np.dstack(pair).reshape(-1, 4).T for pair in images], axis=1)
    np.testing.assert_array_equal(read.images.levels.numpy(), expected)
    (labels,), ((clean, _),) = read.labels, read.held_out
    np.testing.assert_array_equal(labels[0].numpy(), scene(1)[1])
    np.testing.assert_allclose(clean[0].movedim(0, 2).numpy() * 255, scene(1)[0], atol=1e-4)


def test_joint_loss_by_hand():
    torch.manual_seed(0)
    denoiser, segmenter = DingLiu(2), CompactUNet(3, 2, 2)
    clean, noisy = patches(LABELS)
    loss = coupled(segmenter, 0.5, VOID)(denoiser, clean, noisy)
    output = denoiser(noisy[:, :3])
    squares = ((output.detach() - clean[:, :3]).double() ** 2).mean()
    expected = float(squares) + 0.5 * entropy(segmenter(output).detach(), LABELS, VOID)
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-4)


def test_the_gradient_goes_through_the_segmentation_net_to_the_denoiser_alone():
    torch.manual_seed(0)
    denoiser, segmenter = DingLiu(2).train(), CompactUNet(3, 2, 2).train()
    clean, noisy = patches(LABELS)
    before = {name: value.clone() for name, value in segmenter.state_dict().items()}
    gradients = {}
    for weight in (0.0, 0.5):
        denoiser.zero_grad()
        coupled(segmenter, weight, VOID)(denoiser, clean, noisy).backward()
        gradients[weight] = denoiser.concat_reduction.weight.grad.clone()
    assert not torch.allclose(gradients[0.0], gradients[0.5], rtol=0.01)
    assert denoiser.training
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in segmenter.parameters())
    # Neither do the running statistics move.
    assert all(torch.equal(value, before[name]) for name, value in segmenter.state_dict().items())


class Given(nn.Module):
    """Gives the same logits for every image."""

    def __init__(self, logits):
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, image):
        assert image.shape[1] == 3
        return self.logits


def test_pixels_without_a_class_do_not_count():
    net = Given(torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1)))
    clean, noisy = patches(LABELS)
    loss = segmenting(VOID)(net, clean, noisy)
    assert float(loss.detach()) == pytest.approx(entropy(net.logits.detach(), LABELS, VOID), rel=1e-5)
    loss.backward()
    moved = net.logits.grad.abs().sum(1) > 0
    assert torch.equal(moved, LABELS != VOID)
    nothing = segmenting(VOID)(net, patches(torch.full_like(LABELS, VOID))[0], noisy)
    assert float(nothing.detach()) == 0


def test_the_segmentation_net_is_measured_by_mean_iou():
    logits = torch.zeros(1, 3, 2, 4)
    logits[0, 0, 0], logits[0, 1, 1] = 1, 1
    labels = torch.tensor([[[0, 0, 0, VOID], [1, 1, 2, 0]]])
    run = Run(Given(logits), None, 1)
    # Class 0: 3 hits of 4; class 1: 2 hits, 2 false; class 2: none of 1.
    measure = segmentation.held_out_iou(Scheme(("a", "b", "c"), VOID))
    assert measure(run, [(labels, torch.rand(1, 3, 2, 4))]) == pytest.approx(100 * (3 / 4 + 2 / 4 + 0) / 3)


def test_smaller_patches_of_the_same_stock(scenes):
    stock = read_training_data(TINY, "cpu").images
    small, straight = with_patches_of(stock, 8), on_device([np.dstack(scene(i)) for i in (0, 2)], 8, "cpu")
    generators = [torch.Generator().manual_seed(0) for _ in range(2)]
    first, second = (s.patches(20, g, augment=True) for s, g in zip((small, straight), generators, strict=True))
    assert torch.equal(first, second)
    with pytest.raises(BenchError, match="patches of 24 pixels; the recipe's own are 16"):
        with_patches_of(stock, 24)


def test_a_run_that_was_killed_ends_as_one_that_was_not(tmp_path, scenes, monkeypatch):
    whole = trained_by(TINY, tmp_path / "whole.ckpt")

    class Killed(BaseException):
        pass

    original, left = loop.step, 0

    def dying(*words):
        nonlocal left
        if left == 0:
            raise Killed
        left -= 1
        return original(*words)

    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", 0.0)  # a checkpoint after each step
    monkeypatch.setattr(loop, "step", dying)
    for steps in (2, 4, 4, 3):  # which ends once in each stage
        left = steps
        with pytest.raises(Killed):
            trained_by(TINY, tmp_path / "cut.ckpt")
    left = 1  # of 14 steps: what is done is not done again
    resumed = trained_by(TINY, tmp_path / "cut.ckpt")
    assert left == 0
    assert resumed.steps == whole.steps == 4 + 4 + 3 + 3
    for stage in STAGES[:-1]:
        expected, found = (left_by(tmp_path / name, stage) for name in ("whole.ckpt", "cut.ckpt"))
        assert all(torch.equal(found[name], value) for name, value in expected.items()), stage
    networks = [(whole, resumed), *zip(whole.by_products, resumed.by_products, strict=True)]
    assert len(networks) == 3
    for one, other in networks:
        assert all(torch.equal(other.weights[name], value) for name, value in one.weights.items())


def test_the_two_denoisers_differ_by_the_loss_alone(tmp_path, scenes):
    results = {}
    for weight in (0.0, 0.5):
        path = tmp_path / str(weight) / "x.ckpt"
        run = trained_by(replace(TINY, options={**TINY.options, "weight": weight}), path)
        results[weight] = [left_by(path, "denoiser"), run.by_products[0].weights, run.weights]
    # Running statistics are those of the stage's own steps.
    batches = [int(tensors["conv1.norm.num_batches_tracked"]) for tensors in results[0.5]]
    assert batches == [4, 3, 3]
    key = "conv0.weight"
    start, alone, joint = (tensors[key] for tensors in results[0.0])
    assert torch.equal(alone, joint)
    assert not torch.equal(alone, start)
    assert not torch.equal(results[0.5][2][key], joint)
    assert torch.equal(results[0.5][1][key], alone)


def test_a_budget_is_divided_and_what_is_left_goes_on(tmp_path, scenes, monkeypatch):
    clock, spent, told = [0.0], iter((10, 30, 25, 20)), []

    def spending(how, given, session, stage):
        told.append((session.budget, how.steps, given.images.side))
        clock[0] += next(spent)
        return Run(how.build(), None, how.steps, step=7, seconds=1.0, history=[{"psnr": 1.0}])

    monkeypatch.setattr(loop, "train", spending)
    monkeypatch.setattr("bench.train.programmes.stages.time.perf_counter", lambda: clock[0])
    run = trained_by(TINY, tmp_path / "x.ckpt", budget=100.0)
    # A quarter; a third of 90; a half of 60; and as many steps as the joint stage took.
    assert told == [(25, 4, 16), (30, 4, 8), (30, 3, 16), (0, 7, 16)]
    assert (run.steps, run.seconds) == (28, 4.0)


def test_stages_are_named_while_they_run(tmp_path, scenes):
    seen = []
    trained_by(TINY, tmp_path / "x.ckpt", report=seen.append)
    assert [progress.stage for progress in seen] == list(STAGES)
    lines = [progress_line(progress) for progress in seen]
    assert lines[0].startswith("segmenter: step 4/4")
    assert "% mean IoU" in lines[0]
    assert "dB" in lines[1]


def test_from_labelled_images_to_a_method(tmp_path, scenes):
    import methods

    lines = list(train_and_store(TINY, tmp_path, to=tmp_path / "weights", device="cpu", threads=1))
    assert "METHOD=ding-liu@own-joint" in lines[-1]
    assert "% mean IoU" in next(line for line in lines if "segmenter@own-scenes" in line)
    files = sorted((tmp_path / "weights").iterdir())
    assert [file.name for file in files] == [
        f"{name}.{kind}"
        for name in ("ding-liu@own-alone-30", "ding-liu@own-joint-30", "segmenter@own-scenes")
        for kind in ("json", "safetensors")
    ]
    plain = tmp_path / "plain"
    plain.touch()  # what whoever may read a new file is
    assert {file.stat().st_mode for file in files} == {plain.stat().st_mode}

    made = {method.name: method for method in trained(methods.available(), tmp_path / "weights")}
    assert set(made) == {"ding-liu@own-alone", "ding-liu@own-joint"}  # the segmentation network denoises nothing
    said = {}
    for name, method in made.items():
        (net,) = method.nets
        assert (net.colour, net.trained) == ("rgb", (30, 30))
        network = method.load(net, tmp_path / "weights" / net.weights.path, {})
        assert network(torch.rand(1, 3, 8, 8)).shape == (1, 3, 8, 8)
        said[name] = json.loads((tmp_path / "weights" / net.weights.record).read_text())
    joint, alone = said["ding-liu@own-joint"], said["ding-liu@own-alone"]
    assert [(stage["name"], stage["steps"], stage["unit"]) for stage in joint["stages"]] == [
        ("segmenter", 4, "% mean IoU"), ("denoiser", 4, "dB"), ("joint", 3, "dB"), ("alone", 3, "dB"),
    ]  # fmt: skip
    assert all(stage["history"] and stage["seconds"] > 0 for stage in joint["stages"])
    assert joint["seconds"] == pytest.approx(sum(stage["seconds"] for stage in joint["stages"]), abs=0.06)
    patches = 4 * 2 + 4 * 3 + 3 * 2 + 3 * 2
    assert joint["patches_per_second"] * joint["seconds"] == pytest.approx(patches, rel=0.5)
    assert [stage["name"] for stage in alone["stages"]] == ["denoiser", "alone"]
    assert alone["within"] == joint["recipe"]
    assert alone["held_out_psnr"] == pytest.approx(alone["stages"][-1]["score"], abs=1e-3)


def test_the_segmentation_network_that_is_stored_is_found_by_its_classes(tmp_path, scenes):
    weights = tmp_path / "weights"
    list(train_and_store(TINY, tmp_path, to=weights, device="cpu", threads=1))
    found = fitting(scenes, folder=weights)
    assert (found.path.name, found.classes) == ("segmenter@own-scenes.safetensors", ("sky", "tree", "road"))
    (sealed,) = (tmp_path / "training").glob("*.segmenter.sealed")
    expected = CompactUNet(3, 2, 2)
    expected.load_state_dict(torch.load(sealed, weights_only=True)["weights"])
    image = torch.rand(1, 3, 16, 24)
    assert torch.equal(predicted(load(found.path), image), expected.eval()(image).argmax(1))
    record = json.loads(found.path.with_suffix(".json").read_text())
    assert (record["kind"], record["void"], record["trained"]) == ("segmenter", VOID, None)
    assert record["held_out_mean_iou"] == pytest.approx(found.score)


def iou(pairs, classes):
    """Mean IoU in percent of pairs of label maps, by sets of pixels."""
    known = [(truth != VOID, truth, found) for truth, found in pairs]
    ratios = []
    for number in range(classes):
        both = sum(int((mask & (truth == number) & (found == number)).sum()) for mask, truth, found in known)
        either = sum(int((mask & ((truth == number) | (found == number))).sum()) for mask, truth, found in known)
        ratios += [both / either] if either else []
    return 100 * sum(ratios) / len(ratios)


def test_a_finished_segmentation_network_is_not_trained_again(tmp_path, scenes):
    whole, part = tmp_path / "whole", tmp_path / "part"
    list(train_and_store(TINY, tmp_path, to=whole, device="cpu", threads=1))
    file = whole / "segmenter@own-scenes.safetensors"
    # Width and levels are those of the file.
    segmenter = {"weights": str(file), "arguments": {"features": 8, "levels": 1}}
    how = replace(TINY, options={**TINY.options, "segmenter": segmenter})
    lines = list(train_and_store(how, tmp_path / "again", to=part, device="cpu", threads=1))
    assert not any("segmenter@own" in line for line in lines)
    for name in ("ding-liu@own-alone-30", "ding-liu@own-joint-30"):
        # The same seed, the same segmentation network: the same weights.
        assert (part / f"{name}.safetensors").read_bytes() == (whole / f"{name}.safetensors").read_bytes()
        record = json.loads((part / f"{name}.json").read_text())
        assert record["segmenter"] == {"weights": file.name, "sha256": sha256(file)}
    joint = json.loads((part / "ding-liu@own-joint-30.json").read_text())
    assert [stage["name"] for stage in joint["stages"]] == ["denoiser", "joint", "alone"]
    assert any(
        "own-joint" in line for line in train_and_store(how, tmp_path / "again", to=part, device="cpu", threads=1)
    )
    file.write_bytes((whole / "segmenter@own-scenes.safetensors").read_bytes()[:-4] + b"\0\0\0\1")
    with pytest.raises(BenchError, match="damaged or another's"):  # by its own training record
        list(train_and_store(how, tmp_path / "again", to=part, device="cpu", threads=1))
    file.with_suffix(".json").unlink()
    # With another file a checkpoint of this training is another one's.
    with pytest.raises(BenchError, match="belongs to another recipe or other images"):
        list(train_and_store(how, tmp_path / "again", to=part, device="cpu", threads=1))


def test_lambda_is_chosen_by_what_is_seen_in_denoised_held_out_images(scenes):
    torch.manual_seed(0)
    how, segmenter = replace(TINY, arguments={"features": 2}), CompactUNet(3, 2, 2).eval()
    read, network = read_training_data(TINY, "cpu"), DingLiu(2).eval()
    (clean, noisy), labels = read.held_out[0], read.labels[0]
    found = segmentation.denoised_iou(
        how, network.state_dict(), segmenter, [(labels, clean)], read.held_out, Scheme(("a", "b", "c"), VOID)
    )
    with torch.no_grad():
        seen = segmenter(network(noisy).clamp(0, 1)).argmax(1)
    assert found == pytest.approx(iou([(labels.numpy(), seen.numpy())], 3))


def test_no_such_segmentation_network(scenes, tmp_path):
    options = {"weight": 1, "segmenter": {"weights": "segmenter@own-nowhere"}}
    with pytest.raises(BenchError, match=r"options\.segmenter\.weights: 'segmenter@own-nowhere'.*or the path of a"):
        train(replace(TINY, options=options), read_training_data(TINY, "cpu"), Session("cpu", tmp_path / "x", "d"))


def test_what_comes_besides_overwrites_no_other_weights(tmp_path, scenes):
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "segmenter@own-scenes.safetensors").write_bytes(b"of somebody")
    lines = list(train_and_store(TINY, tmp_path, to=weights, device="cpu", threads=1))
    (line,) = (line for line in lines if line.startswith("not stored besides: "))
    assert "segmenter@own-scenes.safetensors has no readable training record" in line
    assert (weights / "segmenter@own-scenes.safetensors").read_bytes() == b"of somebody"
    assert (weights / "ding-liu@own-joint-30.safetensors").exists()


def test_several_seeds_lie_beside_each_other(tmp_path, scenes):
    import methods

    weights, texts = tmp_path / "weights", []
    for seed in (0, 1):
        how = replace(TINY, seed=seed, variant=f"joint-{seed}")
        texts += train_and_store(how, tmp_path, to=weights, device="cpu", threads=1)
    names = [f"ding-liu@own-{kind}-{seed}" for kind in ("alone", "joint") for seed in (0, 1)]
    assert sorted(method.name for method in trained(methods.available(), weights)) == names
    for number, content in enumerate(("{", "[]", "{}", '{"classes": 3, "held_out_mean_iou": 1}')):  # each is left out
        (weights / f"segmenter@own-bad-{number}.json").write_text(content)
    assert [found.path.stem for found in segmenters(weights)] == ["segmenter@own-scenes-0", "segmenter@own-scenes-1"]
    assert len(list((tmp_path / "training").glob("*.sealed"))) == 2 * 3
    assert len({file.read_bytes() for file in weights.glob("*.safetensors")}) == 6
    # The same command stores the same again.
    before = {file.name: file.read_bytes() for file in weights.glob("*.safetensors")}
    again = list(train_and_store(how, tmp_path, to=weights, device="cpu", threads=1))
    assert sum(line.startswith("besides: ") for line in again) == 2
    assert {file.name: file.read_bytes() for file in weights.glob("*.safetensors")} == before
    assert not any(line.startswith("not stored") for line in texts + again)
    asked = recipe_for("ding-liu-joint", "", "", "seed=1", "joint-1")
    assert (asked.seed, asked.weights_name) == (1, "ding-liu@own-joint-1")


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"labels": False}, "has no labels = true"),
        ({"options": {}}, r"options\.weight is None; expected lambda"),
        ({"options": {"weight": -1}}, r"options\.weight is -1"),
        ({"options": {"weight": 1, "denoiser": {"patch": 10}}}, "patches of 10 in denoiser; expected a multiple of 4"),
        ({"patch": 12}, "patches of 12 in segmenter; expected a multiple of 8"),
        ({"options": {**TINY.options, "denoiser": {"patch": 20}}}, "patches of 20 pixels; the recipe's own are 16"),
    ],
)
def test_recipes_that_do_not_fit(tmp_path, scenes, changes, cause):
    read = read_training_data(TINY, "cpu")
    how = replace(TINY, **({"options": {"weight": 1}} if "patch" in changes else {}), **changes)
    with pytest.raises(BenchError, match=cause):
        train(how, read, Session("cpu", tmp_path / "x.ckpt", "d"))


@pytest.mark.parametrize(
    ("table", "cause"),
    [
        ({"segmenter": {"rats": 1}}, r"unknown word in recipe tiny: options\.segmenter: 'rats'.*rate"),
        ({"denoiser": {"arguments": {}}}, r"unknown word in recipe tiny: options\.denoiser: 'arguments'"),
        ({"denoiser": {"steps": "many"}}, r"options\.denoiser\.steps is 'many'; expected a whole number"),
        ({"weights": 1}, r"unknown word in recipe tiny: options: 'weights': did you mean weight"),
    ],
)
def test_options_that_mean_nothing(table, cause):
    words = {name: value for name, value in vars(TINY).items() if name != "name"}
    with pytest.raises(BenchError, match=cause):
        recipe_from("tiny", {**words, "options": {"weight": 1, **table}})


def test_images_and_files_that_do_not_fit(tmp_path, scenes, monkeypatch):
    trained_by(TINY, tmp_path / "x.ckpt")
    with pytest.raises(BenchError, match=r"x\.segmenter\.sealed belongs to another recipe or other images"):
        trained_by(replace(TINY, rate=1e-4), tmp_path / "x.ckpt")
    bare = replace(scenes, images=tuple(replace(image, labels=None) for image in scenes.images))
    monkeypatch.setattr(data, "known_dataset", lambda word: bare)
    with pytest.raises(BenchError, match="0 has no label map; take a set that has them, as camvid-train"):
        read_training_data(TINY, "cpu")


def test_the_recipes_are_those_of_the_authors_files():
    alone, joint = load_recipe("ding-liu"), load_recipe("ding-liu-joint")
    # Their loss is that of levels to 255: 255^2 times ours, and so are its gradients.
    assert alone.rate == pytest.approx(1e-4 * 255**2)
    assert alone.clip == pytest.approx(100 / 255**2, rel=1e-4)
    assert alone.rate * alone.decay == pytest.approx(1e-4 * 5e-4, rel=1e-3)
    assert (alone.patch, alone.batch, alone.steps, alone.noise, alone.loss) == (40, 64, 1_000_000, "30", "squared")
    # 1 to 5e-9 x (sum of squares / 2), of 322 x 322 pixels of three channels, on 0-255.
    assert joint.options["weight"] == pytest.approx(1 / (5e-9 * 255**2 * 322**2 * 3 / 2), rel=1e-2)
    assert (joint.batch, joint.images, joint.variant, joint.labels) == (6, "camvid-train", "joint", True)
    assert [joint.rate_at(step) for step in (0, 1200, 2400, 5999)] == pytest.approx([1e-4, 2e-5, 4e-6, 1.6e-7])
    assert joint.programme == "segmentation"
