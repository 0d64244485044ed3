# `make explore` shows the page, `make test` tests everything; `make help` lists the rest.

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/darts
# Builds lie outside of the checkout: a cold one takes half an hour, as all of Burn is built twice, and a fresh clone
# then finds it done.
export CARGO_TARGET_DIR ?= $(CACHE)/target
export PATH := $(CACHE)/tools/bin:$(HOME)/.cargo/bin:$(PATH)
# Software Vulkan warns on every start without one.
export XDG_RUNTIME_DIR ?= /tmp

DARTS := $(CARGO_TARGET_DIR)/release/darts
STAGE := .ci/stage
# Trunk's files between its steps lie in the target folder, so two builds of the page at a time would mix them.
ALONE := $(if $(shell command -v flock),flock $(CARGO_TARGET_DIR)/page.lock)

.PHONY: help explore setup test fuzz darts bench

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

explore: ## Install what is missing, fetch the data, build the page and serve it on 127.0.0.1:8080 (or PORT)
	@$(STAGE) 'set-up' .ci/setup page
	@$(STAGE) 'the darts binary' cargo build --release --bin darts
	@$(STAGE) 'real data' .ci/data $(DARTS) || \
	  echo 'WITHOUT REAL DATA: the page will search on generated textures instead of CIFAR-10.'
	@.ci/explore $(DARTS)

setup: ## Install everything that is missing, and fetch the data
	@$(STAGE) 'set-up' .ci/setup
	@$(STAGE) 'the darts binary' cargo build --release --bin darts
	@$(STAGE) 'real data' .ci/data $(DARTS)

darts: ## Build the darts binary and print its path
	@cargo build --release --bin darts
	@echo $(DARTS)

bench: ## Measure search steps on this machine
	@cargo build --release --bin darts
	@$(DARTS) bench step

# Readers are fuzzed guided by coverage, in a build of its own; what needs the whole engine is mutated at random.
FUZZ := cargo fuzz run --fuzz-dir tests/fuzz --sanitizer none
TARGETS := $(basename $(notdir $(wildcard tests/fuzz/fuzz_targets/*.rs)))
SECONDS := 60
KILLS := 50

fuzz: ## Fuzz each thing that is read for SECONDS (60), and kill small runs KILLS times (50)
	@env -u SECONDS .ci/setup fuzz
	@cargo build --release --bin darts
	@for target in $(TARGETS); do \
	  mkdir -p tests/fuzz/corpus/$$target && \
	  DARTS_FUZZ_SAMPLES=$(CURDIR)/tests/fuzz/corpus/$$target $(FUZZ) $$target -- -max_total_time=$(SECONDS) \
	    -rss_limit_mb=2048 -malloc_limit_mb=1024 -timeout=20 -max_len=65536 -print_final_stats=1 || exit; \
	done
	@DARTS_FUZZ_SECONDS=$(SECONDS) cargo test --release --test hostile -- --nocapture --test-threads 1
	@DARTS_KILL_ROUNDS=$(KILLS) cargo test --release --test cli_resume -- killed

# Natively the whole workspace is always chosen, so that one set of features serves all: each other set would build Burn
# again.
test: ## Set up, then check, test and build everything, and try the page in Chromium
	@$(STAGE) 'set-up' .ci/setup
	@$(STAGE) 'format' cargo fmt --all --check
	@$(STAGE) 'spelling' npm run --silent spelling --prefix tests/browser
	@$(STAGE) 'the darts binary' cargo build --release
	@$(STAGE) 'real data' .ci/data $(DARTS) || \
	  echo 'WITHOUT REAL DATA: tests on real data will fail.'
	@$(STAGE) 'tests' cargo test --release
	@$(STAGE) 'tests of the page' cargo test --release --package darts-app --lib
	@$(STAGE) 'page' $(ALONE) trunk build
	@mkdir -p artefacts
	@$(STAGE) 'page in Chromium' npm test --silent --prefix tests/browser
	@$(STAGE) 'lints' cargo clippy --all-targets -- -D warnings
	@$(STAGE) 'lints of the page' cargo clippy --package darts-app --features engine --target wasm32-unknown-unknown -- -D warnings
