"""What Gitea holds at the start: people, organizations, repositories, tokens of every kind."""

from __future__ import annotations

from providers.sandbox.dialects import gitea_oauth
from providers.sandbox.records import App, Role, Token
from providers.sandbox.world import Site

APP = "mooring-sandbox"
SECRET = "sandbox-client-secret"  # noqa: S105 - a made-up secret of a made-up host
FULL = ["read:user", "write:repository", "read:organization"]
MANUAL = ["read:user", "read:repository", "read:organization"]


def fill(site: Site) -> None:
    site.add_account(7, "build-bot", "Build Bot")
    site.add_account(8, "ann", "Ann Sandbox")
    groups: tuple[tuple[int, str, dict[str, Role]], ...] = (
        (21, "workshop", {"build-bot": Role.WRITE, "ann": Role.ADMIN}),
        (22, "museum", {"build-bot": Role.READ, "ann": Role.ADMIN}),
        (23, "foundry", {"ann": Role.ADMIN}),
    )
    for number, path, members in groups:
        group = site.add_account(number, path, path.title(), "Organization")
        group.members = {login: int(role) for login, role in members.items()}
    site.apps[APP] = App(APP, SECRET, "Mooring", FULL)
    _repositories(site)
    _tokens(site)


def _repositories(site: Site) -> None:
    site.add_repository(2001, "workshop/engine", roles={"build-bot": Role.ADMIN})
    site.add_repository(2002, "workshop/website", roles={"build-bot": Role.ADMIN})
    site.add_repository(2003, "workshop/manual", history="plain")
    site.add_repository(2004, "workshop/old-tools", archived=True, history="plain")
    site.add_repository(
        2005, "workshop/legacy", history="master", default_branch="master", protected=["master"]
    )
    site.add_repository(2006, "museum/archive", history="plain")
    site.add_repository(2007, "museum/brochure", visibility="internal", history="plain")
    site.add_repository(2008, "build-bot/blank", history="empty")
    site.add_repository(2009, "build-bot/twins", history="twins")
    site.add_repository(2010, "build-bot/busy", history="many")
    site.add_repository(2011, "build-bot/notes", visibility="public", history="plain")
    site.add_repository(2012, "ann/toolbox", visibility="public", history="plain")
    site.add_repository(2013, "ann/vault", history="plain")
    site.add_repository(2014, "foundry/moulds", history="plain")


def _tokens(site: Site) -> None:
    def ready(name: str, scopes: list[str], login: str = "build-bot") -> Token:
        return personal(site, login, name, scopes, fixed=True)

    ready("full", FULL)
    ready("reduced", MANUAL)
    ready("personal", ["read:user", "write:repository"])
    ready("everything", ["all"])
    ready("user-only", ["read:user"])
    ready("nameless", ["write:repository"])
    ready("public", ["public-only", "read:user", "write:repository"])
    ready("revoked", FULL).revoked = True
    ready("full", FULL, "ann")
    gone = gitea_oauth.issue(site, site.apps[APP], "build-bot", "revoked-grant", FULL, fixed=True)
    gone.revoked = True


def personal(site: Site, login: str, name: str, scopes: list[str], *, fixed: bool = False) -> Token:
    """An access token: forty letters and digits, without an end."""
    return site.add_token(
        prefix="", length=40, fixed=fixed, name=name, login=login, kind="pat", scopes=scopes
    )


def make(site: Site, login: str, name: str, scopes: list[str], kind: str) -> Token:
    """For the control API: pat (the usual) or oauth (one hour, with a refresh token)."""
    if kind in {"", "pat"}:
        return personal(site, login, name, scopes)
    if kind == "oauth":
        return gitea_oauth.issue(site, site.apps[APP], login, name, scopes)
    raise ValueError(f"Gitea has no tokens of kind {kind}")
