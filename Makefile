# The two commands of the README: `make run` and `make test`. Both install what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The client libraries of tests/clients; they disagree with the server's own versions.
CLIENTS := $(VENV)/clients
CLIENT_LOCKS := $(patsubst %.in,%.txt,$(wildcard tests/clients/requirements/*.in))
# The other servers of the benchmark.
BENCH := $(VENV)/bench
BENCH_LOCKS := $(patsubst %.in,%.txt,$(wildcard benchmarks/requirements/*.in))
BENCH_READY := $(BENCH_LOCKS:benchmarks/requirements/%.txt=$(BENCH)/%/ready)
# What looks at the locks themselves.
SUPPLY := $(VENV)/supply
SUPPLY_LOCK := tests/supply/requirements/tools.txt
NODE := tests/clients/node
CLIENTS_READY := $(NODE)/node_modules/ready $(CLIENT_LOCKS:tests/clients/requirements/%.txt=$(CLIENTS)/%/ready)
COMPILE = uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header

# The fuzzer, beside the tests' environment.
FUZZ := $(VENV)/fuzz
FUZZ_SECONDS ?= 60

# What builds the pages of docs/.
DOCS := $(VENV)/docs

# Where the cases are; a part of them can be run, and what was measured before is kept.
FAULTS := tests/faults tests/proxies tests/clients/test_failures.py tests/clients/test_failures_cut.py tests/clients/test_curl.py \
	tests/hostile tests/fuzz tests/access tests/web/test_access.py tests/web/test_access_tricks.py tests/prompting/test_control_tokens.py

.PHONY: help run test check docs bench faults fuzz sbom audit lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/run-ready ## start a real Triton with three small models, and the server on port 5100
	@$(BIN)/openai-api demo $(ARGS)

test: $(CLIENTS_READY) $(VENV)/browser/ready $(VENV)/prometheus/ready $(VENV)/proxies/ready $(VENV)/systemd/ready $(DOCS)/ready $(VENV)/test-ready ## every test: unit, contract, live on a real Triton, client libraries
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/test-ready ## style, types and the layers' import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

docs: $(DOCS)/ready ## build the documentation in site/, which needs no server and no network
	@NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/python -m mkdocs build --strict $(ARGS)
	@echo "Open site/index.html"

bench: $(BENCH_READY) $(VENV)/test-ready ## measure it beside other servers (half an hour; needs a C compiler)
	@$(MAKE) --no-print-directory -C benchmarks/native BIN=$(abspath $(BENCH))/bin
	$(BIN)/python -m pytest -q -p tests.conftest benchmarks/checks
	$(BIN)/python -m benchmarks $(ARGS)

faults: $(CLIENTS_READY) $(VENV)/proxies/ready $(VENV)/test-ready ## break everything around the server, and write what happened (two hours; SOAK_MINUTES=6 is less)
	@mkdir -p .cache
	$(BIN)/python -m pytest $(FAULTS) --whole --faults-report .cache/faults.json $(ARGS); \
	status=$$?; $(BIN)/python -m tests.faults.report .cache/faults.json && exit $$status

fuzz: $(FUZZ)/ready $(VENV)/test-ready ## fuzz all that reads bytes, FUZZ_SECONDS each, and keep the inputs that reach more
	PYTHONPATH=$(FUZZ) $(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS) $(ARGS)

sbom: $(SUPPLY)/ready ## write sbom.json, what the server is made of (CycloneDX)
	$(SUPPLY)/bin/cyclonedx-py requirements requirements.txt --output-reproducible --of JSON -o sbom.json

audit: $(SUPPLY)/ready ## ask the public database for known faults of the locked packages (needs the internet)
	for lock in requirements.txt requirements-dev.txt; do $(SUPPLY)/bin/pip-audit --strict --disable-pip --require-hashes -r $$lock || exit; done

lock: ## renew the locked requirements (needs uv and npm)
	$(COMPILE) requirements.in -o requirements.txt
	$(COMPILE) requirements-dev.in -o requirements-dev.txt
	$(COMPILE) requirements-tracing.in -o requirements-tracing.txt
	$(COMPILE) docs/requirements.in -o docs/requirements.txt
	for lock in $(CLIENT_LOCKS) $(BENCH_LOCKS) $(SUPPLY_LOCK) tests/fuzz/requirements.txt; do $(COMPILE) $${lock%.txt}.in -o $$lock || exit; done
	npm update --prefix $(NODE) --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund

clean: ## remove everything that the other targets made
	rm -rf sbom.json site $(VENV) $(NODE)/node_modules demo/.venv demo/.environment.lock demo/models/all-minilm-l6-v2 .cache .import_linter_cache .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; (3, 11) <= sys.version_info[:2] <= (3, 13) or sys.exit("openai-api needs Python 3.11, 3.12 or 3.13, but $(PYTHON) is " + sys.version.split()[0] + "; name another with: make PYTHON=python3.11 $(MAKECMDGOALS)")'
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "openai-api needs the venv module of $(PYTHON); on Debian: apt-get install python3-venv" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/run-ready: requirements.txt pyproject.toml setup.cfg | $(BIN)/python
	@echo "Installing the server's requirements (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/test-ready: requirements-dev.txt $(VENV)/run-ready
	@echo "Installing the requirements of the tests (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

define environment
	@echo "Installing what $< lists (once) ..."
	@rm -rf $(@D)
	@$(BIN)/python -m venv --without-pip $(@D)
	@$(BIN)/python -m pip --python $(@D) install --quiet --disable-pip-version-check --no-compile --require-hashes -r $<
	@touch $@
endef

$(CLIENTS)/%/ready: tests/clients/requirements/%.txt | $(BIN)/python
	$(environment)

$(BENCH)/%/ready: benchmarks/requirements/%.txt | $(BIN)/python
	@$(BIN)/python -c 'import sys; sys.version_info < (3, 13) or sys.exit("The benchmark needs Python 3.11 or 3.12: one of the servers that it compares with needs numpy 1")'
	$(environment)

$(SUPPLY)/ready: $(SUPPLY_LOCK) | $(BIN)/python
	$(environment)

$(DOCS)/ready: docs/requirements.txt | $(BIN)/python
	$(environment)

# nginx and HAProxy; the tests of the second are long ones.
$(VENV)/proxies/ready: tests/packages/fetch.sh
	@echo "Fetching nginx and HAProxy unless they are there (once) ..."
	@$< $(@D) "nginx haproxy" nginx haproxy
	@touch $@

# A browser for the pages, and Prometheus for what it reads.
$(VENV)/browser/ready: tests/packages/fetch.sh
	@echo "Fetching Chromium unless it is there (once) ..."
	@$< $(@D) "chromium" chromium fonts-dejavu-core fonts-noto-cjk
	@touch $@

$(VENV)/systemd/ready: tests/packages/fetch.sh
	@echo "Fetching systemd-analyze unless it is there (once) ..."
	@$< $(@D) "systemd-analyze" systemd
	@touch $@

$(VENV)/prometheus/ready: tests/packages/fetch.sh
	@echo "Fetching Prometheus unless it is there (once) ..."
	@$< $(@D) "prometheus promtool" prometheus
	@touch $@

$(FUZZ)/ready: tests/fuzz/requirements.txt | $(BIN)/python
	@echo "Installing the fuzzer (once) ..."
	@rm -rf $(@D)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes --target $(@D) -r $<
	@touch $@

$(NODE)/node_modules/ready: $(NODE)/package-lock.json
	@command -v node >/dev/null && command -v npm >/dev/null || { echo "The tests with OpenAI's library for Node need Node.js 20 or newer and npm; on Debian: apt-get install nodejs npm" >&2; exit 2; }
	@echo "Installing the client library for Node (once) ..."
	@npm ci --prefix $(NODE) --loglevel=error --no-audit --no-fund
	@touch $@
