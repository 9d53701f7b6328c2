"""Where a pasted link leads: which server, and which repository there. By its text alone."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from django.utils.translation import gettext as _

from bindings.models import CodeHost
from portal.ground.refusals import Refusal
from providers.catalogue import REGISTRY

LONGEST = 2000  # letters of a link

_WEB = re.compile(r"(https?)://(?:[^/?#@]*@)?([^/?#@]+)/*([^?#]*)", re.IGNORECASE)
_SSH = re.compile(r"(?:git\+)?ssh://(?:[^/?#@]*@)?([^/?#@]+)/*([^?#]*)", re.IGNORECASE)
_SHORT = re.compile(r"[^@/\s:]+@(\[[^\]/]+\]|[^:/\s@]+):/*([^?#]+)")
"""An address as `git clone` takes it: git@host:path."""
_PORT = re.compile(r":(\d*)$")
_USUAL_PORTS = {"": "", "80": "", "443": ""}

_SIDE_DOORS = {
    "ssh.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
    "altssh.bitbucket.org": "bitbucket.org",
}
"""Names under which a platform takes SSH where port 22 is shut: docs.github.com, docs.gitlab.com
and support.atlassian.com, SSH over the HTTPS port."""

_TWO_PARTS = frozenset({"github", "gitee", "bitbucket", "gitea"})
"""Where a repository's path is owner and name, and the rest of an address is a page of it."""
_PAGES = frozenset({"-", "tree", "blob", "raw", "commit", "commits", "branches", "tags"})
"""Where the pages of a repository begin whose path may be any number of parts long."""


@dataclass(frozen=True, slots=True)
class Place:
    """A repository's path, and the server's name when it is another server than the bound one."""

    path: str
    elsewhere: str = ""


def read(host: CodeHost, link: str, *, aliases: Iterable[str] = ()) -> Place:
    """What a link, an SSH address or a path means to people of `host`.

    `aliases`: further addresses of the same server, as its own answers give them. Users and
    passwords in a link are dropped. Raises Refusal X-FORM-03 for what names no repository.
    """
    text = link.strip()
    if not text.isprintable() or len(text) > LONGEST:
        raise _no_link()
    server, path = _taken_apart(host, text)
    below = _below(server, path, [host.base_url, *aliases]) if server else path
    if below is None:
        return Place(path.strip("/").removesuffix(".git"), elsewhere=server.partition("//")[2])
    return Place(_path_of(host, below))


def _taken_apart(host: CodeHost, text: str) -> tuple[str, str]:
    """("https://name:port", "ssh://name" or "" for a bare path; the path)."""
    if web := _WEB.match(text):
        return f"{web[1].lower()}://{web[2].lower()}", unquote(web[3])
    if ssh := _SSH.match(text) or _SHORT.match(text):
        name = _PORT.sub("", ssh[1].lower())
        return f"ssh://{_SIDE_DOORS.get(name, name)}", unquote(ssh[2])
    first, _slash, rest = text.strip("/").partition("/")
    if first.lower() in _names(host):
        return f"https://{first.lower()}", rest
    if ":" in first:  # another scheme, or something with a port
        raise _no_link()
    return "", text


def _names(host: CodeHost) -> set[str]:
    """Servers that people name without https:// in front: the bound one, and the well-known."""
    known = [host.base_url, *(kind.spec.default_address for kind in REGISTRY.values())]
    return {_authority(address) for address in known if address}


def _below(server: str, path: str, ours: Collection[str]) -> str | None:
    """What of the path is below one of these addresses; None when it is below none."""
    scheme, _mark, name = server.partition("://")
    for address in ours:
        authority, root = _authority(address), address.partition("//")[2].partition("/")[2]
        if scheme == "ssh":  # over SSH a server has a port of its own, and no root
            if _PORT.sub("", authority) == name:
                return path
        elif authority == _plain(name):
            whole, within = f"{path.rstrip('/')}/", f"{root}/" if root else ""
            if whole.startswith(within):
                return whole.removeprefix(within)
    return None


def _authority(address: str) -> str:
    return _plain(address.partition("//")[2].partition("/")[0].lower())


def _plain(name: str) -> str:
    """Without the port where that is a usual one."""
    port = _PORT.search(name)
    return name[: port.start()] if port and port[1] in _USUAL_PORTS else name


def _path_of(host: CodeHost, path: str) -> str:
    """The repository's path without the page of it that was open. Raises Refusal X-FORM-03."""
    parts = [part for part in path.split("/") if part]
    if host.provider in _TWO_PARTS:
        parts = parts[:2]
    else:
        page = next((n for n, one in enumerate(parts) if n > 1 and one in _PAGES), len(parts))
        parts = parts[:page]
    if len(parts) < 2 or {".", ".."} & set(parts):
        raise _no_link()
    return "/".join(parts).removesuffix(".git")


def _no_link() -> Refusal:
    return Refusal("X-FORM-03", field="link", why=_("it is no link to a repository"))
