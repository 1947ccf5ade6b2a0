# `make demo` shows the program, `make test` tests it; each does its whole set-up on a fresh clone.
.PHONY: demo test lint gallery wheel clean
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
DEMO_NEEDS := ip:iproute2 nft:nftables unshare:util-linux ping:iputils-ping
# Much of a test is waiting: for a kernel, a clock or a child.
WORKERS := $(shell expr $$(nproc) + 1)
DIST := /usr/lib/python3/dist-packages
# firewalld itself is only unpacked, by its test: installed, it would start and close this machine.
PG := /usr/lib/postgresql/15/bin
TEST_NEEDS := $(DEMO_NEEDS) iperf3:iperf3 musl-gcc:musl-tools cc:gcc git:git iptables:iptables setcap:libcap2-bin ufw:ufw \
	chromium:chromium dbus-daemon:dbus-daemon sudo:sudo pasta:passt pgrep:procps $(PG)/postgres:postgresql-15 /lib/systemd/systemd:systemd \
	$(DIST)/firewall/__init__.py:python3-firewall $(DIST)/nftables/__init__.py:python3-nftables

demo: $(VENV)/ready
	@scripts/packages $(DEMO_NEEDS)
	$(BIN)/speedmon demo --output speedmon-demo.png

# A file's tests stay together: they share what its fixtures build.
test: $(VENV)/ready
	@scripts/packages $(TEST_NEEDS)
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

gallery: $(VENV)/ready
	$(BIN)/python benchmarks/gallery.py docs

wheel: $(VENV)/ready
	rm -rf dist
	$(BIN)/python -m build --wheel --no-isolation --outdir dist .

$(VENV)/ready: requirements-dev.lock scripts/venv pyproject.toml
	@scripts/venv $(VENV) requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

clean:
	rm -rf $(VENV) build dist
