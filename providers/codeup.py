"""Codeup: Alibaba's central edition and its Region edition, asked with one account's token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from providers import codeup_words as words
from providers import reading
from providers.answer import failure_of
from providers.base import Provider
from providers.errors import BadAnswer, MissingScope, NotFound, ProviderError, TokenRejected
from providers.http import Answer, Door, Line
from providers.signatures import require_word
from providers.types import (
    Can,
    Clone,
    Credential,
    Expiry,
    Headers,
    Hook,
    HookKey,
    Identity,
    Inspection,
    Method,
    Page,
    Purpose,
    Push,
    Quality,
    Receipt,
    Ref,
    Repository,
    Rules,
    Spec,
)

SITE = "https://codeup.aliyun.com"
CENTRAL = "https://openapi-rdc.aliyuncs.com/oapi/v1"
"""Where the central edition's people and its programs go; a Region edition has a domain of its
own for both (`providers.md` 7)."""

SIZE = 100
"""Rows of a page; Codeup gives no more."""

FURTHEST = 150
"""Pages of a list; Codeup gives no more, and what lies behind can only be searched for."""

PAGES, ROWS = "x-total-pages", "x-total"
T = TypeVar("T")


class Codeup(Provider):
    """One Codeup account."""

    spec = Spec(
        slug="codeup",
        label="Codeup",
        prefix="CU",
        methods=(Method.TOKEN,),
        default_address=SITE,
        scopes={
            Purpose.LIST: (words.REPOSITORIES,),
            Purpose.REFS: (words.BRANCHES, words.TAGS),
            Purpose.CLONE: (words.REPOSITORIES,),
            Purpose.HOOKS: (words.WEBHOOKS,),
        },
        ask_scopes=(*words.READING, words.WEBHOOKS),
        manual_scopes=words.READING,
        capabilities=frozenset({Can.HOOKS}),
        qualities=(Quality.STATED, Quality.UNKNOWN),
        hook_role="administrator",
        asks=("organization", "clone_username", "token", "expires_on"),
        requires=("clone_username", "token"),
        token_prefixes=("pt-",),
        options={"edition": "central"},
    )

    # -- how this host is addressed --------------------------------------------------------------

    @classmethod
    def api_url(cls, base_url: str) -> str:
        return CENTRAL if base_url == SITE else f"{base_url}/oapi/v1"

    @classmethod
    def explain(cls, answer: Answer) -> ProviderError | None:
        return words.refusal(answer)

    def explained(self, answer: Answer) -> ProviderError | None:
        """A refusal after the date that was stated has its reason."""
        error = self.explain(answer)
        if isinstance(error, TokenRejected) and error.reason == "unknown":
            stated = self.credential.expiry
            return TokenRejected("expired") if words.has_ended(stated, answer.headers) else error
        return error

    def authorise(self, credential: Credential) -> Mapping[str, str]:
        return {"x-yunxiao-token": credential.token}

    @classmethod
    def recognise(cls, door: Door, api_url: str, rules: Rules) -> bool:
        answer = Line(door, api_url, auth={}, rules=rules).bare("GET", "/platform/user")
        if answer.status >= 500 or answer.status == 429 or answer.status // 100 == 3:
            raise failure_of(answer)
        return answer.status in (401, 403) and words.is_own(answer)

    # -- the account -----------------------------------------------------------------------------

    def _user(self) -> reading.Raw:
        """The account. Nothing at this address is no missing object."""
        try:
            return self.line.get("/platform/user").object()
        except NotFound:
            raise BadAnswer("edition", "no user at this address") from None
        except MissingScope:
            raise MissingScope("scope", missing=(words.MEMBERS,)) from None

    def identify(self) -> Identity:
        return words.identity(self._user())

    def inspect(self) -> Inspection:
        """Whose it is, where it works, and by trying which permissions it has."""
        stated, raw = self.credential.expiry, self._user()
        self._working = self._chosen(raw)
        return Inspection(
            identity=words.identity(raw),
            expiry=stated if stated.quality is Quality.STATED else Expiry(),
            missing=self._tried(),
            organization=self._working,
        )

    def _tried(self) -> Mapping[Purpose, tuple[str, ...]]:
        """Permissions cannot be listed, only tried on one repository."""
        needed = self.spec.scopes
        try:
            first = self._rows(f"{self._root}/repositories", "repositories")
        except MissingScope:
            return {purpose: needed[purpose] for purpose in (Purpose.LIST, Purpose.CLONE)}
        except NotFound:
            raise self._nowhere() from None
        found = [words.repository(raw, self.host.base_url) for raw in first]
        tries = words.OF_REFS if found else {}
        missing: dict[Purpose, tuple[str, ...]] = {}
        if refs := tuple(name for what, name in tries.items() if not self._may(found[0], what)):
            missing[Purpose.REFS] = refs
        own = next((one for one in found if one.hookable), None)
        if own is not None and not self._may(own, "webhooks"):
            missing[Purpose.HOOKS] = needed[Purpose.HOOKS]
        return missing

    def _may(self, found: Repository, what: str) -> bool:
        try:
            self.line.get(f"{self._place(found.id)}/{what}", page="1", perPage="1")
        except MissingScope:
            return False
        except NotFound:
            return True  # gone in between: says nothing about the token
        return True

    # -- which organization ----------------------------------------------------------------------

    _working = ""
    """The organization, once it has been found out."""

    @property
    def _root(self) -> str:
        """Where repositories are: below an organization, except in the Region edition."""
        if self.option("edition") == "region":
            return "/codeup"
        self._working = self._working or self.credential.organization or _last(self._user())
        if not self._working:
            raise MissingScope("org_policy", id="-")
        return f"/codeup/organizations/{quote(self._working, safe='')}"

    def _chosen(self, user: reading.Raw) -> str:
        """The organization this account works in: the one that was named, else its only one.

        Raises MissingScope("organization") for a person to choose where there are several.
        """
        if self.option("edition") == "region":
            return ""
        if self.credential.organization:
            return self.credential.organization
        known = self._organizations()
        if len(known) > 1:
            listed = ", ".join(f"{number} {name}".strip() for number, name in known.items())
            raise MissingScope("organization", n=str(len(known)), choices=listed)
        found = next(iter(known), "") or _last(user)
        if not found:
            raise MissingScope("org_policy", id="-")
        return found

    def _organizations(self) -> Mapping[str, str]:
        """Id and name of each organization; none where the token may not ask."""
        try:
            found = self._rows("/platform/organizations", "organizations")
        except (MissingScope, NotFound):
            return {}
        of = "a Codeup organization"
        return {reading.stable_id(raw, "id", of): reading.optional(raw, "name") for raw in found}

    def _nowhere(self) -> ProviderError:
        """No repositories at all at an address that knows the user: a wrong id, or not even that.

        "Wrong edition" is what two such answers mean (`providers.md` 7.10).
        """
        known = self._organizations()
        if self._working and known and self._working not in known:
            return MissingScope("org_policy", id=self._working)
        return BadAnswer("edition", "no repositories at this address")

    # -- what the account sees -------------------------------------------------------------------

    def _rows(self, path: str, of: str) -> list[reading.Raw]:
        """The first page of a list."""
        return reading.rows(self._page(path, 1), of)

    def _page(self, path: str, page: int) -> Answer:
        return self.line.get(path, page=str(page), perPage=str(SIZE))

    def repositories(self, *, matching: str = "", cursor: str = "") -> Page[Repository]:
        """All pages, filtered here: what Codeup's search reads is not said. What lies behind the
        last page it gives can be found by that search alone."""
        page = reading.page_number(cursor)
        if page > FURTHEST:
            raise BadAnswer("truncated", f"more than {FURTHEST} pages of repositories")
        path = f"{self._root}/repositories?orderBy=path&sort=asc"
        answer = self._page(path, page)
        if matching and (reading.told(answer.headers, ROWS) or 0) > FURTHEST * SIZE:
            answer = self._page(f"{path}&search={quote(matching, safe='')}", page)
        raws = reading.rows(answer, "repositories")
        found = (words.repository(raw, self.host.base_url) for raw in raws)
        wanted = reading.holds(matching)
        more = reading.more_pages(answer, page, len(raws), SIZE, PAGES)
        items = tuple(one for one in found if wanted(f"{one.path}\n{one.name}"))
        return Page(items, next=str(page + 1) if more else "")

    def repository(self, path_or_id: str) -> Repository:
        raw = self.line.get(self._place(path_or_id)).object()
        return words.repository(raw, self.host.base_url)

    def _place(self, repository: str) -> str:
        """A repository by number, or by its full path as one segment."""
        if not (repository.isascii() and repository.isdigit()):
            repository = quote("/".join(reading.path_parts(repository)), safe="")
        return f"{self._root}/repositories/{repository}"

    def branches(self, repository: str, *, matching: str = "", cursor: str = "") -> Page[Ref]:
        return self._refs(repository, "branches", words.branch, matching, cursor)

    def tags(self, repository: str, *, matching: str = "", cursor: str = "") -> Page[Ref]:
        return self._refs(repository, "tags", words.tag, matching, cursor)

    def _refs(
        self,
        repository: str,
        what: str,
        convert: Callable[[reading.Raw], Ref],
        matching: str,
        cursor: str,
    ) -> Page[Ref]:
        page = reading.page_number(cursor)
        answer = self._asking(what, lambda: self._page(f"{self._place(repository)}/{what}", page))
        found = list(map(convert, reading.rows(answer, what)))
        wanted = reading.holds(matching)
        more = reading.more_pages(answer, page, len(found), SIZE, PAGES)
        items = tuple(ref for ref in found if wanted(ref.name))
        return Page(items, next=str(page + 1) if more else "")

    def _asking(self, what: str, ask: Callable[[], Answer]) -> Answer:
        """Ask for branches or tags, whose permission is one of its own."""
        try:
            return ask()
        except MissingScope:
            raise MissingScope("scope", missing=(words.OF_REFS[what],)) from None

    def resolve_ref(self, repository: str, ref: str) -> Ref:
        place = self._place(repository)

        def branch(name: str) -> Ref:
            path = f"{place}/branches/{quote(name, safe='')}"
            return words.branch(self._asking("branches", lambda: self.line.get(path)).object())

        def tag(name: str) -> Ref:
            path = f"{place}/tags?search={quote(name, safe='')}"

            def page(number: int) -> tuple[list[Ref], bool]:
                answer = self._asking("tags", lambda: self._page(path, number))
                found = list(map(words.tag, reading.rows(answer, "tags")))
                return found, reading.more_pages(answer, number, len(found), SIZE, PAGES)

            found = next((one for one in reading.walk(page) if one.name == name), None)
            if found is None:
                raise NotFound("ref", ref=name)
            return found

        def commit(sha: str) -> Ref:
            return words.commit(self.line.get(f"{place}/commits/{sha}").object())

        try:
            return reading.first_meaning(ref, {"branch": branch, "tag": tag, "commit": commit})
        except NotFound:
            if self.repository(repository).empty:  # raises "unknown" when all of it is missing
                raise NotFound("empty") from None
            raise

    def clone(self, repository: str, *, url: str = "") -> Clone:
        """Git wants a user name that the API does not know (`providers.md` 7.8)."""
        url = url or self.repository(repository).clone_url
        if not self.credential.clone_username:
            raise MissingScope("clone_username")
        return reading.clone_with(self.credential, self.credential.clone_username, url)

    def read_refs(self, repository: str) -> tuple[Ref, ...]:
        """Git's own refusal of a token that the API takes is one of the user name."""
        try:
            return super().read_refs(repository)
        except (TokenRejected, BadAnswer) as refused:
            if isinstance(refused, BadAnswer) and refused.facts.get("status") != "401":
                raise
        self.identify()
        raise MissingScope("clone_username", username=self.credential.clone_username)

    # -- hooks -----------------------------------------------------------------------------------

    def hooks(self, repository: str) -> tuple[Hook, ...]:
        path = f"{self._place(repository)}/webhooks"

        def page(number: int) -> tuple[list[Hook], bool]:
            answer = self._page(path, number)
            found = list(map(words.hook, reading.rows(answer, "hooks")))
            return found, reading.more_pages(answer, number, len(found), SIZE, PAGES)

        return self._allowed(repository, lambda: tuple(reading.walk(page)))

    def _allowed(self, repository: str, ask: Callable[[], T]) -> T:
        """Say which of the two is too small for hooks: the permission or the role. A token may
        read webhooks and not write them."""
        try:
            return ask()
        except MissingScope:
            found = self.repository(repository)
            if found.hookable is False:
                raise reading.role_too_low(found, self.spec) from None
            raise MissingScope("scope", missing=self.spec.scopes[Purpose.HOOKS]) from None

    def add_hook(self, repository: str, *, url: str, secret: str) -> Hook:
        place, wanted = self._place(repository), words.wanted_hook(url, secret)

        def create() -> Hook:
            made = self._allowed(repository, lambda: self.line.post(f"{place}/webhooks", wanted))
            return words.hook(made.object())

        def push(known: str) -> Hook:
            return self._configure(repository, known, wanted)

        return reading.one_hook(url, lambda: self.hooks(repository), create, push)

    def _configure(self, repository: str, hook_id: str, wanted: Mapping[str, Any]) -> Hook:
        path = f"{self._place(repository)}/webhooks/{quote(hook_id)}"
        answer = self._allowed(repository, lambda: self.line.put(path, wanted))
        return words.hook(answer.object())

    def repair_hook(self, repository: str, hook_id: str, *, url: str, secret: str) -> Hook:
        try:
            return self._configure(repository, hook_id, words.wanted_hook(url, secret))
        except NotFound:
            return self.add_hook(repository, url=url, secret=secret)

    def remove_hook(self, repository: str, hook_id: str) -> None:
        path = f"{self._place(repository)}/webhooks/{quote(hook_id)}"
        try:
            self._allowed(repository, lambda: self.line.delete(path))
        except NotFound:
            self.hooks(repository)  # gone, unless the list says that we may not look any more

    # -- receiving -------------------------------------------------------------------------------

    @classmethod
    def verify(cls, headers: Headers, body: bytes, key: HookKey, *, now: float) -> Receipt:
        """A shared word: it proves the sender, neither body nor time, and there is no id."""
        require_word(headers.get("x-codeup-token", ""), key.secrets)
        event = headers.get("codeup-event") or headers.get("x-codeup-event", "")
        return Receipt("", event)

    @classmethod
    def read(cls, headers: Headers, body: bytes) -> tuple[Push, ...]:
        raw = Answer(200, headers, body).object()
        if reading.text(raw, "object_kind", "a Codeup delivery") not in ("push", "tag_push"):
            return ()
        return (words.push(raw),)


def _last(user: reading.Raw) -> str:
    """The organization the account was in last."""
    return reading.optional(user, "lastOrganization")
