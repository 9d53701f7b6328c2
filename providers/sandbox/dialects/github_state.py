"""What GitHub holds at the start: two people, an organization, their repositories and tokens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from providers.sandbox.dialects import github_oauth
from providers.sandbox.records import App, Role, Token
from providers.sandbox.world import Site

APP = "mooring-sandbox"
EXPIRING_APP = "mooring-sandbox-expiring"
SECRET = "sandbox-client-secret"  # noqa: S105 - a made-up secret of a made-up host
ORGANIZATION = "acme-inc"


def fill(site: Site) -> None:
    site.add_account(1001, "octavia", "Octavia Sandbox")
    site.add_account(1002, "otto", "Otto Sandbox")
    site.add_account(2001, ORGANIZATION, "Acme Inc.", "Organization").members = {
        "octavia": Role.GUEST,
        "otto": Role.ADMIN,
    }
    site.apps[APP] = App(APP, SECRET, "Mooring", [])
    site.apps[EXPIRING_APP] = App(EXPIRING_APP, SECRET, "Mooring (expiring)", [], expiring=True)
    _repositories(site)
    _tokens(site)


def _repositories(site: Site) -> None:
    site.add_repository(70001, "octavia/harbor", description="Images for the harbor")
    site.add_repository(
        70002,
        "octavia/tugboat",
        visibility="public",
        history="master",
        default_branch="master",
        protected=[],
    )
    site.add_repository(70003, "octavia/lighthouse", archived=True, history="plain")
    site.add_repository(70004, "octavia/blank", history="empty")
    site.add_repository(70005, "octavia/twins", history="twins")
    site.add_repository(70006, "octavia/busy", history="many", visibility="public")
    site.add_repository(70007, "otto/workshop", roles={"octavia": Role.WRITE})
    site.add_repository(70008, "otto/vault", history="plain")
    site.add_repository(70009, "otto/notes", visibility="public", history="plain")
    site.add_repository(70010, f"{ORGANIZATION}/web", roles={"octavia": Role.ADMIN})
    site.add_repository(70011, f"{ORGANIZATION}/api", roles={"octavia": Role.WRITE})
    site.add_repository(70012, f"{ORGANIZATION}/docs", visibility="public", history="plain")
    site.add_repository(70013, f"{ORGANIZATION}/payroll", history="plain")


def _tokens(site: Site) -> None:
    now = site.world.now()
    day = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    soon = (day + timedelta(days=20)).timestamp()
    past = (day - timedelta(days=1)).timestamp()
    for login in ("octavia", "otto"):
        oauth_token(site, login, "full", ["read:org", "repo"], fixed=True)
    oauth_token(site, "octavia", "public-only", ["read:org"], fixed=True)
    oauth_token(site, "octavia", "revoked", ["read:org", "repo"], fixed=True).revoked = True
    classic(site, "octavia", "classic", ["admin:repo_hook", "read:org", "repo"])
    classic(site, "octavia", "hooks-only", ["admin:repo_hook"])
    classic(site, "octavia", "dated", ["repo"], soon)
    classic(site, "octavia", "ended", ["repo"], past)
    fine_grained(site, "octavia", "fine", "octavia")


def oauth_token(
    site: Site, login: str, name: str, scopes: list[str], *, fixed: bool = False
) -> Token:
    """A token of the OAuth app without an end. 40 characters, as real ones."""
    return site.add_token(
        prefix="gho_",
        length=40,
        fixed=fixed,
        name=name,
        login=login,
        kind="oauth",
        scopes=sorted(scopes),
        client_id=APP,
    )


def classic(
    site: Site,
    login: str,
    name: str,
    scopes: list[str],
    expires: float | None = None,
    *,
    fixed: bool = True,
) -> Token:
    return site.add_token(
        prefix="ghp_",
        length=40,
        fixed=fixed,
        name=name,
        login=login,
        kind="pat",
        scopes=sorted(scopes),
        expires=expires,
    )


def fine_grained(
    site: Site,
    login: str,
    name: str,
    owner: str,
    expires: float | None = None,
    *,
    fixed: bool = True,
) -> Token:
    return site.add_token(
        prefix="github_pat_",
        length=93,
        fixed=fixed,
        name=name,
        login=login,
        kind="fine",
        scopes=[],
        owner=owner,
        expires=expires,
    )


def make(
    site: Site, login: str, name: str, scopes: list[str], expires: float | None, kind: str
) -> Token:
    """For the control API: oauth (the usual), app (ends, with refresh token), pat or fine; the
    scopes of a fine-grained one name its resource owner."""
    if kind in {"", "oauth"}:
        return oauth_token(site, login, name, scopes)
    if kind == "app":
        return github_oauth.issue(site, site.apps[EXPIRING_APP], login, name, [])
    if kind == "pat":
        return classic(site, login, name, scopes, expires, fixed=False)
    if kind == "fine":
        return fine_grained(site, login, name, (scopes or [login])[0], expires, fixed=False)
    raise ValueError(f"GitHub has no tokens of kind {kind}")
