"""A download is over https, has the stated size and checksum, and ends, whatever the server does."""

import hashlib
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench.common import download as module
from bench.common.download import DownloadError, download

CONTENT = bytes(range(256)) * 400
CHECKSUM = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


class Server(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        getattr(self, self.path.partition("?")[0].strip("/").replace("-", "_"))()

    def begin(self, length=None, status=200, **headers):
        self.send_response(status)
        for name, value in {**headers, **({} if length is None else {"Content-Length": length})}.items():
            self.send_header(name, str(value))
        self.end_headers()

    def whole(self):
        self.begin(len(CONTENT))
        self.wfile.write(CONTENT)

    def other_bytes(self):
        self.begin(len(CONTENT))
        self.wfile.write(CONTENT[::-1])

    def too_short(self):
        self.begin()
        self.wfile.write(CONTENT[:1000])

    def cut(self):
        self.begin(len(CONTENT))
        self.wfile.write(CONTENT[:1000])

    def gone(self):
        self.begin(0, 404)

    def endless(self):
        self.begin()
        while True:
            self.wfile.write(bytes(2**16))

    def stalls(self):
        self.begin(len(CONTENT))
        time.sleep(3)

    def silent(self):
        time.sleep(3)

    def drips(self):
        self.begin(len(CONTENT))
        for number in range(60):
            self.wfile.write(CONTENT[number : number + 1])
            time.sleep(0.05)

    def drips_headers(self):
        self.wfile.write(b"HTTP/1.0 200 OK\r\n")
        for _ in range(60):
            self.wfile.write(b"X")
            time.sleep(0.05)

    def moved(self):
        self.begin(0, 302, Location="/whole")

    def in_a_circle(self):
        self.begin(0, 302, Location="/in-a-circle")

    def to_a_file(self):
        self.begin(0, 302, Location="file:///etc/passwd")

    def to_another_http(self):
        self.begin(0, 302, Location=f"http://localhost:{self.server.server_port}/whole")

    def to_ftp(self):
        self.begin(0, 302, Location="ftp://127.0.0.1/whole")

    def leads_astray(self):
        address = urllib.parse.unquote_to_bytes(self.path.partition("?")[2])
        self.wfile.write(b"HTTP/1.0 302 Found\r\nLocation: " + address + b"\r\n\r\n")

    def status(self):
        self.begin(len(CONTENT), int(self.path.partition("?")[2]))
        self.wfile.write(CONTENT)

    def no_http(self):
        self.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n")


@pytest.fixture(scope="module")
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as http:
        http.daemon_threads = True
        http.handle_error = lambda *args: None  # whoever is given up stops listening
        threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


@pytest.mark.parametrize("path", ["whole", "moved", "whole?a=b&c=d"])
def test_what_comes_whole_is_there(server, tmp_path, path):
    download(f"{server}/{path}", tmp_path / "new" / "a", len(CONTENT), CHECKSUM)
    assert (tmp_path / "new" / "a").read_bytes() == CONTENT
    download(f"{server}/{path}", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("other-bytes", "does not have the expected sha256:"),
        ("too-short", "ended after 1000 of 102400 bytes"),
        ("cut", "the connection broke off|ended after 1000 of 102400 bytes"),
        ("gone", "HTTP 404"),
        ("endless", "sends more than the 102400 bytes of the file"),
        ("stalls", "sent 0 bytes|no answer"),
        ("silent", "sent 0 bytes|no answer"),
        ("drips", r"sent \d+ bytes and then fewer than"),
        ("drips-headers", "sent 0 bytes"),
        ("in-a-circle", "TooManyRedirects"),
        ("to-a-file", "is not https"),
        ("to-another-http", "is not https"),
        ("to-ftp", "is not https"),
        ("no-http", "no connection"),
    ],
)
def test_what_a_server_does_wrong_is_one_line_and_leaves_nothing(server, tmp_path, monkeypatch, path, line):
    monkeypatch.setattr(module, "WAIT", 0.4)
    (tmp_path / "a").write_bytes(b"before")
    start = time.monotonic()
    with pytest.raises(DownloadError, match=line) as error:
        download(f"{server}/{path}", tmp_path / "a", len(CONTENT), CHECKSUM)
    assert "\n" not in str(error.value)
    assert time.monotonic() - start < 2
    assert [(file.name, file.read_bytes()) for file in tmp_path.rglob("*") if file.is_file()] == [("a", b"before")]


@pytest.mark.parametrize(
    "url",
    ["http://192.0.2.1/a", "file:///etc/passwd", "ftp://192.0.2.1/a", "http://127.0.0.1.example.org/a", "data:,a", "a"],
)
def test_only_https_or_this_machine(tmp_path, url):
    with pytest.raises(DownloadError, match=r"is not https|the connection broke off: MissingSchema"):
        download(url, tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_a_file_of_unknown_size_has_a_limit_too(server, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST", 2**20)
    with pytest.raises(DownloadError, match="more than the 1048576 bytes"):
        download(f"{server}/endless", tmp_path / "a")


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(
    "address", ["https://[::1/", "https://[zz]/", "https://%FF%FE/", "https://a:99999999/", "", "//"]
)
def test_an_address_that_is_none_is_one_line(server, tmp_path, address):
    with pytest.raises(DownloadError) as error:
        download(f"{server}/leads-astray?{address}", tmp_path / "a")
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("status", [203, 206, 300])
def test_an_answer_that_is_not_the_file_is_none(server, tmp_path, status):
    with pytest.raises(DownloadError, match=f"HTTP {status}"):
        download(f"{server}/status?{status}", tmp_path / "a")
    assert not list(tmp_path.iterdir())
