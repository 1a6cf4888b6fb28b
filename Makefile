# One virtual environment, made from the committed constraints; every target works on a fresh clone.
PYTHON ?= python3.11
BIN := .venv/bin
INSTALLED := .venv/.installed
NODE_INSTALLED := clients/node/node_modules/.package-lock.json
SEED ?= 0
TEST_PROCESSES ?= 2
BUILDER ?= $(shell command -v docker || command -v podman)
TARGET ?= cpu
IMAGE ?= rlhf:0.1.0-$(TARGET)

.PHONY: run test test-full lint protos monitoring bench base-model acceptance image k8s-check cluster-test screenshots clean

run: $(INSTALLED)                ## install, then the whole road on one machine: SFT, comparisons, reward model, PPO, DPO, report
	$(BIN)/rlhf quickstart --seed $(SEED)

test: $(INSTALLED) $(if $(shell command -v npm),$(NODE_INSTALLED))  ## everything CI runs
	$(BIN)/python -m pytest -m "not full" -n $(TEST_PROCESSES)

test-full: $(INSTALLED) $(if $(shell command -v npm),$(NODE_INSTALLED))  ## with the heavy tests
	$(BIN)/python -m pytest

lint: $(INSTALLED)
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/pyright
	cd protos && ../$(BIN)/buf lint
	PYTHON=$(BIN)/python BUF=$(BIN)/buf scripts/protos.sh --check
	$(BIN)/python -m services.monitoring --check

protos: $(INSTALLED)             ## regenerate the committed stubs
	PYTHON=$(BIN)/python scripts/protos.sh

monitoring: $(INSTALLED)         ## regenerate docs/metrics.md, monitoring/dashboards and monitoring/rules
	$(BIN)/python -m services.monitoring

bench: $(INSTALLED)              ## compare with peers; both sides wait for threads as services do
	$(BIN)/python -m tests.benchmarks

base-model: $(INSTALLED)         ## train the committed tiny base model and encoder again, from simulator text alone
	$(BIN)/python -m services.simulator.base_model
	$(BIN)/python -m services.simulator.base_encoder

acceptance: $(INSTALLED)         ## the quickstart on seeds 0, 1, 2 and the second world; writes build/acceptance
	$(BIN)/python -m services.quickstart.acceptance

image:                           ## IMAGE from TARGET=cpu or gpu; PIP_OPTIONS and BUILD_OPTIONS reach pip and the builder
	$(BUILDER) build --target $(TARGET) --tag $(IMAGE) --build-arg PIP_OPTIONS="$(PIP_OPTIONS)" $(BUILD_OPTIONS) .

k8s-check: $(INSTALLED)          ## renders every overlay, checks it against schemas, our own rules and checkov
	$(BIN)/python -m pytest tests/unit/k8s
	BIN=$(BIN) scripts/checkov.sh

cluster-test: $(INSTALLED)       ## on a real cluster: KUBECONFIG names it, and its nodes have IMAGE
	KUBECONFIG=$${KUBECONFIG:?names no cluster} IMAGE=$(IMAGE) $(BIN)/python -m pytest -x -v tests/cluster

screenshots: $(INSTALLED)        ## walk docs/walk.md in a real browser and take the pictures in docs/images anew
	$(BIN)/python -m tests.screenshots

clean:
	rm -rf .venv build clients/node/node_modules

$(INSTALLED): pyproject.toml clients/python/pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --disable-pip-version-check --progress-bar off -c constraints.txt torch
	$(BIN)/pip install --disable-pip-version-check --progress-bar off -c constraints.txt -e clients/python -e '.[dev]'
	touch $@

$(NODE_INSTALLED): clients/node/package-lock.json
	-cd clients/node && npm ci --no-audit --no-fund
