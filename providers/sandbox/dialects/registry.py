"""Which platforms the sandbox speaks: one line each."""

from __future__ import annotations

from providers.sandbox.dialect import Dialect
from providers.sandbox.dialects.github import GitHub
from providers.sandbox.dialects.gitlab import GitLab

DIALECTS: dict[str, Dialect] = {dialect.slug: dialect for dialect in (GitHub(), GitLab())}
