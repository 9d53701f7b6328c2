# run: the portal on this machine   test: everything   check: lint, types, import contracts
# bench, faults: measurements       clean: back to a fresh clone
.PHONY: run test check bench faults clean

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
IN := .venv/bin

run: .venv/ready
	@$(IN)/python manage.py dev

test: .venv/ready
	@$(IN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

check: .venv/ready
	@$(IN)/ruff check . && $(IN)/ruff format --check . && $(IN)/mypy && $(IN)/lint-imports

bench: .venv/ready
	@$(IN)/python -m tests.benchmarks $(if $(SIZE),--size $(SIZE)) $(if $(ONLY),--only $(ONLY))

faults: .venv/ready
	@$(IN)/python -m pytest tests/faults

clean:
	@[ ! -x $(IN)/python ] || $(IN)/python -m portal.embedded
	@rm -rf .local .venv .uv .artifacts .cache .*_cache .hypothesis staticfiles tests/benchmarks/host/server
	@find . -name __pycache__ -type d -prune -exec rm -rf {} + ; find portal/locale -name '*.mo' -delete

# The environment, made again only when the lock changed. uv is quick and lives in a small
# environment of its own; where it cannot be had, pip does the same from the same hashes.
.venv/ready: requirements-dev.lock requirements-uv.lock
	@[ -w . ] || { echo "mooring: this folder cannot be written; copy it to one that can" >&2; exit 1; }
	@[ -n "$(PYTHON)" ] || { echo "mooring: Python 3.11 or newer is needed; found one elsewhere? make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "mooring: this Python cannot make environments; install its venv module (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@echo "Installing requirements-dev.lock ..." >&2
	@$(IN)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear .venv
	@.uv/bin/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear .uv
	@{ .uv/bin/pip install --quiet --require-hashes --requirement requirements-uv.lock \
	    && .uv/bin/uv pip sync --quiet --system-certs --require-hashes --python $(IN)/python requirements-dev.lock; } \
	    || $(IN)/python -m pip install --quiet --require-hashes --requirement requirements-dev.lock
	@touch $@
