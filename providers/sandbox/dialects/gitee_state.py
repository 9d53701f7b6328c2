"""What Gitee holds at the start: two people, an organization, their repositories and tokens."""

from __future__ import annotations

from providers.sandbox.dialects import gitee_oauth
from providers.sandbox.records import App, Role, Token
from providers.sandbox.world import Site

APP = "mooring-sandbox"
SECRET = "sandbox-client-secret"  # noqa: S105 - a made-up secret of a made-up host
APP_SCOPES = ["user_info", "projects", "hook", "groups", "pull_requests", "issues", "notes"]
FULL = ["user_info", "projects", "hook", "groups"]
ORGANIZATION = "acme-inc"


def fill(site: Site) -> None:
    site.add_account(61001, "octavia", "Octavia Sandbox")
    site.add_account(61002, "otto", "Otto Sandbox")
    site.add_account(62001, ORGANIZATION, "Acme Inc.", "Group").members = {
        "octavia": Role.GUEST,
        "otto": Role.ADMIN,
    }
    site.apps[APP] = App(APP, SECRET, "Mooring", APP_SCOPES)
    _repositories(site)
    _tokens(site)


def _repositories(site: Site) -> None:
    site.add_repository(63001, "octavia/harbor", description="港口的镜像")
    site.add_repository(
        63002,
        "octavia/tugboat",
        visibility="public",
        history="master",
        default_branch="master",
        protected=["master"],
    )
    site.add_repository(63003, "octavia/lighthouse", history="plain")
    site.add_repository(63004, "octavia/blank", history="empty")
    site.add_repository(63005, "octavia/twins", history="twins")
    site.add_repository(63006, "octavia/busy", history="many", visibility="public")
    site.add_repository(63007, "otto/workshop", roles={"octavia": Role.WRITE})
    site.add_repository(63008, "otto/vault", history="plain")
    site.add_repository(63009, "otto/notes", visibility="public", history="plain")
    site.add_repository(63010, f"{ORGANIZATION}/web", roles={"octavia": Role.ADMIN})
    site.add_repository(63011, f"{ORGANIZATION}/api", roles={"octavia": Role.WRITE})
    site.add_repository(
        63012, f"{ORGANIZATION}/docs", history="plain", roles={"octavia": Role.READ}
    )
    site.add_repository(63013, f"{ORGANIZATION}/payroll", history="plain")


def _tokens(site: Site) -> None:
    for login in ("octavia", "otto"):
        _pair(site, login, "full", FULL)
    _pair(site, "octavia", "own", ["user_info", "projects", "hook"])
    _pair(site, "octavia", "reduced", ["user_info", "projects", "groups"])
    _pair(site, "octavia", "narrow", ["user_info"])
    _pair(site, "octavia", "nameless", ["projects"])
    _pair(site, "octavia", "revoked", FULL).revoked = True
    _pair(site, "octavia", "ended", FULL).expires = site.world.now() - 60
    personal(site, "octavia", "personal", FULL, fixed=True)


def _pair(site: Site, login: str, name: str, scopes: list[str]) -> Token:
    """A pair that is the same at every start."""
    known = site.add_token(
        prefix="",
        length=32,
        fixed=True,
        name=name,
        login=login,
        kind="oauth",
        scopes=scopes,
        client_id=APP,
        expires=site.world.now() + gitee_oauth.LIFE,
    )
    known.refresh = site.world.text("", 64, f"gitee/{login}/{name}/refresh")
    return known


def personal(site: Site, login: str, name: str, scopes: list[str], *, fixed: bool = False) -> Token:
    """A personal token: no end, and nothing that tells what it may do."""
    return site.add_token(
        prefix="", length=32, fixed=fixed, name=name, login=login, kind="pat", scopes=scopes
    )


def make(
    site: Site, login: str, name: str, scopes: list[str], expires: float | None, kind: str
) -> Token:
    """For the control API: oauth (the usual, with its refresh token) or pat."""
    if kind in {"", "oauth"}:
        made = gitee_oauth.issue(site, site.apps[APP], login, name, scopes)
        made.expires = made.expires if expires is None else expires
        return made
    if kind == "pat":
        return personal(site, login, name, scopes)
    raise ValueError(f"Gitee has no tokens of kind {kind}")
