# The whole developer manual. Every target sets up what it needs; `make` alone lists them.
#
#   make demo      a stack of virtual Pis on this machine: pull the plug, watch the address move
#   make test      the tests between edits, in a minute: all but scenarios and machines
#   make scenarios what goes wrong in networks and machines, played on virtual Pis: who answers is counted;
#                  and all else that takes seconds for a test
#   make machines  the same on Pis that really boot (systemd-nspawn), with the agent as a service; needs root
#   make check     format, lint, types
#   make format    mend what format and lint can mend
#   make simulate  the failover rules under seeded faults        make simulate SEEDS=2000
#   make bench     measured beside keepalived, Pacemaker and ucarp in the same run           make bench ARGS=--quick
#   make fleet     what one more node costs all others, in fleets of up to 100 in virtual time
#   make clean     remove what make has set up here, and what the tools keep
#
# ARGS are handed on:  make demo ARGS="--nodes 5 --mode loopback"

PYTHON ?= python3
# Most tests wait for real sockets and processes: two for each core overlap well.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(2 * (os.cpu_count() or 1))')
VENV   := .venv
BIN    := $(VENV)/bin
SEEDS  ?= 200
ARGS   ?=

.PHONY: help demo test scenarios machines check format simulate bench fleet clean
help:
	@sed -n 's/^#   //p' Makefile

# Two marks: a demo needs no linter, and a Pi-sized machine should not have to fetch one.
$(VENV)/console: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "picluster needs Python 3.11 or newer; set PYTHON=python3.x"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "no venv module: apt install python3-venv"; exit 1; }
	@echo "setting up $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[console]'
	@touch $@

$(VENV)/dev: $(VENV)/console
	@echo "setting up the developers' tools …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[console,dev]'
	@touch $@

demo: $(VENV)/console
	@$(BIN)/picluster demo $(ARGS)

test: $(VENV)/dev
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

# One at a time: virtual Pis share the cores of this machine, and nothing is to move because another stack boots.
scenarios: $(VENV)/dev
	@$(BIN)/python -m pytest tests -m scenario $(ARGS)

machines: $(VENV)/dev
	@$(BIN)/python -m pytest tests/machines -m machine $(ARGS)

check: $(VENV)/dev
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy

format: $(VENV)/dev
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

simulate: $(VENV)/console
	@$(BIN)/picluster simulate --seeds $(SEEDS) $(ARGS)

bench: $(VENV)/console
	@$(BIN)/python -m benchmarks $(ARGS)

fleet: $(VENV)/console
	@$(BIN)/python -m benchmarks.fleet $(ARGS)

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
