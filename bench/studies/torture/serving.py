"""A server of this machine, from which files are downloaded slowly enough that it can be interrupted."""

import hashlib
import http.server
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path


@contextmanager
def served(folder: Path, draw: random.Random) -> Iterator[tuple[str, dict[str, str]]]:
    """Serve files of this machine, slowly; give the address and the checksums."""
    checksums = {}
    for name in ("a.bin", "b.bin", "c.bin"):
        content = draw.randbytes(200_000)
        (folder / name).write_bytes(content)
        checksums[name] = hashlib.sha256(content).hexdigest()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

        def copyfile(self, source: object, outputfile: object) -> None:
            """Send a piece at a time; who takes it may be gone."""
            with suppress(OSError):
                while piece := source.read(20_000):  # type: ignore[attr-defined]
                    outputfile.write(piece)  # type: ignore[attr-defined]
                    time.sleep(0.01)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", checksums
    finally:
        server.shutdown()
        server.server_close()
