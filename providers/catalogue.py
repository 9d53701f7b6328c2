"""Which providers there are: one line each, in the order people see them."""

from __future__ import annotations

from providers.base import Provider
from providers.bitbucket import Bitbucket
from providers.codearts import CodeArts
from providers.codeup import Codeup
from providers.gitea import Gitea
from providers.gitee import Gitee
from providers.github import GitHub
from providers.gitlab import GitLab
from providers.http import Door
from providers.types import Credential, Host, Rules

REGISTRY: dict[str, type[Provider]] = {
    "github": GitHub,
    "gitlab": GitLab,
    "gitee": Gitee,
    "bitbucket": Bitbucket,
    "codearts": CodeArts,
    "codeup": Codeup,
    "gitea": Gitea,
}


def connect(slug: str, host: Host, credential: Credential, *, door: Door, rules: Rules) -> Provider:
    """The account behind `credential` at `host`. Raises KeyError for a provider we do not have."""
    return REGISTRY[slug](host, credential, door, rules)


def whose(token: str) -> str:
    """The slug of the provider whose prefix a pasted token carries, or ""."""
    for slug, provider in REGISTRY.items():
        if token.startswith(provider.spec.token_prefixes):
            return slug
    return ""
