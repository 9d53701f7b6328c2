"""How adapters read what hosts say: required keys, times, next links, moved places, typed refs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urljoin

from providers.answer import Answer
from providers.errors import BadAnswer, MissingScope, NotFound, Unreachable
from providers.http import Line
from providers.types import (
    Clone,
    Credential,
    Headers,
    Hook,
    Page,
    Quality,
    Ref,
    Repository,
    Spec,
)

Raw = Mapping[str, Any]
T = TypeVar("T")

MAX_PAGES = 200
"""Pages of one listing (`security.md` 6)."""

# What git itself refuses in a ref (git check-ref-format); "." and ".." would also climb in a URL.
_NO_REF = re.compile(r"(^|/)\.|\.\.|//|@\{|[\x00-\x20\x7f~^:?*\[\\]|^/|/$|\.$|^$")
_NEXT = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?')
_COMMIT = re.compile(r"[0-9a-fA-F]{7,64}")
_OBJECT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_OFFSET = re.compile(r" (?:UTC|([+-]\d\d):?(\d\d))$")


# -- keys: a missing or ill-typed one is the host's fault and is named --------------------------


def text(raw: Raw, key: str, of: str) -> str:
    """A required text that is not empty."""
    value = raw.get(key)
    if not isinstance(value, str) or not value:
        raise BadAnswer("shape", f"{of} without '{key}'")
    return value


def stable_id(raw: Raw, key: str, of: str) -> str:
    """A required id. Hosts send numbers or texts; ours are texts."""
    value = raw.get(key)
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise BadAnswer("shape", f"{of} without '{key}'")
    return str(value)


def commit_id(raw: Raw, key: str, of: str) -> str:
    """A required object id of git: 40 hex digits, or 64 in a SHA-256 repository."""
    value = text(raw, key, of)
    if not _OBJECT.fullmatch(value):
        raise BadAnswer("shape", f"{of} whose '{key}' is no commit")
    return value


def pushed_ref(raw: Raw, of: str) -> str:
    """The required full name of a branch or tag. Senders are strangers: git has to allow it."""
    value = text(raw, "ref", of)
    if not value.startswith("refs/") or not meanings(value):
        raise BadAnswer("shape", f"{of} whose 'ref' git would not hold")
    return value


def part(raw: Raw, key: str, of: str) -> Raw:
    """A required object inside `raw`."""
    value = raw.get(key)
    if not isinstance(value, dict):
        raise BadAnswer("shape", f"{of} without '{key}'")
    return value


def optional(raw: Raw, key: str) -> str:
    """A text that may be absent, null or of another type: then ""."""
    value = raw.get(key)
    return value if isinstance(value, str) else ""


def inner(raw: Raw, key: str) -> Raw:
    """An object that may be absent, null or of another type: then empty."""
    value = raw.get(key)
    return value if isinstance(value, dict) else {}


def rows(answer: Answer, of: str) -> list[Raw]:
    """The objects of a list; `null` is an empty one."""
    found = answer.items()
    if not all(isinstance(row, dict) for row in found):
        raise BadAnswer("shape", f"a list of {of} with something else in it")
    return found


def message(answer: Answer) -> str:
    """The sentence of a JSON error, "" when there is none. To decide by, never to show or log."""
    try:
        said = answer.object()
    except BadAnswer:
        return ""
    return " ".join(str(said.get(key) or "") for key in ("message", "error", "error_description"))


# -- times: the host's own clock where there is one, never ours ---------------------------------


def moment(written: object) -> datetime | None:
    """A date and time in ISO form or as "2021-10-07 19:07:53 UTC" or "… +0200", in UTC."""
    if not isinstance(written, str):
        return None
    sign = _OFFSET.search(written)
    if sign:
        written = written[: sign.start()] + (f"{sign[1]}:{sign[2]}" if sign[1] else "+00:00")
    try:
        read = datetime.fromisoformat(written)
    except ValueError:
        return None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)


def host_time(headers: Headers) -> datetime | None:
    """When the host says it answered (`Date`)."""
    try:
        return parsedate_to_datetime(headers.get("date", "")).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None


def later(headers: Headers, seconds: float) -> datetime | None:
    """`seconds` after the host answered; None where it does not say when that was."""
    answered = host_time(headers)
    return answered and answered + timedelta(seconds=seconds)


# -- places -------------------------------------------------------------------------------------


def next_link(answer: Answer) -> str:
    """The address of the next page as the `Link` header gives it, "" at the end."""
    found = _NEXT.search(answer.headers.get("link", ""))
    return found[1] if found else ""


def page_number(cursor: str) -> int:
    """The page a cursor of ours names, the first one for "". Raises BadAnswer("foreign_link")."""
    if not cursor:
        return 1
    if not (cursor.isascii() and cursor.isdigit()) or int(cursor[:9]) < 1:
        raise BadAnswer("foreign_link", "a cursor that is no page")
    return int(cursor[:9])


def told(headers: Headers, *names: str) -> int | None:
    """The whole number in the first of these headers that is there; None where none is told."""
    found = next((headers[name] for name in names if name in headers), "")
    return int(found) if found.isascii() and found.isdigit() and len(found) < 10 else None


def all_rows(line: Line, answer: Answer, of: str) -> list[Raw]:
    """A short list from its first page to its end. An error on any page is one of the whole."""
    found = rows(answer, of)
    for _ in range(MAX_PAGES):
        if not (link := next_link(answer)):
            return found
        answer = line.follow(link)
        found += rows(answer, of)
    raise BadAnswer("truncated", f"more than {MAX_PAGES} pages of {of}")


def more_pages(answer: Answer, page: int, got: int, size: int, header: str) -> bool:
    """Whether a page follows this one: by the header that counts them, else after a full one.

    A page of more than was asked for is all there is: that host does not know pages.
    """
    pages = told(answer.headers, header)
    return got == size if pages is None else page < pages


def walk(ask: Callable[[int], tuple[Iterable[T], bool]]) -> Iterator[T]:
    """A list by page numbers from its first page to its end; `ask` tells whether more follow."""
    for page in range(1, MAX_PAGES + 1):
        found, more = ask(page)
        yield from found
        if not more:
            return
    raise BadAnswer("truncated", f"more than {MAX_PAGES} pages")


def path_parts(path: str) -> list[str]:
    """The parts of a repository's path, none of which climbs. Raises NotFound("unknown")."""
    parts = path.split("/")
    if len(parts) < 2 or {"", ".", ".."} & set(parts):
        raise NotFound("unknown")
    return parts


