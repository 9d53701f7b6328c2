"""Log lines: structlog for all loggers, with a step that blanks out secrets by key and by value.

The step is the second net. The first is that secrets never get here: types that hold one do not
print, and library errors are raised again `from None`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

import structlog

BLANK: Final = "[redacted]"

_KEYS: Final = re.compile(
    r"(?i)(token|secret|passw|authorization|cookie|credential|private|api_?key|session_?key|digest"
    r"|signature$|code_verifier)"
)
# These say something about a secret without being one.
_HARMLESS: Final = re.compile(r"(?i)(_id|_ids|_name|_count|_at|_until|_url|_seconds|fingerprint)$")

_VALUES: Final = re.compile(
    r"""(?xi)
      (?P<prefixed> \b (?: gl[a-z]{2,7}-          # GitLab: glpat-, gldt-, glrt-, gloas-, glptt- ...
                         | gh[pousr]_             # GitHub
                         | github_pat_
                         | mr[gflu]_              # ours
                         | whsec_ | ATBB | ATCTT  # Standard Webhooks, Bitbucket
                       ) [A-Za-z0-9_.=+/-]{6,} )
    | (?P<scheme> \b (?: bearer | private-token: | authorization: \s* [a-z]+ ) \s+ )
      [A-Za-z0-9_.~+/=-]{8,}
    | (?P<basic> \b basic \s+ ) [A-Za-z0-9+/]{16,}={0,2}
    | (?P<query> [?&;] (?: code | state | token | access_token | refresh_token | private_token
                         | client_secret | key | sign | password ) = ) [^&;\s"'<>]+
    | (?P<user> ://) [^/\s:@]+ : [^/\s@]+ @
    | (?P<link> /i/ ) [0-9a-z]{26} [A-Za-z0-9_-]{16,}  # a hand-off link
    """
)


def scrub(text: str) -> str:
    """The text with everything blanked out that looks like a secret."""
    return _VALUES.sub(_blank, text)


def redact(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The structlog step: blanks values of telling keys, and telling values anywhere."""
    for key, value in line.items():
        line[key] = _clean(key, value)
    return line


def config(format: str, level: str) -> dict[str, Any]:
    """Django's LOGGING for `format` json or console. Sets structlog up to match."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_steps(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    line = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": [structlog.stdlib.ExtraAdder(), *_steps()],
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            redact,
            _shown(format),
        ],
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": line},
        "handlers": {"out": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["out"], "level": level.upper()},
        "loggers": {
            # Django's own set-up hangs a second handler and mail to people on these.
            "django": {"handlers": [], "propagate": True, "level": "INFO"},
            "django.server": {"handlers": [], "propagate": True, "level": "INFO"},
            # A statement may hold a value that no pattern knows.
            "django.db.backends": {"level": "INFO"},
            "urllib3": {"level": "WARNING"},
        },
    }


def _steps() -> list[Any]:
    """What happens to every line, ours or a library's."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,  # text only: never the locals of a frame
        redact,
    ]


def _shown(format: str) -> Any:
    if format == "json":
        return structlog.processors.JSONRenderer()
    plain = structlog.dev.plain_traceback
    return structlog.dev.ConsoleRenderer(colors=False, exception_formatter=plain)


def _clean(key: str, value: Any) -> Any:
    if value and _KEYS.search(key) and not _HARMLESS.search(key):
        return BLANK
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, bytes | bytearray):
        return scrub(bytes(value).decode("utf-8", "replace"))
    if isinstance(value, Mapping):
        return {name: _clean(str(name), one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean("", one) for one in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return scrub(str(value)) if key != "_record" else value


def _blank(found: re.Match[str]) -> str:
    for kept in ("scheme", "basic", "query", "link"):
        if found[kept]:
            return f"{found[kept]}{BLANK}"
    return f"://{BLANK}@" if found["user"] else BLANK
