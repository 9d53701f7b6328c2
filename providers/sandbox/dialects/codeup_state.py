"""What Codeup holds at the start: two organizations with groups, their members and their tokens."""

from __future__ import annotations

from providers.sandbox.dialects.codeup_rules import (
    BRANCHES,
    DEPARTMENTS,
    HOOKS,
    HOOKS_READ,
    MEMBERS,
    REPOSITORIES,
    TAGS,
)
from providers.sandbox.records import Role, Token
from providers.sandbox.world import Site

ACME = "60de7a6852743a51sandbox0"
BETA = "61f0c2aa9b1d4e72sandbox1"
READ = [MEMBERS, DEPARTMENTS, REPOSITORIES, BRANCHES, TAGS]
YEAR = 365 * 86400.0


def fill(site: Site) -> None:
    site.add_account(71001, "build-bot", "构建机器人")
    site.add_account(71002, "ann", "Ann Sandbox")
    site.add_account(71003, "ben", "Ben Sandbox")
    groups: tuple[tuple[int, str, str, dict[str, Role]], ...] = (
        (72001, ACME, "Acme Foundry", {"build-bot": Role.GUEST, "ann": Role.ADMIN}),
        (72002, f"{ACME}/platform", "platform", {"build-bot": Role.WRITE}),
        (72003, f"{ACME}/platform/images", "images", {"build-bot": Role.MAINTAIN}),
        (72004, f"{ACME}/crew", "crew", {"build-bot": Role.MAINTAIN}),
        (72005, BETA, "Beta Works", {"ann": Role.ADMIN}),
    )
    for number, path, name, members in groups:
        group = site.add_account(number, path, name, "Group")
        group.members = {login: int(role) for login, role in members.items()}
    _repositories(site)
    _tokens(site)


def _repositories(site: Site) -> None:
    own = {"build-bot": Role.MAINTAIN}
    site.add_repository(73001, f"{ACME}/platform/api", roles=own, description="接口服务")
    site.add_repository(73002, f"{ACME}/platform/web", roles=own)
    site.add_repository(73003, f"{ACME}/platform/reports", history="plain")
    site.add_repository(73004, f"{ACME}/platform/old-site", archived=True, history="plain")
    site.add_repository(
        73005,
        f"{ACME}/platform/images/debian",
        history="master",
        default_branch="master",
        protected=["master"],
    )
    site.add_repository(73006, f"{ACME}/platform/images/alpine", history="many")
    site.add_repository(73007, f"{ACME}/crew/blank", history="empty")
    site.add_repository(73008, f"{ACME}/crew/twins", history="twins")
    site.add_repository(73009, f"{ACME}/handbook", visibility="internal", history="plain")
    site.add_repository(73010, f"{ACME}/model", history="plain", roles={"build-bot": Role.READ})
    site.add_repository(73011, f"{ACME}/payroll", history="plain")
    site.add_repository(73012, f"{BETA}/plant", history="plain")


def _tokens(site: Site) -> None:
    def ready(name: str, scopes: list[str], login: str = "build-bot") -> Token:
        return personal(site, login, name, scopes, site.world.now() + YEAR, fixed=True)

    ready("full", [*READ, HOOKS])
    ready("reduced", READ)
    ready("looking", [*READ, HOOKS_READ])
    ready("refless", [MEMBERS, DEPARTMENTS, REPOSITORIES, HOOKS])
    ready("blind", [MEMBERS, DEPARTMENTS, BRANCHES, TAGS, HOOKS])
    ready("nameless", [REPOSITORIES, BRANCHES, TAGS, HOOKS])
    ready("revoked", [*READ, HOOKS]).revoked = True
    ready("ended", [*READ, HOOKS]).expires = site.world.now() - 60
    ready("full", [*READ, HOOKS], "ann")
    ready("full", [*READ, HOOKS], "ben")


def personal(
    site: Site,
    login: str,
    name: str,
    scopes: list[str],
    expires: float | None,
    *,
    fixed: bool = False,
) -> Token:
    """A personal access token. Its end is known to the page where it was made, not to the API."""
    return site.add_token(
        prefix="pt-",
        length=48,
        fixed=fixed,
        name=name,
        login=login,
        kind="pat",
        scopes=scopes,
        expires=expires,
    )


def make(
    site: Site, login: str, name: str, scopes: list[str], expires: float | None, kind: str
) -> Token:
    """For the control API: pat."""
    if kind not in {"", "pat"}:
        raise ValueError(f"Codeup has no tokens of kind {kind}")
    return personal(site, login, name, scopes, expires)
