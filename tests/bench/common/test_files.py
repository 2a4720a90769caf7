import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench.common.errors import BenchError
from bench.common.files import cache_folder, fetch
from datasets import File

CONTENT = b"the pixels"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "a.png").write_bytes(CONTENT)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as http:
        threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def wanted(url: str = "http://127.0.0.1:9/a.png", digest: str = DIGEST) -> list[File]:
    return [File("Set/a.png", digest, url)]


def test_cache_then_mirror_then_network(server, tmp_path, monkeypatch):
    mirrors = [tmp_path / name for name in ("empty", "full")]
    copy = mirrors[1] / "data" / "Set" / "a.png"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(CONTENT)
    monkeypatch.setenv("BENCH_MIRROR", ":".join(map(str, mirrors)))
    assert fetch("data", "dataset x", wanted()) == [copy]

    cached = cache_folder() / "data" / "Set" / "a.png"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(CONTENT)
    assert fetch("data", "dataset x", wanted()) == [cached]

    cached.unlink()
    copy.unlink()
    steps = []
    found = fetch("data", "dataset x", wanted(f"{server}/a.png"), lambda done, total: steps.append((done, total)))
    assert found == [cached]
    assert cached.read_bytes() == CONTENT
    assert steps == [(0, 1), (1, 1)]


def test_every_copy_is_verified(server, tmp_path, monkeypatch):
    damaged = tmp_path / "mirror" / "data" / "Set" / "a.png"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"other pixels")
    monkeypatch.setenv("BENCH_MIRROR", str(tmp_path / "mirror"))
    with pytest.raises(BenchError, match=r"dataset x: .*a\.png has sha256 .* expected"):
        fetch("data", "dataset x", wanted())
    monkeypatch.delenv("BENCH_MIRROR")
    with pytest.raises(BenchError, match="does not have the expected sha256"):
        fetch("data", "dataset x", wanted(f"{server}/a.png", hashlib.sha256(b"").hexdigest()))
    assert not (cache_folder() / "data" / "Set" / "a.png").exists()


@pytest.mark.parametrize("damage", [b"", CONTENT[:-1], CONTENT + b" ", b"The pixels"])
def test_a_damaged_file_of_the_cache_is_said_and_comes_again(server, tmp_path, monkeypatch, capsys, damage):
    cached = cache_folder() / "data" / "Set" / "a.png"
    for source in ("network", "mirror"):
        cached.parent.mkdir(parents=True, exist_ok=True)
        cached.write_bytes(damage)
        copy = tmp_path / "mirror" / "data" / "Set" / "a.png"
        if source == "mirror":
            copy.parent.mkdir(parents=True)
            copy.write_bytes(CONTENT)
            monkeypatch.setenv("BENCH_MIRROR", str(tmp_path / "mirror"))
        (path,) = fetch("data", "dataset x", wanted(f"{server}/a.png"))
        assert path == (copy if source == "mirror" else cached)
        assert path.read_bytes() == CONTENT
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"note: dataset x: {cached} has sha256 ")
    assert cached.read_bytes() == damage  # the mirror served, and what lies in the cache stays as it is


def test_a_damaged_file_that_cannot_come_again_stays_and_is_named(capsys):
    cached = cache_folder() / "data" / "Set" / "a.png"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"")
    with pytest.raises(BenchError, match=r"cannot be downloaded from .*no connection"):
        fetch("data", "dataset x", wanted())
    assert str(cached) in capsys.readouterr().err
    with pytest.raises(BenchError, match=r"a\.png has sha256 .* expected .*: delete it and run again"):
        fetch("data", "dataset x", [File("Set/a.png", DIGEST, page="https://example.org")])
    assert cached.read_bytes() == b""


@pytest.mark.parametrize("path", ["/gone.png", None])
def test_offline_or_gone_says_what_to_do(server, path):
    with pytest.raises(BenchError) as caught:
        fetch("data", "dataset x", wanted(f"{server}{path}" if path else "http://127.0.0.1:9/a.png"))
    text = str(caught.value)
    for part in (
        "dataset x",
        "Set/a.png",
        "http://",
        str(cache_folder() / "data" / "Set"),
        "BENCH_MIRROR",
        "DATA=builtin",
    ):
        assert part in text
    assert "\n" not in text
