"""What every code host can be asked: one object is one account at one host.

Make it, ask it, drop it. Answers are values, failures are exceptions of `providers.errors`, and
nothing here saves anything. To add a provider, subclass this in a file of its own and add one line
to `catalogue.py`.
"""

from __future__ import annotations

import base64
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import date
from typing import ClassVar

from providers import packets
from providers.address import split
from providers.answer import settle
from providers.errors import BadAnswer, NotSupported, ProviderError
from providers.http import Answer, Door, Line
from providers.types import (
    Can,
    Clone,
    Credential,
    Headers,
    Hook,
    HookKey,
    Host,
    Identity,
    Inspection,
    Page,
    Push,
    Receipt,
    Ref,
    Repository,
    Rules,
    Spec,
)


class Provider(ABC):
    """One account at one host."""

    spec: ClassVar[Spec]

    def __init__(self, host: Host, credential: Credential, door: Door, rules: Rules) -> None:
        self.host, self.credential, self.door, self.rules = host, credential, door, rules
        self.line = Line(
            door,
            host.api_url,
            auth=self.authorise(credential),
            rules=rules,
            explain=self.explained,
            headers=self.manners(),
            sign=self.sign,
        )

    # -- how this host is addressed: no network ------------------------------------------------

    @classmethod
    @abstractmethod
    def api_url(cls, base_url: str) -> str:
        """The API's address of a server whose base address is `base_url`."""

    @classmethod
    def token_page(cls, base_url: str, name: str) -> str:
        """Where a person makes a token, filled in as far as the host allows; "" if nowhere."""
        return ""

    @classmethod
    def hooks_page(cls, repository_url: str) -> str:
        """Where a person sees the webhooks of a repository; "" if unknown."""
        return ""

    @classmethod
    def foreign_token(cls, token: str) -> str:
        """The catalogue's code (without prefix) of a pasted secret that is of this host but of a
        kind that cannot be bound, such as a deploy token; "" if nothing speaks against it."""
        return ""

    @classmethod
    def explain(cls, answer: Answer) -> ProviderError | None:
        """Read an answer other than 2xx as this host means it; None leaves it to the door."""
        return None

    def authorise(self, credential: Credential) -> Mapping[str, str]:
        """The headers that carry the token. The door adds them; nobody else sees them."""
        return {"Authorization": f"Bearer {credential.token}"}

    def manners(self) -> Mapping[str, str]:
        """What this host wants in the headers of every request beside the token."""
        return {}

    def sign(self, method: str, url: str, body: bytes) -> Mapping[str, str]:
        """Headers that prove this very request, where a token in a header is not enough."""
        return {}

    def explained(self, answer: Answer) -> ProviderError | None:
        """As `explain`, with what is known of this credential beside the answer."""
        return self.explain(answer)

    def option(self, name: str) -> str:
        """What an operator said of this host, else what the Spec takes for granted."""
        return self.host.options.get(name) or self.spec.options[name]

    # -- the account ---------------------------------------------------------------------------

    @classmethod
    @abstractmethod
    def recognise(cls, door: Door, api_url: str, rules: Rules) -> bool:
        """Ask without a token whether this platform answers at `api_url`."""

    @abstractmethod
    def identify(self) -> Identity:
        """The cheapest proof that a token lives."""

    @abstractmethod
    def inspect(self) -> Inspection:
        """Whose, what, until when: what the sweep asks."""

    def confirm(self) -> None:
        """After a refusal: ask in the surest way this host has. Raises TokenRejected if dead."""
        self.identify()

    # -- what the account sees -----------------------------------------------------------------

    @abstractmethod
    def repositories(self, *, matching: str = "", cursor: str = "") -> Page[Repository]:
        """One page of the repositories this account can read."""

    def repositories_since(self, etag: str, *, cursor: str = "") -> Page[Repository] | None:
        """The same page without a search, or None where the host says that it is as it was when it
        came with `etag`. Asked only of hosts whose pages have one."""
        return self.repositories(cursor=cursor)

    @abstractmethod
    def repository(self, path_or_id: str) -> Repository:
        """One repository by its path or by the host's own number."""

    @abstractmethod
    def branches(self, repository: str, *, matching: str = "", cursor: str = "") -> Page[Ref]: ...

    @abstractmethod
    def tags(self, repository: str, *, matching: str = "", cursor: str = "") -> Page[Ref]: ...

    @abstractmethod
    def resolve_ref(self, repository: str, ref: str) -> Ref:
        """A branch, a tag (a branch wins), refs/…, or 7 to 64 hex digits → its commit."""

    @abstractmethod
    def clone(self, repository: str, *, url: str = "") -> Clone:
        """How git reads it with the stored credential. For custody's own use only. `url`: its
        address, where that is known: then the host is not asked for it."""

    def safely(self, clone: Clone) -> Mapping[str, str]:
        """The headers that carry a credential to git's address of a repository.

        The address comes from the host's answer, so it has to be of the host's own origin: the
        token goes nowhere else. Raises BadAnswer("foreign_link").
        """
        own = {split(url)[0] for url in (self.host.base_url, self.host.api_url)}
        if split(clone.url)[0] not in own:
            raise BadAnswer("foreign_link")
        pair = base64.b64encode(f"{clone.username}:{clone.password}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}

    def read_refs(self, repository: str) -> tuple[Ref, ...]:
        """Branches and tags by git's own protocol: the proof that cloning works.

        Raises BadAnswer("foreign_link") and what a call raises.
        """
        clone = self.clone(repository)
        answer = self.door.ask(
            "GET",
            f"{clone.url}/info/refs?service=git-upload-pack",
            rules=self.rules,
            headers=self.safely(clone),
        )
        return packets.refs(settle(answer).body)

    # -- by capability: overridden exactly when declared, which a contract test checks ------------

    def rotate(self, until: date) -> Credential:
        """A successor of this token that ends on `until`; the old one is dead afterwards."""
        raise NotSupported(Can.ROTATE)

    def revoke(self) -> None:
        """End this token at the host. A token that is dead already is no error."""
        raise NotSupported(Can.REVOKE)

    def mint(self, repository: str, minutes: int) -> Clone:
        """A short-lived credential for one repository."""
        raise NotSupported(Can.MINT)

    def unmint(self, number: str) -> None:
        """End a minted credential (`Clone.number`) early. One that is gone already is no error."""
        raise NotSupported(Can.MINT)

    def hooks(self, repository: str) -> tuple[Hook, ...]:
        raise NotSupported(Can.HOOKS)

    def add_hook(self, repository: str, *, url: str, secret: str) -> Hook:
        """Create the webhook, or take over the one that already has our URL."""
        raise NotSupported(Can.HOOKS)

    def repair_hook(self, repository: str, hook_id: str, *, url: str, secret: str) -> Hook:
        """Push URL, events and secret again."""
        raise NotSupported(Can.HOOKS)

    def remove_hook(self, repository: str, hook_id: str) -> None:
        """A webhook that is gone already is no error."""
        raise NotSupported(Can.HOOKS)

    def test_hook(self, repository: str, hook_id: str) -> None:
        raise NotSupported(Can.TEST_HOOK)

    # -- receiving, in two halves: class methods, no network, no instance -------------------------

    @classmethod
    def verify(cls, headers: Headers, body: bytes, key: HookKey, *, now: float) -> Receipt:
        """Prove the raw bytes. `now`: Unix seconds. Raises DeliveryRefused. Never parses JSON."""
        raise NotSupported(Can.HOOKS)

    @classmethod
    def read(cls, headers: Headers, body: bytes) -> tuple[Push, ...]:
        """What was pushed; only after `verify`."""
        raise NotSupported(Can.HOOKS)
