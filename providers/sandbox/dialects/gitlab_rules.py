"""GitLab's manners: refusals, scopes, paging, and who may see which project."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from providers.sandbox.dialect import Call, Routes
from providers.sandbox.records import Repository, Role
from providers.sandbox.wire import Answer, json_answer

API = "/api/v4"
VERSION = "18.6.1-ee"
READ = "read_api"
WRITE = "api"
USER = "read_user"
ANY = "any"
"""Notes of routes: the least scope. A route without a note needs no token."""
ENOUGH = {
    READ: ("api", "read_api"),
    WRITE: ("api",),
    USER: ("api", "read_api", "read_user"),
}
T = TypeVar("T")
OnProject = Callable[[Call, Repository], Answer]


def say(status: int, text: str, **named: str) -> Answer:
    """`{"message": "404 Project Not Found"}` and its like."""
    return json_answer({"message": f"{status} {text}"}, status, None, **named)


def not_found(what: str = "") -> Answer:
    return say(404, f"{what} Not Found".strip())


def unauthorized() -> Answer:
    return say(401, "Unauthorized")


def invalid_token(text: str) -> Answer:
    wanted = (
        f'Bearer realm="Protected by OAuth 2.0", error="invalid_token", error_description="{text}"'
    )
    body = {"error": "invalid_token", "error_description": text}
    return json_answer(body, 401, www_authenticate=wanted)


def insufficient_scope(scopes: Iterable[str]) -> Answer:
    text = "The request requires higher privileges than provided by the access token."
    body = {
        "error": "insufficient_scope",
        "error_description": text,
        "scope": " ".join(scopes),
    }
    return json_answer(body, 403, www_authenticate='Bearer error="insufficient_scope"')


def release(call: Call) -> tuple[int, int]:
    """The version this server plays: `old_server` is 15.2, `old_version` whatever it is given."""
    if call.switched("old_server") is not None:
        return (15, 2)
    played = call.switched("old_version") or VERSION
    major, minor = played.split(".")[:2]
    return int(major), int(minor)


def version_text(call: Call) -> str:
    if call.switched("old_server") is not None:
        return "15.2.5"
    return call.switched("old_version") or VERSION


def role(call: Call, project: Repository) -> int:
    """The caller's role; a project token's bot is confined to its project."""
    if call.account is None:
        return Role.NONE
    return call.site.role(call.login, project)


def visible(call: Call, project: Repository) -> bool:
    if project.visibility == "public":
        return True
    if call.account is not None and project.visibility == "internal":
        return True
    if _behind_allow_list(call, project):
        return False
    return role(call, project) >= Role.GUEST


def _behind_allow_list(call: Call, project: Repository) -> bool:
    """A group that limits addresses answers 404 to all others."""
    group = call.switched("ip_allow_list")
    return group is not None and (group == "" or f"{project.path}/".startswith(f"{group}/"))


def member(call: Call, project: Repository) -> bool:
    return role(call, project) > 0 and visible(call, project)


def on_project(
    routes: Routes[Call], method: str, rest: str = "", scope: str = READ, least: int = Role.GUEST
) -> Callable[[OnProject], OnProject]:
    """Register below `/projects/{number or encoded path}`; 403 below the role `least`."""

    def remember(answer: OnProject) -> OnProject:
        def serve(call: Call) -> Answer:
            found = _project(call)
            if isinstance(found, Answer):
                return found
            open_to_all = least <= Role.READ and found.visibility != "private"
            if not open_to_all and role(call, found) < least:
                return say(403, "Forbidden")
            return answer(call, found)

        routes.on(method, f"{API}/projects/{{project}}{rest}", scope)(serve)
        return answer

    return remember


def _project(call: Call) -> Repository | Answer:
    wanted = call.parts["project"]
    if wanted.isdigit():
        project = call.site.repositories.get(int(wanted))
    else:
        project = call.site.find(wanted)
        moved = call.site.moved(wanted)
        if project is None and moved is not None and visible(call, moved):
            return _move(call, moved)
    if project is None or not visible(call, project):
        return not_found("Project")
    return project


def _move(call: Call, project: Repository) -> Answer:
    """A moved project: on to its number."""
    if call.request.method not in {"GET", "HEAD"}:
        return say(405, "Non GET methods are not allowed for moved projects")
    tail = call.path.removeprefix(f"{API}/projects/").partition("/")
    query = f"?{call.request.query}" if call.request.query else ""
    url = f"{call.base}{API}/projects/{project.id}{tail[1]}{tail[2]}{query}"
    return json_answer({"message": "Moved"}, 301, location=url)


def number(call: Call, name: str, default: int) -> int:
    text = call.request.args.get(name, "")
    return int(text) if text.isdigit() else default


def paged(call: Call, items: Sequence[T]) -> tuple[Sequence[T], dict[str, str]]:
    """One page by number, with GitLab's headers."""
    size = min(max(number(call, "per_page", 20), 1), 100)
    page = max(number(call, "page", 1), 1)
    pages = max(-(-len(items) // size), 1)
    rels = [("first", 1), ("last", pages)]
    if page > 1:
        rels.insert(0, ("prev", page - 1))
    if page < pages:
        rels.insert(0, ("next", page + 1))
    links = [f'<{_here(call, page=str(to), per_page=str(size))}>; rel="{rel}"' for rel, to in rels]
    headers = {
        "link": ", ".join(links),
        "x-page": str(page),
        "x-per-page": str(size),
        "x-next-page": str(page + 1) if page < pages else "",
        "x-prev-page": str(page - 1) if page > 1 else "",
        "x-total": str(len(items)),
        "x-total-pages": str(pages),
    }
    return items[(page - 1) * size : page * size], headers


def keyset(call: Call, items: Sequence[Repository]) -> tuple[Sequence[Repository], dict[str, str]]:
    """One page by id: only a next link, no totals."""
    size = min(max(number(call, "per_page", 20), 1), 100)
    descending = call.request.args.get("sort", "desc") == "desc"
    ordered = sorted(items, key=lambda p: p.id, reverse=descending)
    name = "id_before" if descending else "id_after"
    if name in call.request.args:
        mark = number(call, name, 0)
        ordered = [p for p in ordered if (p.id < mark if descending else p.id > mark)]
    page = ordered[:size]
    if len(ordered) <= size:
        return page, {}
    link = _here(call, per_page=str(size), **{name: str(page[-1].id)})
    return page, {"link": f'<{link}>; rel="next"'}


def _here(call: Call, **extra: str) -> str:
    query = urlencode({**call.request.args, **extra})
    return f"{call.base}{call.path}?{query}"


def matches(name: str, wanted: str) -> bool:
    """`search=`: `^x` is a prefix, `x$` a suffix, anything else a part; without case."""
    name, wanted = name.lower(), wanted.lower()
    if wanted.startswith("^") and wanted.endswith("$") and len(wanted) > 1:
        return name == wanted[1:-1]
    if wanted.startswith("^"):
        return name.startswith(wanted[1:])
    if wanted.endswith("$"):
        return name.endswith(wanted[:-1])
    return wanted in name


def as_bool(value: Any, default: bool) -> bool:
    """A flag from JSON or a form."""
    if value is None:
        return default
    return value in {True, "true", "1"}
