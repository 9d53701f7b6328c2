"""What faces may know about providers: plain values, read from their Specs and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from bindings.models import CodeHost
from providers.catalogue import REGISTRY
from providers.types import Can, Method, Profile
from providers.types import Spec as Spec  # faces name it, and may not import providers

ORDER = ("github", "gitlab", "gitee", "bitbucket", "codearts", "codeup", "gitea")
LABELS = {
    "github": "GitHub",
    "gitlab": "GitLab",
    "gitee": "Gitee",
    "bitbucket": "Bitbucket",
    "codearts": "CodeArts",
    "codeup": "Codeup",
    "gitea": "Gitea",
}
"""The seven platforms people see, in the fixed order of `api.md` 3.1; a platform without an
adapter is shown as not offered."""
PLACES = {
    "github": "github.com",
    "gitlab": _("GitLab.com or your own server"),
    "gitee": "gitee.com",
    "bitbucket": "bitbucket.org",
    "codearts": "Huawei DevCloud",
    "codeup": "Alibaba Cloud",
    "gitea": _("your own server"),
}
"""Where each platform is found, for a row that is not bound yet."""
VERSIONS = {
    "github": _("github.com, GHE.com and Enterprise Server"),
    "gitlab": _("All versions, hosted or on your own server"),
    "gitee": _("Hosted service"),
    "bitbucket": _("Cloud, all versions"),
    "codearts": _("Hosted service"),
    "codeup": _("All versions"),
    "gitea": _("Gitea and Forgejo on your own server"),
}
"""The versions of each platform that can be bound (product.md R2.2 to R2.8)."""


SIGN_IN = {"bitbucket": "https://id.atlassian.com"}
"""Hosted platforms whose people sign in at another site. For others an operator says it."""


@dataclass(frozen=True, slots=True)
class Consent:
    """How one host is asked for consent."""

    authorize_url: str
    token_url: str
    scopes: tuple[str, ...]
    manual_scopes: tuple[str, ...]
    pkce: bool
    scope_separator: str
    account_chooser: Mapping[str, str]

    def scopes_for(self, mode: str) -> tuple[str, ...]:
        return self.manual_scopes if mode == "manual" else self.scopes


def spec_of(provider: str) -> Spec | None:
    """The Spec of a provider, None for one that has no adapter in this version."""
    kind = REGISTRY.get(provider)
    return kind.spec if kind else None


def consent_of(host: CodeHost) -> Consent:
    """The consent page of a host. Raises LookupError when its provider has no OAuth."""
    spec = REGISTRY[host.provider].spec
    if spec.oauth is None:
        raise LookupError(host.provider)
    return Consent(
        authorize_url=host.base_url + spec.oauth.authorize,
        token_url=host.base_url + spec.oauth.token,
        scopes=tuple(host.scopes) or spec.ask_scopes,
        manual_scopes=spec.manual_scopes,
        pkce=spec.oauth.pkce,
        scope_separator=spec.oauth.scope_separator,
        account_chooser=spec.oauth.account_chooser,
    )


def token_page(provider: str, base_url: str, name: str) -> str:
    """The pre-filled page where a person makes a token, "" where there is none."""
    kind = REGISTRY.get(provider)
    return kind.token_page(base_url, name) if kind else ""


def methods_of(host: CodeHost) -> list[str]:
    """How accounts are bound at this host: OAuth only where an app is registered."""
    methods = REGISTRY[host.provider].spec.methods
    return [m.value for m in methods if m is not Method.OAUTH or host.client_id]


def address_policy(profile: str | None = None) -> dict[str, object]:
    """What may be typed as an address, in the words of `GET /providers/{slug}`."""
    chosen = Profile(profile or settings.MOORING_PROFILE)
    plain = "80,21,443,70,210,280,488,591,777,1025-65535"
    strict = chosen is Profile.SEED
    return {
        "profile": chosen.value,
        "schemes": ["https", "http"],
        "https_ports": "443" if strict else plain,
        "http_ports": plain,
        "private_addresses": not strict and bool(settings.MOORING_ALLOW_CIDRS),
        "own_ca": not strict,
    }


def takes_address(provider: str) -> bool:
    """May a tenant type the address of its own server?"""
    kind = REGISTRY.get(provider)
    return kind is not None and Can.TYPED_ADDRESS in kind.spec.capabilities


def people_bind(provider: str) -> bool:
    """Do people bind accounts of this platform? Not where the operator's cloud account does."""
    kind = REGISTRY.get(provider)
    return kind is not None and set(kind.spec.methods) != {Method.PLATFORM}


def consent_pages(provider: str, base_url: str, options: Mapping[str, str]) -> list[str]:
    """The sites a browser may be led through on its way to a consent page: the server's own, and
    where people sign in first, if that is elsewhere."""
    hosted = base_url == REGISTRY[provider].spec.default_address
    elsewhere = SIGN_IN.get(provider, "") if hosted else ""
    return [one for one in (base_url, elsewhere, options.get("sign_in", "")) if one]


def older_token_page(provider: str, base_url: str, name: str) -> str:
    """Where older servers have the page of `token_page`, "" where that never moved."""
    page = token_page(provider, base_url, name) if provider == "gitlab" else ""
    return page.replace("/-/user_settings/", "/-/profile/")


def consent_words(provider: str, consent: Consent) -> list[tuple[str, str]]:
    """What will be asked for at the platform, and why, in the active language."""
    reasons = SCOPES_ASKED.get(provider, {})
    return [(scope, str(reasons.get(scope, ""))) for scope in consent.scopes]


SCOPES_ASKED = {
    "github": {
        "repo": _(
            "Read and clone private repositories. GitHub has no read-only version for OAuth apps."
            " We never push."
        ),
        "admin:repo_hook": _(
            "Add and remove our build webhook, only where you turn on automatic builds."
        ),
        "read:org": _("See which organizations you belong to, so that their repositories appear."),
    },
    "gitlab": {
        "api": _("Read your repositories, clone them, and set the webhook that starts builds."),
    },
    "gitee": {
        "user_info": _("Know which account this is."),
        "projects": _("List and clone your repositories."),
        "hook": _("Add and remove our build webhook."),
        "groups": _("Show repositories of your organizations."),
    },
    "bitbucket": {
        "account": _("Know which account this is and its workspaces."),
        "repository": _("List and clone repositories."),
        "webhook": _("Add and remove our build webhook."),
    },
    "gitea": {
        "read:user": _("Know which account this is."),
        "write:repository": _(
            "List and clone repositories, and add and remove our build webhook. Gitea has no"
            " smaller permission for webhooks. We never push."
        ),
        "read:organization": _("Show repositories of your organizations."),
    },
}
"""Platform → scope → why we ask for it (`ux/spec.md` 5.5)."""
