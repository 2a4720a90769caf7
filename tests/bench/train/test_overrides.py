import pytest

from bench.common.errors import BenchError
from bench.train.overrides import read_overrides, recipe_for
from bench.train.recipe import Recipe, load_recipe


def test_values_are_toml():
    text = """steps=2_000 rate=1e-3 cosine=true features=[16, 24] schedule=[[0.6,0.1],[0.8,0.1]]
        loss=l1 variant=7 validation_noise="gaussian:mean=0.1,std=0.2" options.segmenter.arguments.levels=3"""
    assert read_overrides(text) == {
        "steps": 2000, "rate": 1e-3, "cosine": True, "features": [16, 24], "schedule": [[0.6, 0.1], [0.8, 0.1]],
        "loss": "l1", "variant": "7", "validation_noise": "gaussian:mean=0.1,std=0.2",
        "options.segmenter.arguments.levels": 3,
    }  # fmt: skip


@pytest.mark.parametrize("text", ["steps", "=3", "steps=", "steps = 3", "steps=3,features"])
def test_what_is_no_assignment(text):
    with pytest.raises(BenchError, match=r"is no name=VALUE; expected for example steps=2000"):
        read_overrides(text)


def test_what_stands_in_readme_and_recipes_is_read():
    assert recipe_for("dncnn", "", "", "batch=32,steps=2000,depth=8").arguments == {"depth": 8, "norm": True}
    raw = recipe_for("mwrcanet", "", "", "channels=1,augment=false,align=2")
    assert (raw.arguments["channels"], raw.augment, raw.align) == (1, False, 2)
    chest = recipe_for("cnn-dae", "", "", "patch=64,augment=true")
    assert (chest.patch, chest.augment) == (64, True)


def test_words_with_a_dot_change_tables():
    changed = recipe_for(
        "ding-liu-joint", "", "",
        "options.weight=0.01,options.segmenter.steps=300,options.segmenter.batch=2,"
        "options.segmenter.arguments.features=8,arguments.features=4,options.denoiser.schedule=[[0.5,0.1]]",
    )  # fmt: skip
    before = load_recipe("ding-liu-joint").options
    assert changed.options["weight"] == 0.01
    assert changed.options["segmenter"] == {
        **before["segmenter"], "steps": 300, "batch": 2, "arguments": {"features": 8, "levels": 4},
    }  # fmt: skip
    assert changed.options["denoiser"] == {**before["denoiser"], "schedule": [[0.5, 0.1]]}
    assert changed.arguments == {"features": 4}
    assert before["segmenter"]["steps"] == 6000
    assert recipe_for("dae", "", "", "options.masked=[0.1,0.25]").options["masked"] == [0.1, 0.25]
    assert recipe_for("dae", "", "", "options.masked=0.2").options["masked"] == [0.2]


def test_a_schedule_and_whole_numbers_with_an_exponent():
    changed = recipe_for("dncnn", "", "", "schedule=[[0.6,0.1],[0.8,0.5]],steps=1e3,rate=1")
    assert changed.schedule == ((0.6, 0.1), (0.8, 0.5))
    assert [changed.rate_at(step) for step in (0, 599, 600, 800)] == pytest.approx([1, 1, 0.1, 0.05])


def test_a_seed_gives_another_net():
    first, same, other = (recipe_for("dncnn-small", seed=seed) for seed in (None, 0, 1))
    assert (first.seed, other.seed) == (0, 1)
    assert first == same
    weights = [recipe.build().state_dict()["stack.0.weight"] for recipe in (first, other)]
    assert float((weights[0] - weights[1]).abs().max()) > 0


