# EAI's commands. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
.NOTPARALLEL:

CARGO := cargo
OUT := target
BINARIES := -p eai-hub -p eai-agent -p eai-cli -p eai-trainer -p eai-testbed -p eai-e2e
export EAI_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/eai
export CARGO_TERM_COLOR ?= never

.PHONY: help
help: ## This list
	@awk -F':.*## ' '/^[a-z][a-z0-9-]*:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Install what is missing (as root on Debian or Ubuntu; elsewhere it names it) and build the testbed's programs
	$(CARGO) run -q -p eai-testbed -- build --install
	npm ci --prefix contracts --no-audit --no-fund --loglevel=error

.PHONY: build
build: ## All binaries, one profile
	$(CARGO) build $(BINARIES) --bins

.PHONY: images
images: build ## OCI images of hub, agent and examples into target/images
	images/build.sh $(OUT)/images

.PHONY: check
check: ## The inner loop: format, lints, generated files, licences, unit tests of the pure parts
	$(CARGO) fmt --all --check
	$(CARGO) xtask crds --check
	tests/compat.sh crds
	$(CARGO) clippy -q --workspace --all-targets -- -D warnings
	tests/deny.sh
	$(CARGO) test -q -p eai-core -p eai-api -p eai-runtime -p eai-xtask

.PHONY: test
test: setup check ## Everything: units, contracts, charts, images, end to end on real clusters
	npm test --prefix contracts
	tests/charts/check.sh
	tests/compat.sh values
	$(MAKE) images
	images/test.sh
	EAI_ANVIL="$$($(OUT)/debug/eai-testbed build foundry)/anvil" $(CARGO) test -q --workspace --exclude eai-e2e
	tests/e2e.sh

.PHONY: e2e
e2e: setup images ## The end-to-end tests alone
	tests/e2e.sh

.PHONY: demo
demo: setup images ## The whole product on this machine; KEEP=1 leaves it up; HUB= and MEMBERS= use existing clusters
	$(OUT)/debug/eai-demo run

.PHONY: chaos
chaos: setup images ## Two hundred faults while jobs run, some hours, into target/chaos.json; SEED= for other ones
	CHAOS="--seed $(or $(SEED),1) --faults 220" tests/e2e.sh

.PHONY: compat
compat: setup images ## Upgrades from an earlier release and back while jobs run, into target/compat.json; FROM= for another than the last
	tests/compat.sh crds "$(FROM)"
	tests/compat.sh values "$(FROM)"
	from=$$(tests/compat.sh build "$(FROM)")
	COMPAT=$$from tests/e2e.sh

.PHONY: bench
bench: setup images ## Figures into target/bench/e2e.json
	$(OUT)/debug/eai-demo bench

.PHONY: contracts-test
contracts-test: ## The contracts alone: everything but the long runs
	npm ci --prefix contracts --no-audit --no-fund --loglevel=error
	npm test --prefix contracts

.PHONY: contracts-deep
contracts-deep: ## The contracts' fuzzers for a long time
	npm run test:deep --prefix contracts

.PHONY: verify-deployment
verify-deployment: ## Whether what lies on the chain RPC_URL is what the sources and the address book BOOK say
	npm ci --prefix contracts --no-audit --no-fund --loglevel=error
	RPC_URL="$(RPC_URL)" BOOK="$(abspath $(BOOK))" npm run -s verify --prefix contracts

.PHONY: contracts-prove
contracts-prove: ## Proofs about the contracts, with halmos; needs python3 with venv
	npm ci --prefix contracts --no-audit --no-fund --loglevel=error
	npm run -s prove --prefix contracts

.PHONY: contracts-mutate
contracts-mutate: ## Mutation testing of Escrow and EmissionController, half an hour to an hour each; NAME= for one
	npm ci --prefix contracts --no-audit --no-fund --loglevel=error
	npm run -s mutate --prefix contracts -- $(NAME)

.PHONY: gas
gas: ## What transactions cost, into target/bench/gas.json
	npm run -s gas --prefix contracts

.PHONY: bench-placement
bench-placement: ## Placement against FGD on every workload under DATA, then how its cost grows with the nodes
	$(CARGO) run -q --release -p eai-bench -- compare --data $(or $(DATA),operator/bench/data)
	$(CARGO) run -q --release -p eai-bench -- scale --data $(or $(DATA),operator/bench/data)

.PHONY: clean
clean: ## Remove what was built; the machine-wide cache stays
	$(OUT)/debug/eai-testbed down || true
	$(CARGO) clean
