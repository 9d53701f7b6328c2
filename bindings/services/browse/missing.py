"""Why is my repository not in the list? One pasted link, one verdict, and what mends it.

The host is asked anew each time. What it does not say plainly is `unknown`, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.utils.translation import gettext as _

from bindings import problems
from bindings.models import Binding, Repository
from bindings.models.bindings import Kind, Mode
from bindings.problems.terms import TERMS
from bindings.services.browse import places, repositories
from bindings.services.browse.repositories import Listed
from bindings.services.custody.sealed import Undecryptable
from bindings.services.custody.use import usable, use
from bindings.state import State
from portal.ground import refusals, rls
from portal.ground.refusals import Refusal
from providers import types
from providers.catalogue import REGISTRY
from providers.errors import (
    NOT_GRANTED,
    MissingScope,
    NotFound,
    ProviderError,
    TokenRejected,
)

_MEMBERS: Mapping[str, str] = {
    "github": "{base}/{path}/settings/access",
    "gitlab": "{base}/{path}/-/project_members",
    "bitbucket": "{base}/{path}/admin/permissions",
    "gitea": "{base}/{path}/settings/collaboration",
}
"""Platform → where somebody lets an account into a repository; the others have no such address."""

_ORGANIZATION = re.compile(r"[0-9a-z]{20,32}")
_IN_GROUPS = frozenset({"gitlab", "codeup"})
_PROJECT_BOTS = {"project_": "project", "group_": "group"}
"""How the users are named that GitLab makes for access tokens of a project or a group."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One of the verdicts of api.md 3.5, in the language of who asked. `code` "" where nothing of
    the catalogue fits; `fix_url` and `ask` "" where there is nothing to open or nobody to ask."""

    verdict: str
    path: str
    detail: str
    code: str = ""
    repository: Listed | None = None
    fix_url: str = ""
    ask: str = ""


def diagnose(*, binding: Binding, link: str) -> Diagnosis:
    """Why the account of a binding does or does not see what `link` names: a URL, an SSH address or
    a path. Asks the host once. Raises Refusal X-FORM-03 for what names no repository, NotYours."""
    place = places.read(binding.host, link, aliases=_aliases(binding))
    if place.elsewhere:
        detail = _("This link is on {host}; this binding is for {bound}.").format(
            host=place.elsewhere, bound=_server(binding)
        )
        return Diagnosis("wrong_host", place.path, detail)
    try:
        usable(binding)
        with use(binding, why="diagnose") as provider:
            found = provider.repository(place.path)
    except ProviderError as error:
        return _unseen(binding, place.path, error)
    except Undecryptable:
        return _not_usable(binding, place.path, State.UNDECRYPTABLE.value)
    except Refusal as refused:
        if refused.code != "X-STATE-01":
            raise
        return _not_usable(binding, place.path, str(refused.facts["state"]))
    return _seen(binding, found)


def needed(binding: Binding) -> str:
    """The role that adding a webhook takes there, in the platform's word or the reader's."""
    role = problems.PLATFORMS[problems.prefix_of(binding.provider)].needed
    return str(TERMS["needed"].get(role, role))


# -- the host shows it -----------------------------------------------------------------------------


def _seen(binding: Binding, found: types.Repository) -> Diagnosis:
    row, path = repositories.keep(binding=binding, row=found), found.path
    if not repositories.offered(binding.host, found):
        return _said(binding, "organization_restricted", path, "USER-03", owner=found.owner)
    if found.archived:
        return _said(binding, "archived", path, "REPO-03", row=row, ask=_owner(binding, path))
    if found.hookable is False and binding.mode != Mode.MANUAL:
        return _role_too_low(binding, found, row)
    detail = _("{path} is visible. Open it.").format(path=path)
    return Diagnosis("visible", path, detail, repository=row)


def _role_too_low(binding: Binding, found: types.Repository, row: Listed) -> Diagnosis:
    prefix = problems.prefix_of(binding.provider)
    detail = _("{login} is {role} there. Adding webhooks needs {needed}.").format(
        login=binding.account_login,
        role=found.access_name or found.access.value,
        needed=needed(binding),
    )
    return Diagnosis(
        "role_too_low",
        found.path,
        detail,
        code=f"{prefix}-HOOK-02",
        repository=row,
        fix_url=_members(binding, found.path),
        ask=_owner(binding, found.path),
    )


# -- it does not -----------------------------------------------------------------------------------


def _unseen(binding: Binding, path: str, error: ProviderError) -> Diagnosis:
    match error:
        case NotFound():
            return _not_found(binding, path, error)
        case MissingScope():
            return _short_of(binding, path, error)
        case TokenRejected():
            return _told(binding, "binding_not_usable", path, error, fix_url=_here(binding))
        case _:
            return _unknown(binding, path, error)


def _not_found(binding: Binding, path: str, error: NotFound) -> Diagnosis:
    """Hosts do not say which it is: not there, or not for this account. What the token itself is
    known to lack goes first."""
    prefix = problems.prefix_of(binding.provider)
    lacks = str(binding.proofs.get("list", {}).get("code") or "")
    if "-SCOPE-" in lacks:
        return _scope(binding, path, lacks, {})
    if error.reason == "hidden":  # a token for public repositories alone
        return _scope(binding, path, problems.existing(prefix, "SCOPE-04"), {})
    if other := _other_organization(binding, path):
        return _said(binding, "token_not_granted", path, "ORG-02", fix_url=_here(binding), id=other)
    if kind := _kind_of_bot(binding):
        return _said(
            binding, "token_not_granted", path, "USER-03", fix_url=_here(binding), kind=kind
        )
    detail = _(
        "{platform} says there is no {path} for {login}: it does not exist, or {login} is not a"
        " member."
    ).format(platform=_label(binding), path=path, login=binding.account_login)
    return Diagnosis(
        "not_visible",
        path,
        detail,
        code=f"{prefix}-REPO-02",
        fix_url=_members(binding, path),
        ask=_owner(binding, path),
    )


def _short_of(binding: Binding, path: str, error: MissingScope) -> Diagnosis:
    organization = error.facts.get("organization") or path.partition("/")[0]
    if error.reason == "sso":
        return _told(binding, "sso_required", path, error)
    if error.reason == "org_policy":
        return _closed(binding, path, error, organization)
    if error.reason != "scope":
        return _refused(binding, path, error)
    if error.detail == NOT_GRANTED:
        return _told(binding, "token_not_granted", path, error, fix_url=_here(binding))
    prefix = problems.prefix_of(binding.provider)
    code, facts = problems.explain(error, prefix=prefix, login=binding.account_login, path=path)
    return _scope(binding, path, code, facts)


def _closed(binding: Binding, path: str, error: MissingScope, organization: str) -> Diagnosis:
    """An organization keeps the app out, or the token is for another one."""
    ask = _("an owner of the organization {name}").format(name=organization)
    fix_url = ""
    if binding.kind == Kind.OAUTH and binding.provider == "github":
        app = binding.host.client_id
        fix_url = f"{binding.host.base_url}/settings/connections/applications/{app}"
    return _told(binding, "organization_restricted", path, error, fix_url=fix_url, ask=ask)


def _refused(binding: Binding, path: str, error: MissingScope) -> Diagnosis:
    """A plain 403. Bitbucket gives it where a workspace keeps this app out (providers.md 6)."""
    if binding.provider == "bitbucket":
        workspace = path.partition("/")[0]
        closed = MissingScope("org_policy", organization=workspace)
        return _closed(binding, path, closed, workspace)
    return _not_found(binding, path, NotFound("unknown"))


def _scope(binding: Binding, path: str, code: str, facts: Mapping[str, Any]) -> Diagnosis:
    named = {"login": binding.account_login, "path": path, **facts}
    return Diagnosis(
        "scope_missing",
        path,
        refusals.words(code, named).detail,
        code=code,
        fix_url=_token_page(binding) or _here(binding),
        ask=binding.bound_by_name,
    )


def _not_usable(binding: Binding, path: str, state: str) -> Diagnosis:
    detail = refusals.words("X-STATE-01", {"state": state}).detail
    return Diagnosis("binding_not_usable", path, detail, code="X-STATE-01", fix_url=_here(binding))


def _unknown(binding: Binding, path: str, error: ProviderError) -> Diagnosis:
    code, _facts = problems.explain(error, prefix=problems.prefix_of(binding.provider))
    detail = _(
        "We could not find out: {platform} did not answer clearly. Try again in a minute."
    ).format(platform=_label(binding))
    return Diagnosis("unknown", path, detail, code=code)


def _told(
    binding: Binding,
    verdict: str,
    path: str,
    error: ProviderError,
    *,
    fix_url: str = "",
    ask: str = "",
) -> Diagnosis:
    """The verdict in the sentence of what the host did."""
    prefix = problems.prefix_of(binding.provider)
    code, facts = problems.explain(error, prefix=prefix, login=binding.account_login, path=path)
    found = str(facts.pop("fix_url", "") or fix_url)
    return Diagnosis(
        verdict, path, refusals.words(code, facts).detail, code=code, fix_url=found, ask=ask
    )


def _said(
    binding: Binding,
    verdict: str,
    path: str,
    suffix: str,
    *,
    row: Listed | None = None,
    fix_url: str = "",
    ask: str = "",
    **facts: str,
) -> Diagnosis:
    """The verdict in a sentence of the platform's own."""
    code = problems.existing(problems.prefix_of(binding.provider), suffix)
    named = {"login": binding.account_login, "path": path, **facts}
    return Diagnosis(
        verdict,
        path,
        refusals.words(code, named).detail,
        code=code,
        repository=row,
        fix_url=fix_url,
        ask=ask,
    )


