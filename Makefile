# `make demo` shows the program, `make test` tests it; each does its whole set-up on a fresh clone.
.PHONY: demo test lint gallery wheel clean
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
DEMO_NEEDS := ip:iproute2 nft:nftables unshare:util-linux ping:iputils-ping
# Much of a test is waiting: for a kernel, a clock or a child.
WORKERS := $(shell expr $$(nproc) + 1)
DIST := /usr/lib/python3/dist-packages
# The metapackage: whatever version of PostgreSQL the release has. A compiler without libc6-dev finds no header.
# firewalld itself is only unpacked, by its test: installed, it would start and close this machine.
TEST_NEEDS := $(DEMO_NEEDS) iperf3:iperf3 musl-gcc:musl-tools cc:gcc git:git iptables:iptables \
	/usr/include/stdio.h:libc6-dev groupadd:passwd hostname:hostname setcap:libcap2-bin ufw:ufw \
	chromium:chromium dbus-daemon:dbus-daemon sudo:sudo pasta:passt pgrep:procps postgres:postgresql /lib/systemd/systemd:systemd \
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
	@# Whatever the umask, other users can read it: some tests run as one.
	umask 022; $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

clean:
	rm -rf $(VENV) build dist