def wherever(place: str, ask: Callable[[str], Answer], *, api_url: str, by_id: str) -> Answer:
    """Ask at `place`; after a rename or move once more below the stable id that the host names.

    Nothing but the number is taken from the redirect: the address stays ours.
    """
    try:
        return ask(place)
    except BadAnswer as redirect:
        goal = urljoin(f"{api_url}/", redirect.facts.get("location", ""))
        found = re.match(re.escape(api_url + by_id) + r"(\d+)(?=/|$)", goal)
        if redirect.reason != "redirect" or not found:
            raise
        return ask(by_id + found[1])


def renamed(place: str, ask: Callable[[str], T], *, api_url: str, below: str) -> T:
    """Ask at `place`; after a rename once more at the path that the host names.

    Nothing but owner and name are taken from the redirect: the address stays ours.
    """
    try:
        return ask(place)
    except BadAnswer as redirect:
        goal = urljoin(f"{api_url}/", redirect.facts.get("location", ""))
        found = re.match(re.escape(api_url + below) + r"([^/?#]+)/([^/?#]+)(?=/|$)", goal)
        parts = [unquote(part) for part in found.groups()] if found else []
        if redirect.reason != "redirect" or not parts or {".", ".."} & set(parts):
            raise
        return ask(below + "/".join(quote(part, safe="") for part in parts))


