"""git over smart HTTP: Basic credentials judged by the dialect, the talking done by git itself."""

from __future__ import annotations

import gzip
import re
import subprocess
import threading
from collections.abc import Generator
from urllib.parse import unquote

from providers.sandbox import hooks
from providers.sandbox.depot import GitRef
from providers.sandbox.dialect import Call, Dialect, GitAccess, Push
from providers.sandbox.records import Repository
from providers.sandbox.wire import Answer, redirect, text_answer

SERVICES = re.compile(
    r"/(?P<path>.+?)(?:\.git)?/(?P<what>info/refs|git-upload-pack|git-receive-pack)"
)
PIECE = 65536


def is_git(path: str) -> bool:
    return SERVICES.fullmatch(path) is not None


def answer(call: Call, dialect: Dialect) -> Answer:
    """Serve one request of a git client."""
    found = SERVICES.fullmatch(call.path)
    assert found is not None  # noqa: S101 - asked before
    what = found["what"]
    service = call.request.args.get("service", "") if what == "info/refs" else what
    if service not in {"git-upload-pack", "git-receive-pack"}:
        return text_answer("Only smart HTTP is served here.\n", 403)
    write = service == "git-receive-pack"
    with call.world.lock:
        path = unquote(found["path"])
        repository = call.site.find(path)
        moved = call.site.moved(path)
        if repository is None and moved is not None:
            query = f"?{call.request.query}" if call.request.query else ""
            return redirect(f"{call.base}/{moved.path}.git/{what}{query}", 301)
        access = _access(call, dialect, repository, write=write)
    if access.status != 200 or repository is None:
        return _refusal(dialect, access)
    if write and what != "info/refs":
        return _receive(call, repository, access)
    return _backend(call, repository, what, access, write=write)


def _access(
    call: Call, dialect: Dialect, repository: Repository | None, *, write: bool
) -> GitAccess:
    basic = call.request.basic
    if repository is None:
        # Without credentials every host asks for them first, so that names cannot be guessed.
        return GitAccess(404 if basic else 401, "Repository not found.")
    return dialect.git_access(call.site, repository, basic, write=write)


def _refusal(dialect: Dialect, access: GitAccess) -> Answer:
    made = text_answer(access.sentence + "\n", access.status)
    if access.status == 401:
        made.headers["www-authenticate"] = f'Basic realm="{dialect.realm}"'
    return made


def _backend(
    call: Call, repository: Repository, what: str, access: GitAccess, *, write: bool
) -> Answer:
    """Run `git http-backend` as CGI and stream what it says."""
    depot = call.world.depot
    slug = call.site.slug
    folder = depot.own(slug, repository) if write else depot.where(slug, repository)
    request = call.request
    body = request.body
    if request.headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    environment = {
        **depot.environment(),
        "GIT_PROJECT_ROOT": str(folder.parent),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{folder.name}/{what}",
        "QUERY_STRING": request.query,
        "REQUEST_METHOD": request.method,
        "CONTENT_TYPE": request.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "GIT_PROTOCOL": request.headers.get("git-protocol", ""),
        "REMOTE_USER": access.login or "anonymous",
        "REMOTE_ADDR": request.peer,
    }
    backend = subprocess.Popen(
        ["git", "http-backend"],  # noqa: S607 - the git of the machine
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    threading.Thread(target=_feed, args=(backend, body), daemon=True).start()
    return _cgi(backend)


def _feed(backend: subprocess.Popen[bytes], body: bytes) -> None:
    assert backend.stdin is not None  # noqa: S101 - opened with a pipe
    try:
        with backend.stdin as pipe:
            pipe.write(body)
    except BrokenPipeError:
        return


def _cgi(backend: subprocess.Popen[bytes]) -> Answer:
    assert backend.stdout is not None  # noqa: S101 - opened with a pipe
    status, headers = 200, {}
    while line := backend.stdout.readline().strip():
        name, _, value = line.decode("latin-1").partition(":")
        if name.lower() == "status":
            status = int(value.split()[0])
        else:
            headers[name.lower()] = value.strip()
    pieces = _pieces(backend)
    next(pieces)
    return Answer(status, b"", headers, stream=pieces)


def _pieces(backend: subprocess.Popen[bytes]) -> Generator[bytes, None, None]:
    """First nothing, then what git says. Taking that nothing at once makes sure that closing ends
    the process: a generator that never started skips its `finally`."""
    assert backend.stdout is not None  # noqa: S101 - opened with a pipe
    with backend.stdout as pipe:
        try:
            yield b""
            while piece := pipe.read(PIECE):
                yield piece
        finally:
            backend.kill()
            backend.wait()


def _receive(call: Call, repository: Repository, access: GitAccess) -> Answer:
    """Take a push, then tell the hooks what moved."""
    depot, slug = call.world.depot, call.site.slug
    with depot.lock:
        depot.own(slug, repository)
        before: dict[str, GitRef] = dict(depot.refs(slug, repository))
        made = _backend(call, repository, "git-receive-pack", access, write=True)
        made.body = b"".join(made.stream or ())
        made.stream = None
        changes = depot.changes(slug, repository, before)
    if changes:
        push = Push(access.login, changes)
        hooks.pushed(call.world, call.site, repository, push)
        threading.Thread(
            target=hooks.deliver, args=(call.world, call.site, repository, push), daemon=True
        ).start()
    return made