@pytest.mark.parametrize(
    ("method", "change", "cause"),
    [
        ("dncnn", "dept=3", "unknown word in CHANGE: 'dept': did you mean depth"),
        ("dncnn", "batchs=3", "unknown word in CHANGE: 'batchs': did you mean batch"),
        ("dncnn", "name=x", "unknown word in CHANGE: 'name'"),
        ("dncnn", "options.weight=3", "unknown word in CHANGE: 'options.weight'"),
        ("dncnn", "steps.x=3", r"unknown word in CHANGE: 'steps\.x'"),
        ("dae", "options.epoch=3", r"unknown word in CHANGE: 'options\.epoch': did you mean options\.epochs"),
        ("ding-liu-joint", "options.segmenter.stepps=3", r"did you mean options\.segmenter\.steps"),
        ("ding-liu-joint", "options.segmentr.steps=3", r"did you mean options\.segmenter\.steps"),
        ("ding-liu-joint", "options.segmenter=3", r"unknown word in CHANGE: 'options\.segmenter'"),
        ("msbf-resnet", "block=foo", "block is 'foo'"),
        ("msbf-resnet", "dept=3", "unknown word in CHANGE: 'dept'"),
        ("dncnn", "batch=abc", "batch is 'abc'; expected a whole number"),
        ("dncnn", "batch=2.5", r"batch is 2\.5; expected a whole number"),
        ("dncnn", "batch=[8]", r"batch is \[8\]; expected a whole number"),
        ("dncnn", "batch=true", "batch is True; expected a whole number"),
        ("dncnn", "batch=1979-05-27", r"batch is datetime\.date\(1979, 5, 27\); expected a whole number"),
        ("dncnn", "rate=fast", "rate is 'fast'; expected a number"),
        ("dncnn", "rate=nan", "rate is nan; expected a number"),
        ("dncnn", "rate=-1", "rate is -1; expected a number above 0"),
        ("dncnn", "rate=0", "rate is 0; expected a number above 0"),
        ("dncnn", "clip=-4", r"clip is -4\.0; expected a number from 0 up"),
        ("dncnn", "decay=1e300", r"decay is 1e\+300; expected a number up to 1e\+06"),
        ("dncnn", "align=1e9", r"align is 1e\+09; expected a number up to 64"),
        ("dncnn", "batch=1e8", r"batch is 1e\+08; expected a number up to 65536"),
        ("dncnn", "depth=1e9", "depth is 1000000000; expected a whole number from 1 to 4096"),
        ("dncnn", "[[[[[", r"nothing can be made of \[\[\[\[\[; brackets and quotation marks come in pairs"),
        ("dncnn", "steps=9 loss='l1", "nothing can be made of '; brackets"),
        ("dncnn", "patch=0", "patch is 0; expected a number from 1 up"),
        ("dncnn", "align=0", "align is 0; expected a number from 1 up"),
        ("dncnn", "seed=5e9", r"seed is 5000000000; expected a number below 2\^32"),
        ("dncnn", "cosine=maybe", "cosine is 'maybe'; expected true or false"),
        ("dncnn", "depth=abc", "depth is 'abc'; expected a whole number, as 17"),
        ("dncnn", "depth=0", "depth is 0; expected a whole number from 1 to 4096"),
        ("dncnn", "features=-1", "features is -1; expected a whole number from 1 to 4096"),
        ("mwrcanet-small", "features=[8,0,8]", r"features is \[8, 0, 8\]; expected a whole number from 1 to 4096"),
        ("mwrcanet-small", "features=8+16+16", r"features is '8\+16\+16'; expected a whole number, as 96"),
        ("dncnn", "schedule=0.6", r"schedule is 0\.6; expected \[\[share, factor\], \.\.\.\]"),
        ("dncnn", "schedule=0.6:0.1;0.8:0.1", r"expected \[\[share, factor\], \.\.\.\]"),
        ("dncnn", "schedule=[[6,0.1]]", "shares that rise, from 0 to 1"),
        ("dncnn", "schedule=[[0.8,0.1],[0.6,0.1]]", "shares that rise, from 0 to 1"),
        ("dncnn", "schedule=[[0.2,0.5],[0.6,0.1],[0.6,0.1]]", "shares that rise, from 0 to 1"),
        ("dncnn", "validation_noise=gausian:3", "unknown degradation 'gausian'"),
        ("dncnn", "network=os:system", "unknown network in recipe dncnn-s: 'os:system'"),
        ("dncnn", "programme=os:system", "unknown programme in recipe dncnn-s: 'os:system'"),
        ("dncnn", "corruption=os:system", "unknown corruption in recipe dncnn-s: 'os:system'"),
        ("searched", "block=deep", "there is no network searched with .*block 'deep'; expected one of residual"),
    ],
)
def test_a_word_or_value_that_means_nothing(method, change, cause):
    with pytest.raises(BenchError, match=cause) as found:
        recipe_for(method, "", "", change)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ('rate="fast"', "rate is 'fast'; expected a number"),
        ("steps=true", "steps is True; expected a whole number"),
        ("title=3", "Cannot overwrite|cannot overwrite"),
        ("schedule=[0.5, 0.1]", "expected .*share, factor"),
        ("[arguments]\ndepht=3", "unknown word in recipe x: arguments: 'depht': did you mean depth"),
        ('[arguments]\ndepth="3"', r"arguments\.depth is '3'; expected a whole number, as 17"),
        ("[options]\nmasked=0.1", "unknown word in recipe x: options: 'masked'"),
        ('arguments="deep"', "arguments is 'deep'; expected a table with depth, channels"),
        ('finish="os:system"', "unknown word in recipe x: 'finish'"),
        ('corruption="os:system"', "unknown corruption in recipe x: 'os:system'"),
        ('programme="os:system"', "unknown programme in recipe x: 'os:system'"),
    ],
)
def test_what_a_recipe_file_may_not_say(line, cause, tmp_path):
    text = 'title="t"\npaper="p"\nmethod="dncnn"\nnetwork="dncnn"\nimages="i"\nnoise="25"\n'
    (tmp_path / "x.toml").write_text(text + line)
    with pytest.raises(BenchError, match=cause) as found:
        load_recipe(str(tmp_path / "x.toml"))
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("word", ["network", "method", "noise", "images"])
def test_a_recipe_file_has_what_it_needs(word, tmp_path):
    words = {"title": "t", "paper": "p", "method": "dncnn", "network": "dncnn", "images": "i", "noise": "25"}
    (tmp_path / "x.toml").write_text("".join(f'{name}="{value}"\n' for name, value in words.items() if name != word))
    with pytest.raises(BenchError, match=f"recipe x: has no {word}"):
        load_recipe(str(tmp_path / "x.toml"))


