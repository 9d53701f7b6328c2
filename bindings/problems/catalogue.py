"""Every code there is: shared rows under each platform's prefix, its own rows, and ours."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from bindings.problems.areas import TITLES, own_status, platform_status
from bindings.problems.rows import (
    bitbucket,
    codearts,
    codeup,
    common,
    gitea,
    gitee,
    github,
    gitlab,
    own,
)
from bindings.problems.words import Problem, Row


@dataclass(frozen=True, slots=True)
class Platform:
    """`needed`: the role that adding a webhook takes, in the platform's own word. `rows`, later
    ones first: a row replaces the sentence of an earlier one with the same suffix."""

    prefix: str
    slug: str
    label: str
    needed: str
    rows: tuple[tuple[Row, ...], ...]


PLATFORMS = MappingProxyType(
    {
        platform.prefix: platform
        for platform in (
            Platform("GH", "github", "GitHub", "admin", (common.EVERY, common.OAUTH, github.ROWS)),
            Platform(
                "GL",
                "gitlab",
                "GitLab",
                "Maintainer",
                (common.EVERY, common.OAUTH, common.TYPED_ADDRESS, gitlab.ROWS),
            ),
            Platform("GE", "gitee", "Gitee", "admin", (common.EVERY, common.OAUTH, gitee.ROWS)),
            Platform(
                "BB",
                "bitbucket",
                "Bitbucket",
                "admin",
                (common.EVERY, common.OAUTH, bitbucket.ROWS),
            ),
            Platform(
                "CA", "codearts", "CodeArts", "repository admin", (common.EVERY, codearts.ROWS)
            ),
            Platform("CU", "codeup", "Codeup", "administrator", (common.EVERY, codeup.ROWS)),
            Platform(
                "GT",
                "gitea",
                "Gitea",
                "admin",
                (common.EVERY, common.OAUTH, common.TYPED_ADDRESS, gitea.ROWS),
            ),
        )
    }
)


def prefix_of(slug: str) -> str:
    """The prefix of a platform's codes: "gitlab" → "GL". Raises KeyError."""
    return _PREFIXES[slug]


_PREFIXES = {platform.slug: platform.prefix for platform in PLATFORMS.values()}


def _of_platform(platform: Platform) -> dict[str, Problem]:
    found: dict[str, Problem] = {}
    for row in (row for group in platform.rows for row in group):
        code = f"{platform.prefix}-{row.suffix}"
        before = found.get(code)
        found[code] = Problem(
            code,
            row.level,
            platform_status(row),
            row.field or (before.field if before else ""),
            TITLES[row.suffix.partition("-")[0]],
            row.text,
        )
    return found


def _ours(row: Row) -> Problem:
    # The sentence of an X- code is its title too (`ux/spec.md` 7).
    return Problem(f"X-{row.suffix}", row.level, own_status(row), row.field, row.text, row.text)


ALL: MappingProxyType[str, Problem] = MappingProxyType(
    dict(
        sorted(
            {
                **{k: v for one in PLATFORMS.values() for k, v in _of_platform(one).items()},
                **{f"X-{row.suffix}": _ours(row) for row in own.ROWS},
            }.items()
        )
    )
)
"""Code → entry, by code."""


def get(code: str) -> Problem:
    """The entry of a code. Raises KeyError for one that does not exist."""
    return ALL[code]


def status_of(code: str) -> int | None:
    """The HTTP status of a code, None for notices. Raises KeyError."""
    return ALL[code].status
