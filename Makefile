# priorrl: `make demo` and `make test` do all the set-up they need. `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help
ROS_DISTRO ?= jazzy
# A sourced apt installation of another distribution must not choose for us.
ifneq ($(origin ROS_DISTRO),command line)
  override ROS_DISTRO := $(if $(filter kilted,$(ROS_DISTRO)),kilted,jazzy)
endif
RUN := export ROS_DISTRO=$(ROS_DISTRO) && . scripts/env.sh &&
# Processes of the unit tests.
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || echo 1); echo $$((n < 4 ? n : 4)))
CODE := priorrl_core priorrl_nodes bench scripts launch test setup.py
export PYTHON

.PHONY: help setup interfaces demo test lint types unit ros e2e env lock docs peers clean

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1|/p' $(MAKEFILE_LIST) | column -t -s '|'

setup:  ## virtual environment, locked packages, interfaces (seconds when nothing changed)
	@scripts/setup.sh $(ROS_DISTRO)

interfaces:  ## rebuild msg/ srv/ action/ after a change
	@scripts/setup.sh $(ROS_DISTRO) interfaces

demo: setup  ## an arm learns a connector that it has not seen; result in runs/latest/
	@$(RUN) exec python -m priorrl_core.cli.main demo $(ARGS)

test: setup lint types  ## lint, types, unit tests, ROS tests, one short learning run
	@$(RUN) exec scripts/test.sh $(WORKERS) $(ARGS)

lint: setup
	@$(RUN) exec ruff check $(wildcard $(CODE))

types: setup
	@$(RUN) exec mypy $(wildcard priorrl_core priorrl_nodes)

unit: setup  ## unit tests alone
	@$(RUN) exec python -m pytest -n $(WORKERS) --dist loadfile -m "not ros and not e2e" $(ARGS) </dev/null

ros: setup  ## tests with real ROS 2 processes alone
	@$(RUN) exec python -m pytest -m ros $(ARGS) </dev/null

e2e: setup  ## the short learning run alone
	@$(RUN) exec python -m pytest -m e2e $(ARGS) </dev/null

env: setup  ## how to get the environment in this shell
	@echo ". $(CURDIR)/scripts/env.sh"

lock:  ## resolve requirements/*.in anew into requirements/$(ROS_DISTRO).txt
	@scripts/lock.sh $(ROS_DISTRO)

docs: setup  ## write docs/reference/ from the code
	@$(RUN) exec python scripts/make_reference.py

peers:  ## robosuite in an environment of its own, for `priorrl bench env_speed`
	@python3 -m venv .venv-robosuite && .venv-robosuite/bin/pip install -q -r requirements/peers_robosuite.txt

clean:  ## remove the virtual environments and caches; runs/ and data/ stay
	rm -rf .venv .venv-kilted .venv-robosuite .setup-*.lock .mypy_cache .ruff_cache .pytest_cache
