"""CodeArts Repo (Huawei DevCloud), asked with the platform's credential: a pair of keys, or an
IAM token."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import quote

from providers import codearts_keys as keyring
from providers import codearts_words as words
from providers import reading
from providers.answer import failure_of
from providers.base import Provider
from providers.codearts_keys import Keys
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

SIZE = 100
"""Rows of a page; CodeArts gives no more."""

TOTAL = "x-total"
SKEW = timedelta(minutes=5)
"""Clocks further apart than this make a refused signature say nothing about the keys."""

SHORTEST, LONGEST = 900, 86_400
"""Seconds a token for downloads may live."""

READING = 15
"""Minutes of the token that one errand of ours reads with."""

T = TypeVar("T")


class CodeArts(Provider):
    """One Huawei Cloud account in one region, by the credential the operator gave."""

    spec = Spec(
        slug="codearts",
        label="CodeArts",
        prefix="CA",
        methods=(Method.PLATFORM,),
        default_address="https://codehub.devcloud.cn-north-4.huaweicloud.com",
        scopes={
            Purpose.LIST: (words.READ,),
            Purpose.REFS: (words.READ,),
            Purpose.CLONE: (words.DOWNLOAD,),
            Purpose.HOOKS: (words.WEBHOOKS,),
        },
        ask_scopes=(words.READ, words.DOWNLOAD, words.WEBHOOKS),
        manual_scopes=(words.READ, words.DOWNLOAD),
        capabilities=frozenset({Can.HOOKS, Can.HOOK_HEALTH, Can.MINT}),
        qualities=(Quality.EXACT, Quality.NEVER),
        hook_role="repository admin",
        lease_kinds=("proxied", "provider_token"),
        options={"git_username": "private-token"},
    )

    # -- how this host is addressed --------------------------------------------------------------

    @classmethod
    def api_url(cls, base_url: str) -> str:
        return keyring.api_url(base_url)

    @classmethod
    def explain(cls, answer: Answer) -> ProviderError | None:
        return words.refusal(answer)

    def explained(self, answer: Answer) -> ProviderError | None:
        """A signature is refused too when the clocks are apart: that is no dead key."""
        error = self.explain(answer)
        there = reading.host_time(answer.headers)
        refused = isinstance(error, TokenRejected) and self._keys is not None
        if refused and there and abs(there - self.now()) > SKEW:
            return BadAnswer("clock")
        return error

    def authorise(self, credential: Credential) -> Mapping[str, str]:
        return {} if " " in credential.token else {"X-Auth-Token": credential.token}

    @property
    def _keys(self) -> Keys | None:
        return keyring.unpack(self.credential.token)

    def sign(self, method: str, url: str, body: bytes) -> Mapping[str, str]:
        keys = self._keys
        return keyring.signed(keys, method, url, body, self.now()) if keys else {}

    def now(self) -> datetime:
        """The time a request is signed at."""
        return datetime.now(UTC)

    @classmethod
    def recognise(cls, door: Door, api_url: str, rules: Rules) -> bool:
        answer = Line(door, api_url, auth={}, rules=rules).bare("GET", "/user/repositories")
        if answer.status >= 500 or answer.status == 429 or answer.status // 100 == 3:
            raise failure_of(answer)
        return answer.status in (401, 403) and words.is_own(answer)

    def _service(self, name: str) -> Line:
        """Another service of the same region, asked with the same credential."""
        return Line(
            self.door,
            keyring.service_url(name, self.host.api_url),
            auth=self.authorise(self.credential),
            rules=self.rules,
            explain=self.explained,
            sign=self.sign,
        )

    # -- the account -----------------------------------------------------------------------------

    def identify(self) -> Identity:
        return self._whose()[0]

    def _whose(self) -> tuple[Identity, Expiry]:
        """Whose credential it is, and until when."""
        if not self._keys:
            token = self.credential.token
            answer = self._service("iam").get("/v3/auth/tokens", headers={"X-Subject-Token": token})
            raw = reading.part(answer.object(), "token", "an IAM answer")
            return words.owner(raw), words.ends(raw)
        who = words.caller(self._service("sts").get("/v5/caller-identity").object())
        return who, self._end_of_keys()

    def _end_of_keys(self) -> Expiry:
        """A pair of keys lives until somebody deletes it; a temporary one as long as was said."""
        if self._keys and self._keys.security:
            known = self.credential.expiry
            return known if known.quality is Quality.EXACT else Expiry()
        return Expiry(quality=Quality.NEVER)

    def inspect(self) -> Inspection:
        who, expiry = self._whose()
        missing: dict[Purpose, tuple[str, ...]] = {}
        try:
            self._get("/user/repositories?limit=1")
        except MissingScope:
            tried = (Purpose.LIST, Purpose.REFS, Purpose.CLONE)
            missing = {purpose: self.spec.scopes[purpose] for purpose in tried}
        return Inspection(identity=who, expiry=expiry, missing=missing)

    # -- what the account sees -------------------------------------------------------------------

    def _get(self, path: str) -> Answer:
        return words.settled(self.line.get(path))

    def _listed(
        self, path: str, of: str, convert: Callable[[reading.Raw], T], page: int
    ) -> tuple[list[T], bool]:
        """One page of a list, and whether more follow: a plain array, its total in a header."""
        mark = "&" if "?" in path else "?"
        answer = self._get(f"{path}{mark}offset={(page - 1) * SIZE}&limit={SIZE}")
        found = reading.rows(answer, of)
        total = reading.told(answer.headers, TOTAL)
        more = len(found) == SIZE if total is None else page * SIZE < total
        return list(map(convert, found)), more

    def _repository(self, raw: reading.Raw) -> Repository:
        return words.repository(raw, self.host.base_url)

    def repositories(self, *, matching: str = "", cursor: str = "") -> Page[Repository]:
        """All pages, filtered here: what CodeArts' search reads is not said."""
        page, wanted = reading.page_number(cursor), reading.holds(matching)
        path = "/user/repositories?membership=true&order_by=created_at&sort=asc"
        found, more = self._listed(path, "repositories", self._repository, page)
        items = tuple(one for one in found if wanted(f"{one.path}\n{one.name}"))
        return Page(items, next=str(page + 1) if more else "")

    def repository(self, path_or_id: str) -> Repository:
        return self._repository(self._get(self._place(path_or_id)).object())

    def _place(self, repository: str) -> str:
        return f"/repositories/{self._number(repository)}"

    def _number(self, repository: str) -> str:
        """CodeArts knows repositories by number only: a path is looked for."""
        if repository.isascii() and repository.isdigit():
            return repository
        name = quote(reading.path_parts(repository)[-1], safe="")
        path = f"/user/repositories?membership=true&search={name}"
        found = reading.walk(
            lambda page: self._listed(path, "repositories", self._repository, page)
        )
        for one in found:
            if one.path == repository:
                return one.id
        raise NotFound("unknown")

    def branches(self, repository: str, *, matching: str = "", cursor: str = "") -> Page[Ref]:
        number = self._number(repository)
        page, wanted = reading.page_number(cursor), reading.holds(matching)
        path = f"/repositories/{number}/repository/branches"
        raws, more = self._listed(path, "branches", _as_it_is, page)
        short = any("commit" not in raw for raw in raws)  # names only, as documented
        commits = self._commits(number) if short else {}
        found = (words.branch(raw, commits) for raw in raws)
        items = tuple(ref for ref in found if wanted(ref.name))
        return Page(items, next=str(page + 1) if more else "")

    def _commits(self, number: str) -> Mapping[str, str]:
        """The tip of every branch, by git itself."""
        known = self.read_refs(number)
        return {ref.name: ref.commit for ref in known if ref.kind == "branch"}

    def tags(self, repository: str, *, matching: str = "", cursor: str = "") -> Page[Ref]:
        page, wanted = reading.page_number(cursor), reading.holds(matching)
        path = f"{self._place(repository)}/repository/tags"
        found, more = self._listed(path, "tags", words.tag, page)
        items = tuple(ref for ref in found if wanted(ref.name))
        return Page(items, next=str(page + 1) if more else "")

    def resolve_ref(self, repository: str, ref: str) -> Ref:
        place = self._place(repository)

        def branch(name: str) -> Ref:
            path = f"{place}/repository/branch?branch_name={quote(name, safe='')}"
            return words.branch(self._get(path).object(), {})

        def tag(name: str) -> Ref:
            path = f"{place}/repository/tags?search={quote(name, safe='')}"
            listed = reading.walk(lambda page: self._listed(path, "tags", words.tag, page))
            found = next((one for one in listed if one.name == name), None)
            if found is None:
                raise NotFound("ref", ref=name)
            return found

        def commit(sha: str) -> Ref:
            answer = self._get(f"{place}/repository/commits?sha={sha}&limit=1")
            found = reading.rows(answer, "commits")
            if not found:
                raise NotFound("ref", ref=sha)
            return words.commit(found[0])

        try:
            return reading.first_meaning(ref, {"branch": branch, "tag": tag, "commit": commit})
        except NotFound:
            if self.repository(repository).empty:  # raises "unknown" when all of it is missing
                raise NotFound("empty") from None
            raise

    # -- clones ----------------------------------------------------------------------------------

    def clone(self, repository: str, *, url: str = "") -> Clone:
        """Git takes neither keys nor IAM tokens: each errand gets a token of its own."""
        return self._mint(url or self.repository(repository).clone_url, READING)

    def mint(self, repository: str, minutes: int) -> Clone:
        """A token that downloads, in all repositories of the account: CodeArts knows no other."""
        return self._mint(self.repository(repository).clone_url, minutes)

    def _mint(self, url: str, minutes: int) -> Clone:
        seconds = min(max(minutes * 60, SHORTEST), LONGEST)
        asked = {"name": words.OURS, "duration": seconds, "scopes": ["download"]}
        try:
            answer = self.line.post("/users/impersonation-bearer-tokens", asked)
        except MissingScope:
            raise MissingScope("scope", missing=(words.DOWNLOAD,)) from None
        raw, of = words.settled(answer).object(), "a token for downloads"
        return Clone(
            url,
            self.option("git_username"),
            reading.text(raw, "token", of),
            reading.moment(raw.get("expires_at")) or reading.later(answer.headers, seconds),
            number=str(raw.get("id") or ""),
        )

    def unmint(self, number: str) -> None:
        with suppress(NotFound):
            self.line.delete(f"/users/impersonation-bearer-tokens/{quote(number, safe='')}")

    # -- hooks -----------------------------------------------------------------------------------

    def hooks(self, repository: str) -> tuple[Hook, ...]:
        place = f"{self._place(repository)}/hooks"
        listed = reading.walk(lambda page: self._listed(place, "hooks", _as_it_is, page))
        with _wanting_hooks():
            return tuple(words.hook(raw, self._health(place, raw)) for raw in listed)

    def _health(self, place: str, raw: reading.Raw) -> str:
        """How our hook's newest delivery went; others are none of our business."""
        if not words.is_ours(raw):
            return "unknown"
        number = reading.stable_id(raw, "id", "a CodeArts hook")
        logs = self._get(f"{place}/{quote(number)}/logs?limit=1")
        return words.health(reading.rows(logs, "logs"))

    def add_hook(self, repository: str, *, url: str, secret: str) -> Hook:
        number, wanted = self._number(repository), words.wanted_hook(url, secret)
        place, known = f"/repositories/{number}", list[Hook]()

        def hooks() -> list[Hook]:
            known[:] = self.hooks(number)
            return known

        def create() -> Hook:
            if len(known) >= words.MOST_HOOKS:
                raise BadAnswer("hook_limit", n=str(words.MOST_HOOKS))
            with _wanting_hooks():
                answer = self.line.post(f"{place}/hooks", wanted)
            return words.hook(words.settled(answer).object())

        return reading.one_hook(
            url, hooks, create, lambda ours: self._configure(place, ours, wanted)
        )

    def _configure(self, place: str, number: str, wanted: Mapping[str, Any]) -> Hook:
        with _wanting_hooks():
            answer = self.line.put(f"{place}/hooks/{quote(number)}", wanted)
        return words.hook(words.settled(answer).object())

    def repair_hook(self, repository: str, hook_id: str, *, url: str, secret: str) -> Hook:
        place = self._place(repository)
        try:
            return self._configure(place, hook_id, words.wanted_hook(url, secret))
        except NotFound:
            return self.add_hook(repository, url=url, secret=secret)

    def remove_hook(self, repository: str, hook_id: str) -> None:
        place = self._place(repository)
        try:
            with _wanting_hooks():
                self.line.delete(f"{place}/hooks/{quote(hook_id)}")
        except NotFound:
            self.hooks(repository)  # gone, unless the list says that we may not look any more

    # -- receiving -------------------------------------------------------------------------------

    @classmethod
    def verify(cls, headers: Headers, body: bytes, key: HookKey, *, now: float) -> Receipt:
        """A shared word. The delivery's id is in the body, which is read once the word is right."""
        require_word(headers.get("x-repo-token", ""), key.secrets)
        told = words.told_in(body)
        event = headers.get("x-repo-event") or headers.get("x-devcloud-event", "")
        return Receipt(told.get("uuid", ""), event or told.get("object_kind", ""))

    @classmethod
    def read(cls, headers: Headers, body: bytes) -> tuple[Push, ...]:
        raw = Answer(200, headers, body).object()
        if reading.text(raw, "object_kind", "a CodeArts delivery") not in ("push", "tag_push"):
            return ()
        return (words.push(raw),)


def _as_it_is(raw: reading.Raw) -> reading.Raw:
    return raw


@contextmanager
def _wanting_hooks() -> Iterator[None]:
    """What a refusal is about. Too low a role looks the same, and roles are not told."""
    try:
        yield
    except MissingScope:
        raise MissingScope("scope", missing=(words.WEBHOOKS,)) from None
