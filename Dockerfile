# One image for every process of docker-compose.yml; each chooses its command.
FROM python:3.11-slim-bookworm AS packages
WORKDIR /srv/mooring
COPY requirements.lock requirements-uv.lock ./
# The Makefile's way to an environment, with what runs in production only.
RUN python -m venv .venv \
 && python -m venv .uv \
 && .uv/bin/pip install --quiet --require-hashes --requirement requirements-uv.lock \
 && .uv/bin/uv pip sync --quiet --system-certs --require-hashes --python .venv/bin/python requirements.lock

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /srv/mooring --shell /usr/sbin/nologin mooring \
 && install --directory --owner mooring --mode 700 /var/lib/mooring
WORKDIR /srv/mooring
COPY --from=packages /srv/mooring/.venv .venv
COPY manage.py LICENSE ./
COPY portal portal
COPY bindings bindings
COPY providers providers
COPY templates templates
COPY docs/help docs/help
ENV PATH=/srv/mooring/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MOORING_ENV=production \
    MOORING_BIND=0.0.0.0:8000 \
    PROMETHEUS_MULTIPROC_DIR=/tmp
# Collecting reads no row and keeps no key: these values end with the line they stand in.
RUN .venv/bin/python -m compileall -q portal bindings providers \
 && MOORING_URL=https://build.invalid MOORING_EMAIL_URL=dummy: MOORING_SECRET_KEY=build \
    MOORING_KEYS=build:YnVpbGRidWlsZGJ1aWxkYnVpbGRidWlsZGJ1aWxkYnU= \
    DATABASE_URL=postgres://mooring_login@build.invalid/mooring REDIS_URL=redis://build.invalid \
    sh -c "python manage.py compilemessages && python manage.py collectstatic --no-input"
USER mooring
EXPOSE 8000
# The Host header is the public one: others are refused, also from inside.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["python", "-c", "\
import os; from urllib.parse import urlsplit; from urllib.request import Request, urlopen; \
host = urlsplit(os.environ['MOORING_URL']).netloc; \
urlopen(Request('http://127.0.0.1:8000/healthz', headers={'Host': host}))"]
CMD ["gunicorn", "--config", "python:portal.gunicorn", "portal.wsgi:application"]
