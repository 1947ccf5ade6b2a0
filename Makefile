# `make demo` shows the program, `make test` tests it; each does its whole set-up on a fresh clone.
.PHONY: demo test lint wheel clean
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
DEMO_NEEDS := ip:iproute2 nft:nftables unshare:util-linux ping:iputils-ping
TEST_NEEDS := $(DEMO_NEEDS) musl-gcc:musl-tools cc:gcc git:git iptables:iptables setcap:libcap2-bin

demo: $(VENV)/ready
	@scripts/packages $(DEMO_NEEDS)
	$(BIN)/speedmon demo --output speedmon-demo.png

test: $(VENV)/ready
	@scripts/packages $(TEST_NEEDS)
	$(BIN)/python -m pytest

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Build the wheel, install it with the locked dependencies into an empty environment, and use what was installed.
wheel: $(VENV)/ready
	rm -rf build/wheel && mkdir -p build/wheel
	$(BIN)/python -m build --wheel --no-isolation --outdir build/wheel .
	scripts/venv build/wheel/venv requirements.lock
	build/wheel/venv/bin/pip install --quiet --disable-pip-version-check --no-deps build/wheel/*.whl

$(VENV)/ready: requirements-dev.lock scripts/venv pyproject.toml
	@scripts/venv $(VENV) requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

clean:
	rm -rf $(VENV) build dist
