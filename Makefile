# The front door. `make help` lists what can be done.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60
KILL9_CYCLES ?= 1000
RELAY_CYCLES ?= 100
RELAY_CLUSTER_CYCLES ?= 100
CYCLES ?= 1000
DIFFERENTIAL_CASES ?= 20000

# Settings given on the command line (make init PROOF_COORDINATOR_ADDRESS=0.0.0.0 ...) reach the
# devnet as environment, as they do in ethrex: make exports those by itself, and those only. The
# defaults above stay here, so that a soak's KILL9_CYCLES is not make test's. The names alone go along
# with it, so that a misspelt one is told.
told = $(foreach name,$(filter ETHREX_%,$(.VARIABLES)),$(if $(findstring command,$(origin $(name))),$(name)))

.PHONY: help executor conformance init down status test models bench bench-peers fuzz fuzz-differential register-example lint soak cluster-faults relay-faults screenshots test-docker build install deb clean

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /  make \1\t/' | expand -t 22

build: ## the programs, in build/release
	@scripts/install-deps build
	@scripts/build release

executor: ## what is written in Rust: executor and block builder, on ethrex's own EVM (installs Rust where it is missing)
	@scripts/build-rust

init: build ## a whole devnet: L1, contracts, coordinator, sequencer, prover; batches verified on L1 (scripts/devnet --help: its settings)
	@[ "$(DEVNET_BATCHES)" = made-up ] || scripts/build-rust
	@scripts/devnet up $(told)

down: ## stop the devnet
	@scripts/devnet down

status: ## what of the devnet runs
	@scripts/devnet status || true

test: ## all tests: unit tests under sanitizers, scenarios with real processes (120 kill -9 cycles)
	@scripts/run-tests

models: ## the protocol of several coordinators, searched completely by spin; what each guard is for
	@scripts/install-deps test
	@models/check

bench: build ## ratios against floors measured in the same run
	@scripts/install-deps test
	@scripts/build release test_programs
	@[ "$(EXECUTOR)" = none ] || scripts/build-rust
	@tests/bench/run --build build/release

bench-peers: build ## cold verification beside dcap-qvl and go-tdx-guest, fetched from crates.io and Go's proxy
	@scripts/install-deps rust
	@scripts/install-deps go
	@scripts/build release bench_real tdx-quote
	@tests/bench/peers/run --build build/release

fuzz: ## each fuzz target for FUZZ_SECONDS (60)
	@scripts/install-deps test
	@scripts/run-fuzzers $(FUZZ_SECONDS)

fuzz-differential: build ## library and contract over DIFFERENTIAL_CASES (20000) random structures and every flipped byte
	@scripts/install-deps test
	@scripts/build release differential-cases
	@DIFFERENTIAL_STRIDE=1 DIFFERENTIAL_CASES=$(DIFFERENTIAL_CASES) \
		/usr/bin/python3 -m pytest -q -rs tests/scenario/test_dcap_differential.py

conformance: build ## every published release of ethrex that we test against, with its own types; writes the table in docs/EXECUTOR.md
	@scripts/install-deps test
	@RELEASES=every scripts/build-rust
	@scripts/build release test_programs
	@CONFORMANCE_WRITE=1 BUILD_DIR=build/release /usr/bin/python3 -m pytest -q -rs -p no:cacheprovider tests/scenario/test_ethrex_releases.py

register-example: ## registers the sample TDX quote through DcapVerifier on a fresh L1; prints the gas of every step
	@scripts/install-deps build
	@node contracts/compile.mjs devnet dcap
	@node contracts/register-example.mjs

screenshots: build ## the status page in every state, on a desk and a phone, as pictures in build/screenshots
	@scripts/install-deps test
	@scripts/build release test_programs
	@SCREENSHOTS=$(CURDIR)/build/screenshots BUILD_DIR=build/release /usr/bin/python3 -m pytest -q -rs -p no:cacheprovider \
		tests/scenario/test_page.py -k picture && echo "screenshots: look at build/screenshots"

lint: ## formatting and clang-tidy
	@scripts/install-deps test
	@scripts/lint

soak: build ## KILL9_CYCLES (1000) kill -9 cycles, RELAY_CYCLES (100) more in each way of relaying: no acknowledged proof may be lost
	@scripts/install-deps test
	@scripts/build release scenario_programs
	@scripts/build-rust
	@KILL9_CYCLES=$(KILL9_CYCLES) RELAY_CYCLES=$(RELAY_CYCLES) /usr/bin/python3 -m pytest -q -rs tests/scenario/test_kill9.py \
		tests/scenario/test_power_cut_daemon.py tests/scenario/test_relay_kill9.py

cluster-faults: build ## CYCLES (1000) faults under load of three coordinators on one PostgreSQL, and the table of them
	@scripts/install-deps test
	@node contracts/compile.mjs
	@CLUSTER_CYCLES=$(CYCLES) /usr/bin/python3 -m pytest -q -rs -s -p no:cacheprovider tests/scenario/test_cluster_faults.py

relay-faults: build ## RELAY_CLUSTER_CYCLES (100) faults in each way of relaying, of three coordinators and the ethrex behind them
	@scripts/install-deps test
	@node contracts/compile.mjs
	@scripts/build-rust
	@RELAY_CLUSTER_CYCLES=$(RELAY_CLUSTER_CYCLES) /usr/bin/python3 -m pytest -q -rs -s -p no:cacheprovider tests/scenario/test_relay_cluster.py -k whatever

test-docker: build ## builds the images, runs the devnet in containers, and ours beside ethrex's compose (as root; DOCKER_TESTS picks)
	@scripts/install-deps docker
	@scripts/build-rust
	@DOCKER_TEST=1 /usr/bin/python3 -m pytest -q -rs -p no:cacheprovider tests/scenario/test_docker.py $(if $(DOCKER_TESTS),-k "$(DOCKER_TESTS)")

install: build ## programs, library, units, man pages, examples into PREFIX (/usr/local), below DESTDIR
	@cmake --install build/release --prefix "$(PREFIX)"

deb: build ## a Debian package, in build/package
	@cd build/release && cpack -G DEB -B ../package >../package.log 2>&1 || { cat ../package.log >&2; exit 1; }
	@echo "deb: $$(ls -t build/package/*.deb | head -n 1); what it asks of you: docs/UPGRADING.md"

clean: ## forget what was built
	@rm -rf build
