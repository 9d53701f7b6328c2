"""A code host for clones: `git http-backend` as a CGI, in chunks of 8 KB as Apache sends them.

    python -m tests.benchmarks.host.smart FOLDER [BYTES_PER_SECOND]

Serves the bare repositories in FOLDER to whoever sends any credentials; prints its port. With a
speed, all its answers together go no faster than that: a line of that width lies before it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import BinaryIO

PIECE = 8192


class Line:
    """So many bytes a second for all together; without a speed as many as there are."""

    def __init__(self, speed: float) -> None:
        self._speed, self._guard, self._free = speed, threading.Lock(), time.monotonic()

    def take(self, size: int) -> None:
        if not self._speed:
            return
        with self._guard:
            now = time.monotonic()
            self._free = max(self._free, now - 0.01) + size / self._speed
            wait = self._free - now
        if wait > 0:
            time.sleep(wait)


class Host(BaseHTTPRequestHandler):
    """One request: judged as little as possible, and passed to git."""

    protocol_version = "HTTP/1.1"
    folder = ""
    line = Line(0)

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, *args: object) -> None:
        return

    def _serve(self) -> None:
        if not self.headers.get("Authorization"):
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="bench"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": self.folder,
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_USER": "bench",
        }
        with subprocess.Popen(
            ["git", "http-backend"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            bufsize=0,
        ) as git:
            assert git.stdin is not None
            assert git.stdout is not None
            git.stdin.write(body)
            git.stdin.close()
            self._pass_on(git.stdout)

    def _pass_on(self, source: BinaryIO) -> None:
        held = b""
        while b"\r\n\r\n" not in held:
            held += source.read(PIECE)
        head, _, rest = held.partition(b"\r\n\r\n")
        lines = [line.decode().partition(": ") for line in head.split(b"\r\n")]
        given = {name.lower(): value for name, _, value in lines}
        self.send_response(int(given.pop("status", "200").split()[0]))
        for name, value in given.items():
            self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        piece = rest or source.read(PIECE)
        while piece:
            self.line.take(len(piece))
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            piece = source.read(PIECE)
        self.wfile.write(b"0\r\n\r\n")


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main() -> None:
    Host.folder = sys.argv[1]
    Host.line = Line(float(sys.argv[2]) if len(sys.argv) > 2 else 0)
    server = Server(("127.0.0.1", 0), Host)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
