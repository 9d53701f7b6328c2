"""Which platforms the sandbox speaks: one line each."""

from __future__ import annotations

from providers.sandbox.dialect import Dialect
from providers.sandbox.dialects.bitbucket import Bitbucket
from providers.sandbox.dialects.codearts import CodeArts
from providers.sandbox.dialects.codeup import Codeup
from providers.sandbox.dialects.gitea import Gitea
from providers.sandbox.dialects.gitee import Gitee
from providers.sandbox.dialects.github import GitHub
from providers.sandbox.dialects.gitlab import GitLab

_SPOKEN: tuple[Dialect, ...] = (
    GitHub(),
    GitLab(),
    CodeArts(),
    Codeup(),
    Gitee(),
    Bitbucket(),
    Gitea(),
)

DIALECTS: dict[str, Dialect] = {dialect.slug: dialect for dialect in _SPOKEN}
