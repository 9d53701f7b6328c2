"""What Bitbucket holds at the start: people, workspaces, repositories, tokens of every kind."""

from __future__ import annotations

from providers.sandbox.dialects import bitbucket_oauth
from providers.sandbox.records import App, Role, Token
from providers.sandbox.world import Site

APP = "mooring-sandbox"
SECRET = "sandbox-client-secret"  # noqa: S105 - a made-up secret of a made-up host
FULL = ["account", "repository", "webhook"]
DAY = 86_400.0


def fill(site: Site) -> None:
    site.add_account(71001, "octavia", "Octavia Sandbox")
    site.add_account(71002, "otto", "Otto Sandbox")
    groups: tuple[tuple[int, str, dict[str, Role]], ...] = (
        (72001, "acme-inc", {"octavia": Role.READ, "otto": Role.ADMIN}),
        (72002, "harbor-works", {"octavia": Role.ADMIN, "otto": Role.WRITE}),
        (72003, "quiet-yard", {"octavia": Role.READ, "otto": Role.ADMIN}),
        (72004, "foundry", {"otto": Role.ADMIN}),
    )
    for number, slug, members in groups:
        group = site.add_account(number, slug, slug.title(), "Group")
        group.members = {login: int(role) for login, role in members.items()}
    site.apps[APP] = App(APP, SECRET, "Mooring", FULL)
    _repositories(site)
    _tokens(site)


def _repositories(site: Site) -> None:
    site.add_repository(73001, "octavia/harbor")
    site.add_repository(
        73002,
        "octavia/tugboat",
        visibility="public",
        history="master",
        default_branch="master",
        protected=["master"],
    )
    site.add_repository(73003, "octavia/lighthouse", history="plain")
    site.add_repository(73004, "octavia/blank", history="empty")
    site.add_repository(73005, "octavia/twins", history="twins")
    site.add_repository(73006, "octavia/busy", history="many")
    site.add_repository(73007, "otto/workshop", history="plain", roles={"octavia": Role.WRITE})
    site.add_repository(73008, "otto/vault", history="plain")
    site.add_repository(73009, "otto/notes", visibility="public", history="plain")
    site.add_repository(73010, "acme-inc/docs", history="plain")
    site.add_repository(73011, "acme-inc/api", roles={"octavia": Role.WRITE})
    site.add_repository(73012, "acme-inc/web", history="plain", roles={"octavia": Role.ADMIN})
    site.add_repository(73013, "harbor-works/cranes", history="plain")
    site.add_repository(73014, "harbor-works/piers", history="plain")
    site.add_repository(73015, "foundry/moulds", history="plain")


def _tokens(site: Site) -> None:
    for login in ("octavia", "otto"):
        _pair(site, login, "full", FULL)
    _pair(site, "octavia", "reduced", ["account", "repository"])
    _pair(site, "octavia", "narrow", ["account"])
    _pair(site, "octavia", "nameless", ["repository", "webhook"])
    _pair(site, "octavia", "silent", FULL).expires = None
    _pair(site, "octavia", "revoked", FULL).revoked = True
    _pair(site, "octavia", "ended", FULL).expires = site.world.now() - DAY


def _pair(site: Site, login: str, name: str, scopes: list[str]) -> Token:
    return bitbucket_oauth.issue(site, site.apps[APP], login, name, scopes, fixed=True)


def make(site: Site, login: str, name: str, scopes: list[str], kind: str) -> Token:
    """For the control API: oauth, the only kind (two hours, with a refresh token)."""
    if kind in {"", "oauth"}:
        return bitbucket_oauth.issue(site, site.apps[APP], login, name, scopes)
    raise ValueError(f"Bitbucket has no tokens of kind {kind}")