def test_a_digest_covers_every_field():
    plain = Recipe("a", "b", "c", "d", "e", "f", "25")
    others = [Recipe("a", "b", "c", "d", "e", "f", "25", **more) for more in ({"align": 2}, {"seed": 1}, {"steps": 9})]
    assert len({recipe.digest for recipe in (plain, *others)}) == 4


def test_the_held_out_noise_follows_the_noise():
    def looked(method: str, noise: str, change: str = "") -> str:
        return recipe_for(method, "", noise, change, "").validation_noise

    assert looked("dncnn-b", "") == "25"
    assert looked("dncnn-b", "gaussian:0-30") == "25"
    assert looked("dncnn-b", "gaussian:0-10") == ""  # 25 would choose the weights at a level that is not trained
    assert looked("dncnn-b", "15") == ""
    assert looked("dncnn-b", "poisson:30") == ""
    assert looked("dncnn-b", "gaussian:0-10", "validation_noise=5") == "5"
    assert looked("dncnn-b", "gaussian:std=0.05-0.15") == "25"


def test_of_a_name_that_comes_twice_the_last_value_counts():
    # As make gpu has it: a recipe's own words follow those of all.
    assert read_overrides("optimiser=adamw steps=9 optimiser=muon") == {"optimiser": "muon", "steps": 9}
