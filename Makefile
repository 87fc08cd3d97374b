# Everything lives in .venv of this checkout; `make` alone lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
UV_VERSION := 0.13.9
# One data directory for `demo`, `up` and `down`: what the demo made can be looked at after `make up`.
export SYMPOZIUM_HOME ?= $(CURDIR)/.sympozium

.DEFAULT_GOAL := help
.PHONY: help install dashboard demo up down test unit check fix generate chart screenshots conformance bench differential attacks fuzz-api mutation images lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

# The stamps make a second run of any target start at once.
$(VENV)/.local: requirements/local.txt pyproject.toml scripts/venv.sh
	@sh scripts/venv.sh "$(PYTHON)" "$(VENV)" "$(UV_VERSION)" requirements/local.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.local
	@sh scripts/venv.sh "$(PYTHON)" "$(VENV)" "$(UV_VERSION)" requirements/dev.txt
	@touch $@

install: $(VENV)/.local dashboard ## install everything that one machine needs into .venv

dashboard: $(VENV)/.local ## build the dashboard of web/ into the package, when it has changed
	@$(BIN)/python scripts/web.py build

demo: install ## the main job: a governed agent finds a broken workload, asks, mends, reports
	@$(BIN)/python -m sympozium.cli.demo

up: install ## start the control plane on this machine and leave it running
	@$(BIN)/sympozium up --detach

down: install ## stop what `make up` started
	@$(BIN)/sympozium down

test: $(VENV)/.dev ## every test: unit, conformance, cluster, end to end
	@sh scripts/test.sh

unit: $(VENV)/.dev ## the unit tests alone
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder tests/unit

check: $(VENV)/.dev ## ruff, mypy, layers, generated files current, TypeScript
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check -q .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python scripts/generate.py --check
	@$(BIN)/python scripts/web.py check

fix: $(VENV)/.dev ## format and apply what ruff can mend
	@$(BIN)/ruff format -q .
	@$(BIN)/ruff check --fix -q . || true
	@$(BIN)/python scripts/web.py run biome check --write --reporter=summary || true

generate: $(VENV)/.dev ## write the generated files (CRDs, field reference)
	@$(BIN)/python scripts/generate.py

chart: $(VENV)/.dev ## package the Helm chart into dist/ (PUSH=oci://ghcr.io/sympozium/charts: and push it)
	@$(BIN)/python scripts/publish_chart.py $(PUSH)

conformance: $(VENV)/.dev ## recorded checks of a Kubernetes API (KUBECONFIG= for another server)
	@$(BIN)/python tests/conformance/recorded.py
	@test -n "$(KUBECONFIG)" || $(BIN)/pytest -q tests/conformance

bench: $(VENV)/.dev ## the figures, each as a small table
	@$(BIN)/python -m bench

differential: $(VENV)/.dev ## the gate against a plain reading of its contract: a million random cases
	@SYMPOZIUM_DIFFERENTIAL=1000000 $(BIN)/pytest -q -s --timeout 3600 tests/unit/policy/test_differential.py

attacks: $(VENV)/.dev ## hostile models under a policy and with policy off, as a table (ONLY=egress: a class or a name)
	@cd tests && $(CURDIR)/$(BIN)/python -m hostile --only "$(ONLY)"

fuzz-api: $(VENV)/.dev ## thousands of requests made up from the API's document, as several people (EXAMPLES=50)
	@SYMPOZIUM_FUZZ_EXAMPLES=$(or $(EXAMPLES),50) $(BIN)/pytest -q --timeout 7200 tests/cluster/test_server_fuzz.py

mutation: $(VENV)/.dev ## is each line of policy, webhook and gate held by a unit test? (OF=policy: one package)
	@sh scripts/test_environment.sh mutation requirements/dev.txt
	@.venv-mutation/bin/python scripts/mutation.py --of "$(OF)"

screenshots: $(VENV)/.dev dashboard ## pictures of every page of the dashboard, in docs/images
	@sh scripts/test_tools.sh
	@cd tests && $(CURDIR)/$(BIN)/python -m browser.screenshots

images: $(VENV)/.dev dashboard ## the container images (ENGINE=buildah|podman|docker REGISTRY= BASE= PLATFORM= TAG= PUSH=1 OF="agent tools")
	@$(BIN)/python scripts/images.py $(if $(ENGINE),--engine $(ENGINE)) $(if $(REGISTRY),--registry $(REGISTRY)) $(if $(BASE),--base $(BASE)) $(if $(PLATFORM),--platform $(PLATFORM)) $(if $(TAG),--tag $(TAG)) $(if $(PUSH),--push) $(OF)

lock: $(VENV)/.dev ## write the lock files anew
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --python-version 3.11 --extra local --extra cluster --group dev pyproject.toml -o requirements/dev.txt
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --python-version 3.11 --extra local -c requirements/dev.txt pyproject.toml -o requirements/local.txt
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --python-version 3.11 -c requirements/dev.txt requirements/mutation.in -o requirements/mutation.txt
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --python-version 3.11 requirements/a2a.in -o requirements/a2a.txt
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --python-version 3.11 -c requirements/dev.txt requirements/node.in -o requirements/node.txt
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --python-version 3.11 -c requirements/dev.txt pyproject.toml -o requirements/images/control-plane.txt
	@for of in pod agent tools skill-k8s-ops; do $(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --python-version 3.11 -c requirements/dev.txt requirements/images/$$of.in -o requirements/images/$$of.txt || exit 1; done

clean: ## remove what the targets made
	@rm -rf $(VENV) .venv-litellm .venv-clients .venv-a2a .venv-mutation .venv-schemathesis web/node_modules src/sympozium/server/web mutants mutants.log .tools .mypy_cache .ruff_cache .pytest_cache