# -- refs ---------------------------------------------------------------------------------------


def meanings(ref: str) -> tuple[tuple[str, str], ...]:
    """What a typed ref may name, the likeliest first: ("branch" | "tag" | "commit", name)."""
    for prefix, kind in (("refs/heads/", "branch"), ("refs/tags/", "tag")):
        if ref.startswith(prefix):
            name = ref.removeprefix(prefix)
            return () if _NO_REF.search(name) else ((kind, name),)
    if _NO_REF.search(ref) or ref.startswith("refs/"):
        return ()
    named = (("branch", ref), ("tag", ref))
    return (*named, ("commit", ref.lower())) if _COMMIT.fullmatch(ref) else named


def first_meaning(ref: str, ways: Mapping[str, Callable[[str], Ref]]) -> Ref:
    """The first meaning of `ref` that the host knows. Raises NotFound("ref") and ("empty")."""
    for kind, name in meanings(ref):
        try:
            return ways[kind](name)
        except NotFound as absent:
            if absent.reason == "empty":
                raise
    raise NotFound("ref", ref=ref)


def can_begin(matching: str) -> bool:
    """Whether a branch may begin so; asking for other texts would climb in the address."""
    return bool(meanings(matching.rstrip("/")))


def ref_page(
    answer: Answer, convert: Callable[[Raw], Ref], of: str, wanted: Callable[[str], bool]
) -> Page[Ref]:
    """One page of branches or tags whose names are `wanted`."""
    found = map(convert, rows(answer, of))
    return Page(tuple(ref for ref in found if wanted(ref.name)), next=next_link(answer))


def holds(matching: str) -> Callable[[str], bool]:
    """Whether a text holds `matching` anywhere, in any case: what `q` means (`api.md` 3.5)."""
    sought = matching.casefold()
    return lambda text: sought in text.casefold()


def holds_later(matching: str) -> Callable[[str], bool]:
    """The same without the names that begin so, where those were told before."""
    told, held = can_begin(matching), holds(matching)
    return lambda name: held(name) and not (told and name.startswith(matching))


# -- hooks and clones ----------------------------------------------------------------------------


def subscribed(raw: Raw, *flags: str) -> bool:
    """Whether none of these events is switched off; a host that does not say has them on."""
    return not any(raw.get(flag) is False for flag in flags)


def listens(raw: Raw, event: str) -> bool:
    """Whether `event` is among the events of a hook; a host that does not say has it."""
    events = raw.get("events")
    return not isinstance(events, list) or event in events or "*" in events


def sends_json(raw: Raw) -> bool:
    """Whether a hook sends JSON and no form; a host that does not say does."""
    return bool(inner(raw, "config").get("content_type", "json") == "json")


def one_hook(
    url: str,
    hooks: Callable[[], Iterable[Hook]],
    create: Callable[[], Hook],
    push: Callable[[str], Hook],
) -> Hook:
    """Exactly one webhook to `url`, however often this runs and whatever answer gets lost.

    Look, take over what is there, else create; after an answer that proves nothing look again
    before giving up (`providers.md` 2.6): a blind second try would deliver everything twice.
    """

    def ours() -> Hook | None:
        return next((hook for hook in hooks() if hook.url == url), None)

    if (found := ours()) is not None:
        return push(found.id)
    try:
        return create()
    except (BadAnswer, Unreachable):
        if (found := ours()) is None:
            raise
        return push(found.id)


def role_too_low(found: Repository, spec: Spec) -> MissingScope:
    """Webhooks of `found` need another role, and both are told."""
    return MissingScope("role", path=found.path, role=found.access_name, needed=spec.hook_role)


def clone_with(credential: Credential, username: str, url: str) -> Clone:
    """The stored token as git's password."""
    known = credential.expiry
    ends = known.at if known.quality is Quality.EXACT else None
    return Clone(url, username, credential.token, ends)