# -- whom to ask, and where ------------------------------------------------------------------------


def _owner(binding: Binding, path: str) -> str:
    owner = path.rpartition("/")[0]
    if binding.provider in _IN_GROUPS:
        return _("an owner of the group {name}").format(name=owner)
    return _("an owner of {name}").format(name=owner)


def _members(binding: Binding, path: str) -> str:
    where = {"base": binding.host.base_url, "path": quote(path)}
    return _MEMBERS.get(binding.provider, "").format(**where)


def _token_page(binding: Binding) -> str:
    """Where a person makes a token with the rights it needs; "" for other ways of binding."""
    if binding.kind != Kind.TOKEN:
        return ""
    page = REGISTRY[binding.provider].token_page
    return page(binding.host.base_url, f"mooring-{binding.instance.name}")


def _here(binding: Binding) -> str:
    """The binding's own page, which offers what mends its credential."""
    tenant = binding.instance.tenant
    return f"{settings.MOORING_URL}/t/{tenant.slug}/bindings/{binding.public_id}/"


def _kind_of_bot(binding: Binding) -> str:
    if binding.provider != "gitlab" or not binding.robot:
        return ""
    named = (
        kind for start, kind in _PROJECT_BOTS.items() if binding.account_login.startswith(start)
    )
    return next(named, "")


def _other_organization(binding: Binding, path: str) -> str:
    """Codeup's paths begin with the organization's id, and a binding works in one of them."""
    first = path.partition("/")[0]
    own = binding.organization if binding.provider == "codeup" else ""
    return first if own and first != own and _ORGANIZATION.fullmatch(first) else ""


def _label(binding: Binding) -> str:
    return REGISTRY[binding.provider].spec.label


def _server(binding: Binding) -> str:
    """The bound server as people know it, root included."""
    return binding.host.base_url.partition("//")[2]


def _aliases(binding: Binding) -> list[str]:
    """Where the host itself says that clones come from, if that is another name."""
    with rls.tenant(binding.tenant_id):
        known = (
            Repository.objects.of(binding.tenant_id)
            .filter(instance_id=binding.instance_id, host_id=binding.host_id)
            .values_list("clone_url", "path")
            .first()
        )
    if known is None:
        return []
    url, path = known
    base = url.removesuffix(".git").removesuffix(path).rstrip("/")
    return [base] if base.startswith("http") else []
