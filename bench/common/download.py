"""Downloads: over https alone, no longer and no larger than what is expected, whole or not at all."""

import hashlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from bench.common.atomic import whole
from bench.common.errors import one_line

if TYPE_CHECKING:
    import requests

MOST = 2**30
"""Bytes of a file whose size nobody states."""

WAIT, LEAST = 30.0, 30_000
"""In so many seconds at least so many bytes come; a connection that is slower is given up."""

_OWN_MACHINE = ("127.0.0.1", "localhost", "::1")
_CHUNK = 2**16


class DownloadError(Exception):
    """Why a file does not come, in a few words."""


def download(url: str, path: Path, size: int = 0, checksum: str = "") -> None:
    """Download a file, which appears whole or not at all.

    A redirect leads to another https address or nowhere. An address on this machine may be http, for tests and
    mirrors; a redirect from there leads nowhere else.

    Parameters
    ----------
    url : str
        Where it is.
    path : Path
        Where it goes.
    size : int
        Its bytes: no more are taken, and fewer are refused; 0: at most `MOST`.
    checksum : str
        What it must have, as ``"sha256:..."``; empty: any content is taken.

    Raises
    ------
    DownloadError
        If the server cannot be reached, answers something else, or is too slow.
    BenchError
        If it cannot be written.
    """
    try:
        import requests  # noqa: F401 - the thread needs it
    except ModuleNotFoundError as error:
        raise DownloadError(one_line(error)) from None
    with whole(path, advice="set BENCH_CACHE to another folder") as beside:
        transfer = _Transfer(quote(url, safe=":/=?&%"), beside, size)
        transfer.start()
        before = -LEAST
        while transfer.is_alive():
            transfer.join(WAIT)
            if transfer.is_alive() and transfer.received - before < LEAST:
                transfer.abandoned = True
                raise DownloadError(f"it sent {transfer.received} bytes and then fewer than {LEAST} in {WAIT:g} s")
            before = transfer.received
        if transfer.error is not None:
            raise transfer.error
        kind, _, expected = checksum.partition(":")
        with beside.open("rb") as file:
            if expected and hashlib.file_digest(file, kind).hexdigest() != expected:
                raise DownloadError(f"what came does not have the expected {checksum[:20]}...")


class _Transfer(threading.Thread):
    """Receives a file. No timeout of a socket ends an answer that comes byte by byte: who waits may abandon it."""

    def __init__(self, url: str, path: Path, size: int) -> None:
        super().__init__(daemon=True)
        self.url, self.path, self.size = url, path, size
        self.received, self.abandoned = 0, False
        self.error: Exception | None = None

    def run(self) -> None:
        """Receive it; what goes wrong is kept for who waits."""
        import requests
        import urllib3

        try:
            with requests.Session() as session:
                self._receive(session)
        except requests.exceptions.InvalidSchema:
            self.error = DownloadError("its address, or one that it leads to, is not https")
        except (requests.Timeout, urllib3.exceptions.TimeoutError):
            self.error = DownloadError("no answer")
        except requests.ConnectionError:
            self.error = DownloadError("no connection")
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            self.error = DownloadError(f"the connection broke off: {type(error).__name__}")
        except (OSError, DownloadError) as error:
            self.error = error
        except Exception as error:  # noqa: BLE001 - of an address that it leads to, say: nobody sees it in a thread
            self.error = DownloadError(f"its answer means nothing: {one_line(error)}")

    def _receive(self, session: "requests.Session") -> None:
        import requests

        session.adapters.clear()
        session.mount("https://", requests.adapters.HTTPAdapter())
        address = urlsplit(self.url)
        if address.hostname in _OWN_MACHINE:
            session.mount(f"{address.scheme}://{address.netloc}/", requests.adapters.HTTPAdapter())
        # As it lies there: what a server compresses on the way may grow without end here.
        answer = session.get(self.url, stream=True, timeout=WAIT, headers={"Accept-Encoding": "identity"})
        if answer.status_code != requests.codes.ok:  # others are not the file, or a part of it
            raise DownloadError(f"HTTP {answer.status_code}")
        most = self.size or MOST
        with self.path.open("wb") as file:
            while (chunk := answer.raw.read1(_CHUNK, decode_content=False)) and not self.abandoned:
                self.received += len(chunk)
                if self.received > most:
                    raise DownloadError(f"it sends more than the {most} bytes of the file")
                file.write(chunk)
        if self.received < self.size:
            raise DownloadError(f"it ended after {self.received} of {self.size} bytes")
