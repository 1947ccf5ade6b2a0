# `make demo` shows the program at work, `make test` tests it; both work on a fresh clone without further set-up.
.PHONY: demo test test-system lab lint chaos fuzz audit licences gallery wheel clean
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
DEMO_NEEDS := ip:iproute2 nft:nftables unshare:util-linux ping:iputils-ping
# One more than there are CPUs: tests often wait for the kernel, a clock or a child process.
WORKERS := $(shell expr $$(nproc) + 1)
DIST := /usr/lib/python3/dist-packages
# `postgresql` stands for the version that the Debian release has. gcc needs libc6-dev for its headers. firewalld is
# only unpacked, by its test: once installed, it would start and block this machine's network.
TEST_NEEDS := $(DEMO_NEEDS) iperf3:iperf3 musl-gcc:musl-tools cc:gcc git:git openssl:openssl iptables:iptables \
	/usr/include/stdio.h:libc6-dev groupadd:passwd hostname:hostname setcap:libcap2-bin ufw:ufw \
	chromium:chromium dbus-daemon:dbus-daemon npm:npm sudo:sudo pasta:passt pgrep:procps postgres:postgresql mosquitto:mosquitto /lib/systemd/systemd:systemd \
	$(DIST)/firewall/__init__.py:python3-firewall $(DIST)/nftables/__init__.py:python3-nftables

# Checks the pages for what keeps people from using them; only for the tests.
AXE_VERSION := 4.10.3
AXE := $(VENV)/axe-core/package/axe.min.js
$(AXE):
	@mkdir -p $(VENV)/axe-core
	@cd $(VENV)/axe-core && npm pack --silent axe-core@$(AXE_VERSION) >/dev/null && tar -xzf axe-core-$(AXE_VERSION).tgz
	@touch $@

demo: $(VENV)/ready
	@scripts/packages $(DEMO_NEEDS)
	$(BIN)/speedmon demo --output speedmon-demo.png

# mmdebstrap makes the systems, systemd-nspawn boots them, dnsmasq is the DHCP server of their router.
SYSTEM_NEEDS := $(DEMO_NEEDS) git:git mmdebstrap:mmdebstrap systemd-nspawn:systemd-container dnsmasq:dnsmasq-base \
	nsenter:util-linux pgrep:procps tc:iproute2

# The tests of a file run in one worker, because they share what its fixtures build; the slowest files come first.
test: $(VENV)/ready
	@scripts/packages $(TEST_NEEDS)
	@$(MAKE) --no-print-directory $(AXE) || echo "the pages are not checked by axe-core: npm could not fetch it" >&2
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

# Debian 12 and 13, made and booted: needs root. The systems are kept in ~/.cache/speedmon-trees.
test-system: $(VENV)/ready
	@scripts/packages $(SYSTEM_NEEDS)
	@# Side by side; what the second one prints comes after the first.
	$(BIN)/python -m pytest --exitfirst tests/system/debian_systems.py -k trixie >$(VENV)/trixie.log 2>&1 & second=$$!; \
	$(BIN)/python -m pytest --exitfirst tests/system/debian_systems.py -k bookworm; first=$$?; \
	wait $$second; second=$$?; cat $(VENV)/trixie.log; [ $$first = 0 ] && [ $$second = 0 ]

# Makes every fault of docs/failures.md, a quarter of an hour, and writes what came of it there. It needs root.
lab: $(VENV)/ready
	@scripts/packages $(TEST_NEEDS)
	PYTHONPATH=tests/support $(BIN)/python -P -m fault_lab.run --table

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Changes recordings at random; what breaks a parser, an importer or the launcher is kept in tests/data/fuzz.
MINUTES := 5
fuzz: $(VENV)/ready
	PYTHONPATH=tests/support $(BIN)/python tests/support/fuzz.py --minutes $(MINUTES)

# Known weaknesses of the dependencies, where an advisory source can be reached; their licences.
audit: $(VENV)/ready
	@scripts/audit $(BIN)/python requirements.lock

licences: $(VENV)/ready
	$(BIN)/python tests/support/licence_table.py

# Kills, full disks, lost databases and other bad days, as root: some 20 minutes. Prints figures; no run may be lost.
COLLECTS := 1000
chaos: $(VENV)/ready
	@scripts/packages $(TEST_NEEDS)
	$(BIN)/python tests/support/chaos.py --collects $(COLLECTS)

gallery: $(VENV)/ready
	$(BIN)/python benchmarks/gallery.py docs

wheel: $(VENV)/ready
	rm -rf dist
	$(BIN)/python -m build --wheel --no-isolation --outdir dist .

$(VENV)/ready: requirements-dev.lock scripts/venv pyproject.toml
	@scripts/venv $(VENV) requirements-dev.lock
	@# Readable by other users, as whom some tests run, whatever the umask is.
	umask 022; $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

clean:
	rm -rf $(VENV) build dist
