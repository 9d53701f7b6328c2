"""What CodeArts holds at the start: two cloud accounts, their projects and their credentials."""

from __future__ import annotations

from providers.sandbox.dialects.codearts_cloud import LIFE, iam_token
from providers.sandbox.dialects.codearts_rules import DOWNLOAD, READ, WEBHOOKS
from providers.sandbox.records import Role, Token
from providers.sandbox.world import Site

ALL = [READ, DOWNLOAD, WEBHOOKS]


def fill(site: Site) -> None:
    site.add_account(81001, "acme-robot", "acme-cloud")
    site.add_account(81002, "globex-robot", "globex-cloud")
    groups: tuple[tuple[int, str, dict[str, Role]], ...] = (
        (82001, "foundry00228", {"acme-robot": Role.MAINTAIN}),
        (82002, "reports00231", {"acme-robot": Role.WRITE}),
        (82003, "museum00232", {"acme-robot": Role.READ}),
        (82004, "vault00233", {}),
        (82005, "globex00300", {"globex-robot": Role.ADMIN}),
    )
    for number, path, members in groups:
        group = site.add_account(number, path, path, "Group")
        group.members = {login: int(role) for login, role in members.items()}
    _repositories(site)
    _credentials(site)


def _repositories(site: Site) -> None:
    site.add_repository(83001, "foundry00228/api", description="接口服务")
    site.add_repository(83002, "foundry00228/web", history="plain")
    site.add_repository(83003, "foundry00228/blank", history="empty")
    site.add_repository(83004, "foundry00228/twins", history="twins")
    site.add_repository(83005, "foundry00228/busy", history="many")
    site.add_repository(
        83006,
        "foundry00228/runner",
        history="master",
        default_branch="master",
        protected=["master"],
    )
    site.add_repository(83007, "foundry00228/old-site", archived=True, history="plain")
    site.add_repository(83008, "reports00231/monthly", history="plain")
    site.add_repository(83009, "reports00231/yearly", history="plain")
    site.add_repository(83010, "museum00232/archive", history="plain")
    site.add_repository(83011, "vault00233/payroll", history="plain")
    site.add_repository(83012, "globex00300/plant", history="plain")


def _credentials(site: Site) -> None:
    now = site.world.now()

    def iam(name: str, scopes: list[str], login: str = "acme-robot") -> Token:
        return iam_token(site, login, name, scopes, now + LIFE, fixed=True)

    for login in ("acme-robot", "globex-robot"):
        pair(site, login, "cloud-account", ALL, fixed=True)
        iam("full", ALL, login)
    pair(site, "acme-robot", "temporary", ALL, now + LIFE, fixed=True).kind = "temporary"
    pair(site, "acme-robot", "revoked-keys", ALL, fixed=True).revoked = True
    iam("reduced", [READ, DOWNLOAD])
    iam("reading", [READ])
    iam("blind", [WEBHOOKS])
    iam("undated", ALL).expires = None
    iam("revoked", ALL).revoked = True
    iam("ended", ALL).expires = now - 60


def pair(
    site: Site,
    login: str,
    name: str,
    scopes: list[str],
    expires: float | None = None,
    *,
    fixed: bool = False,
) -> Token:
    """An access key and its secret key: the id is shown, the secret is the token's text."""
    made = site.add_token(
        prefix="",
        length=40,
        fixed=fixed,
        name=name,
        login=login,
        kind="key",
        scopes=scopes,
        expires=expires,
    )
    made.client_id = f"AKSANDBOX{made.id:011d}"
    return made


def make(
    site: Site, login: str, name: str, scopes: list[str], expires: float | None, kind: str
) -> Token:
    """For the control API: iam (the usual, for a day), key, temporary, or https: the password with
    which a developer's git pushes."""
    if kind in {"", "iam"}:
        end = expires or site.world.now() + LIFE
        return iam_token(site, login, name, scopes, end, fixed=False)
    if kind in {"key", "temporary"}:
        made = pair(site, login, name, scopes, expires)
        made.kind = kind
        return made
    if kind == "https":
        return site.add_token(
            prefix="", length=24, name=name, login=login, kind=kind, scopes=scopes, expires=expires
        )
    raise ValueError(f"CodeArts has no credentials of kind {kind}")
