"""How gunicorn serves the portal: `gunicorn --config python:portal.gunicorn portal.wsgi`.

Threads, not an event loop: with synchronous views ASGI ran out of database connections
(performance.md 5, trap 10). The process for git clones is the same with its own port and
`--threads`, so that slow clones never hold up pages.
"""

from __future__ import annotations

from portal import env
from portal.ground import logs

_environment = env.read()

bind = _environment.bind
worker_class = "gthread"
workers = 2
threads = 8
# A worker that hangs as a whole is replaced; a long answer of one thread is not cut by this.
timeout = 60
graceful_timeout = 30
keepalive = 5
# Django reads X-Forwarded-* itself, and only from as many proxies as are ours.
forwarded_allow_ips = "*" if _environment.trusted_proxies else ""
# A second way in, which nothing here needs.
control_socket_disable = True
# Requests are counted and traced by portal.ground.middleware; addresses may hold codes.
accesslog = None
_logging = logs.config(_environment.log_format, _environment.log_level)
logconfig_dict = _logging | {
    "loggers": _logging["loggers"] | {"gunicorn.error": {"level": "INFO", "propagate": True}}
}
