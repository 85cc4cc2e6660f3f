# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

# Ours alone: neither the user's Ansible configuration nor their kubeconfig is read or written.
USER_KUBECONFIG := $(KUBECONFIG)
unexport KUBECONFIG K8S_AUTH_KUBECONFIG K8S_AUTH_CONTEXT
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export ANSIBLE_HOME := $(CURDIR)/.cache/ansible
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/.cache/collections
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHONUNBUFFERED := 1
export PYTHON

ENVIRONMENT := .venv/bin/python tests/environment/env.py
PLAY := .venv/bin/ansible-playbook
RUN := .venv/bin/python tests/run.py
READY := .venv/.ready .cache/collections/.ready

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z -]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo demo-down
demo: $(READY) ## a kind cluster, the mesh on it, and the proofs (DEMO_CONTEXT=name: that kubeconfig context instead)
	@trap 'echo "make demo took $$SECONDS s"' EXIT
	$(ENVIRONMENT) up --name ambient-demo --dir build/demo \
	  $(if $(DEMO_CONTEXT),--context '$(DEMO_CONTEXT)' $(if $(USER_KUBECONFIG),--kubeconfig '$(USER_KUBECONFIG)'))
	$(PLAY) playbooks/images.yml
	$(ENVIRONMENT) shop --dir build/demo
	$(PLAY) playbooks/site.yml
	$(PLAY) playbooks/verify.yml

demo-down: $(READY) ## removes the demo's cluster and what it started
	@$(ENVIRONMENT) down --name ambient-demo --dir build/demo --docker

.PHONY: test test-all lint unit molecule cluster
test: $(READY) ## set-up and all tests
	@$(RUN)

test-all: $(READY) ## the same and the long ones
	@$(RUN) --all

lint unit cluster: $(READY) ## one part of the tests
	@$(RUN) $@

molecule: $(READY) ## the molecule scenarios (SCENARIO=name: one)
	@$(RUN) $(if $(SCENARIO),'molecule $(SCENARIO)',molecule)

.PHONY: bench
bench: $(READY) ## apply beside other tools, on bare API servers (BENCH='--cluster build/test': site.yml; '--help')
	@.venv/bin/python tests/bench/bench.py $(BENCH)

.PHONY: lock docs
lock: .venv/.ready ## writes requirements/*.txt anew from pyproject.toml
	@compile() { .venv/bin/uv pip compile -q -U --generate-hashes --no-emit-index-url --custom-compile-command 'make lock' "$$@"; }
	compile --universal --python-version 3.11 --group dev pyproject.toml -o requirements/dev.txt
	compile --no-deps --group pyproject.toml:collections -o requirements/collections.txt

docs: $(READY) ## writes docs/variables.md anew from the roles' argument specs
	@PYTHONPATH=.cache/collections .venv/bin/python tests/docs/variables.py

.venv/.ready: requirements/dev.txt
	@tests/setup/venv.sh .venv $<
	touch $@

# kubernetes.core comes from the PyPI wheel that carries it; Galaxy is never asked.
.cache/collections/.ready: requirements/collections.txt .venv/.ready
	@.venv/bin/python tests/setup/collections_tree.py .cache/collections $<
	touch $@
