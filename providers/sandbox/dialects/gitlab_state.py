"""What GitLab holds at the start: people, groups in groups, projects, tokens of every kind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from providers.sandbox.dialects import gitlab_oauth
from providers.sandbox.records import App, Role, Token
from providers.sandbox.world import Site

APP = "mooring-sandbox"
SECRET = "sandbox-client-secret"  # noqa: S105 - a made-up secret of a made-up host
APP_SCOPES = ["api", "read_api", "read_user", "read_repository", "write_repository"]
DAY = timedelta(days=1)


def fill(site: Site) -> None:
    site.add_account(42, "build-bot", "Build Bot")
    site.add_account(43, "ann", "Ann Sandbox")
    bot = site.add_account(44, "project_1077_bot_sandbox", "api project token", "Bot")
    groups: tuple[tuple[int, str, dict[str, Role]], ...] = (
        (301, "platform", {"build-bot": Role.WRITE, "ann": Role.ADMIN}),
        (302, "platform/images", {}),
        (303, "platform/images/base", {"build-bot": Role.MAINTAIN}),
        (304, "research", {"ann": Role.ADMIN}),
    )
    for number, path, members in groups:
        group = site.add_account(number, path, path.rpartition("/")[2].title(), "Group")
        group.members = {login: int(role) for login, role in members.items()}
    site.apps[APP] = App(APP, SECRET, "Mooring", APP_SCOPES)
    of_group = site.add_account(45, "group_301_bot_sandbox", "api group token", "Bot")
    site.accounts["platform"].members[of_group.login] = int(Role.MAINTAIN)
    _projects(site)
    site.repositories[1077].roles[bot.login] = Role.MAINTAIN
    _tokens(site)


def _projects(site: Site) -> None:
    site.add_repository(1077, "platform/api", roles={"build-bot": Role.MAINTAIN})
    site.add_repository(1078, "platform/web", roles={"build-bot": Role.MAINTAIN})
    site.add_repository(1079, "platform/reports", history="plain")
    site.add_repository(1080, "platform/handbook", visibility="internal", history="plain")
    site.add_repository(1081, "platform/old-site", archived=True, history="plain")
    site.add_repository(1082, "platform/images/runner", roles={"build-bot": Role.MAINTAIN})
    site.add_repository(
        1083,
        "platform/images/base/debian",
        history="master",
        default_branch="master",
        protected=["master"],
    )
    site.add_repository(1084, "platform/images/base/alpine", history="many")
    site.add_repository(1085, "build-bot/scratch", history="empty")
    site.add_repository(1086, "build-bot/twins", history="twins")
    site.add_repository(
        1087, "ann/toolbox", visibility="public", history="plain", roles={"build-bot": Role.READ}
    )
    site.add_repository(1088, "ann/diary", history="plain")
    site.add_repository(1089, "research/model", roles={"build-bot": Role.READ})
    site.add_repository(1090, "research/secret", history="plain")


def _tokens(site: Site) -> None:
    now = datetime.fromtimestamp(site.world.now(), UTC)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)

    def ready(name: str, scopes: list[str], days: int, login: str = "build-bot") -> Token:
        end = (today + days * DAY).timestamp()
        return personal(site, login, name, scopes, end, fixed=True)

    ready("full", ["api"], 300)
    ready("reduced", ["read_api", "read_repository"], 300)
    ready("registry", ["read_registry"], 300)
    ready("list-only", ["read_api"], 300)
    ready("rotating", ["self_rotate", "read_api", "read_repository"], 300)
    ready("ending", ["api"], 6)
    ready("ended", ["api"], -1)
    ready("revoked", ["api"], 300).revoked = True
    ready("sudo", ["api", "sudo"], 300)
    ready("full", ["api"], 300, "ann")
    bot = "project_1077_bot_sandbox"
    project = personal(site, bot, "project", ["api"], (today + 200 * DAY).timestamp(), fixed=True)
    project.kind, project.owner = "project", "platform/api"
    deploy(site, "build-bot", "deploy", "platform/api", fixed=True)
    bot = "group_301_bot_sandbox"
    group = personal(site, bot, "group", ["api"], (today + 200 * DAY).timestamp(), fixed=True)
    group.kind = "group"


def personal(
    site: Site,
    login: str,
    name: str,
    scopes: list[str],
    expires: float | None,
    *,
    fixed: bool = False,
) -> Token:
    """A personal access token: `glpat-` and twenty characters."""
    return site.add_token(
        prefix="glpat-",
        length=26,
        fixed=fixed,
        name=name,
        login=login,
        kind="pat",
        scopes=scopes,
        expires=expires,
    )


def deploy(site: Site, login: str, name: str, project: str, *, fixed: bool = False) -> Token:
    """A deploy token: reads one project over git, cannot use the API."""
    return site.add_token(
        prefix="gldt-",
        length=25,
        fixed=fixed,
        name=name,
        login=login,
        kind="deploy",
        scopes=["read_repository"],
        owner=project,
    )


def make(
    site: Site, login: str, name: str, scopes: list[str], expires: float | None, kind: str
) -> Token:
    """For the control API: pat (the usual), oauth (with refresh token), or deploy, whose one scope
    is the path of its project."""
    if kind in {"", "pat"}:
        return personal(site, login, name, scopes, expires)
    if kind == "oauth":
        return gitlab_oauth.issue(site, site.apps[APP], login, name, scopes)
    if kind == "deploy":
        return deploy(site, login, name, scopes[0])
    raise ValueError(f"GitLab has no tokens of kind {kind}")
