"""What a cell says of itself: to a person, and to those who read its record."""

from types import SimpleNamespace

from bench.plan.cell import describe, understood


def test_a_path_is_told_by_its_last_four_parts_and_says_not_whose_machine_it_is(one_cell, tmp_path, photographs):
    deep = tmp_path / "a" / "b" / "c" / "mine.py"
    deep.parent.mkdir(parents=True)
    deep.write_text("def denoise(noisy, sigma):\n    return noisy\n")
    own = one_cell(str(deep), photographs).own
    assert own["method"] == "a/b/c/mine.py"
    assert own["dataset"] == "/".join(photographs.parts[-4:])
    assert own["code"]
    assert own["command"] == ""
    assert set(one_cell("nlm", "builtin").own.values()) == {""}


def test_a_record_says_of_a_net_all_but_where_its_weights_lie(one_cell, tiny_net):
    net = one_cell("dncnn", "builtin", weights=str(tiny_net)).net
    said = describe(net)
    assert net.weights is not None
    assert "weights" not in said
    assert (said["id"], said["given_sigma"]) == (net.id, net.given_sigma)
    assert str(tiny_net.parent) not in repr(said)


def test_how_images_were_understood_is_said_once_and_what_is_wrong_if_asked_for():
    def cell(name, notes, warnings):
        return SimpleNamespace(dataset=SimpleNamespace(name=name, notes=notes, warnings=warnings))

    cells = [cell("a", ("8 bit",), ("blurred",)), cell("a", ("8 bit",), ("blurred",)), cell("b", ("8 bit", "gray"), ())]
    lines = ["a: 8 bit", "b: 8 bit", "b: gray"]
    assert understood(cells) == lines
    assert understood(cells, warnings=True) == [*lines, "WARNING: a: blurred"]
