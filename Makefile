# Everything a fresh machine needs: `make test` installs what is missing, then checks and tests. See README.md.

CARGO ?= cargo
# Members that are published, and the features that must also build alone.
CRATES := nootropic-core nootropic-models nootropic-context nootropic-agents nootropic nootropic-cli
# To build the others once more from their packages would build all of Burn once more.
CRATES_WITHOUT_BURN := nootropic-core nootropic-context nootropic-agents
# One selection for every test: with another, cargo chooses other features, and builds Burn anew.
ALL := --locked --workspace --all-features
CONTEXT_FEATURES := languages watch arroy
# What `make bench` measures beside us: packages of their own, whose lock files must keep up with ours.
PEERS := $(wildcard */benches/*peers)
# How large the large cases of tests are: files of one folder, levels of nesting. A plain `cargo test` makes 3,000.
SCALE ?= 100000
# Mutated model files of each format: a million here, a hundred million in `make soak`.
FUZZ ?= 1000000
# Answers of models that know nothing, held to real schemas and tools: ten thousand in `make soak`. A plain `cargo test` makes 300.
GENERATIONS ?= 1000
# Random kills while indexing and while committing: short here, long in `make soak`, as are power cuts and disk errors.
KILLS ?= 500
# Tests that mount filesystems fail where nothing can be mounted; set to nothing, they only say that they are not run.
REQUIRE_MOUNTS ?= 1
# So do tests that compute on a graphics processor where there is no adapter; one imitated in software will do.
REQUIRE_WGPU ?= 1

.PHONY: test setup lint features unit kills fuzz generations doc package soak bench fmt

test: setup lint features unit kills fuzz generations doc package

setup:
	@./scripts/setup

lint:
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --locked --workspace --all-targets --all-features -- -D warnings
	for peers in $(PEERS); do \
		$(CARGO) metadata --locked --format-version 1 --manifest-path $$peers/Cargo.toml >/dev/null || exit 1; done

features:
	$(CARGO) check --locked -p nootropic-core
	$(CARGO) check --locked -p nootropic-core --features testing
	$(CARGO) check --locked -p nootropic-context --no-default-features
	for feature in $(CONTEXT_FEATURES); do \
		$(CARGO) check --locked -p nootropic-context --no-default-features --features $$feature || exit 1; done

unit:
	NOOTROPIC_REQUIRE_MOUNTS=$(REQUIRE_MOUNTS) NOOTROPIC_REQUIRE_WGPU=$(REQUIRE_WGPU) NOOTROPIC_SCALE=$(SCALE) \
		$(CARGO) test $(ALL) --no-fail-fast

kills:
	NOOTROPIC_KILLS=$(KILLS) $(CARGO) test $(ALL) --test index_kill -- --nocapture

fuzz:
	NOOTROPIC_FUZZ=$(FUZZ) $(CARGO) test $(ALL) --test fuzz_files -- --nocapture

generations:
	NOOTROPIC_GENERATIONS=$(GENERATIONS) $(CARGO) test $(ALL) --lib -- --nocapture real_schemas

doc:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --all-features

# Cargo takes two packages of one version for the same: what an earlier run unpacked and built would be built against.
CARGO_FOLDER = $${CARGO_HOME:-$$HOME/.cargo}
BUILT = $${CARGO_TARGET_DIR:-target}/debug

package:
	rm -rf $(CARGO_FOLDER)/registry/src/-*/nootropic-* $(CARGO_FOLDER)/registry/cache/-*/nootropic-*
	grep -ls 'registry/src/-' $(BUILT)/deps/nootropic_*.d | sed 's/.*-\(.*\)\.d/\1/' | \
		while read -r hash; do rm -rf $(BUILT)/.fingerprint/*-$$hash; done
	$(CARGO) package --locked --allow-dirty $(addprefix -p ,$(CRATES_WITHOUT_BURN))
	$(CARGO) package --locked --allow-dirty --no-verify $(addprefix -p ,$(CRATES))

soak: setup
	NOOTROPIC_KILLS=10000 $(CARGO) test --locked --release -p nootropic-context --test index_kill -- --nocapture
	NOOTROPIC_KILLS=10000 $(CARGO) test --locked --release -p nootropic-context --test store_crash -- --nocapture
	NOOTROPIC_FUZZ=100000000 $(CARGO) test --locked --release -p nootropic-models --test fuzz_files -- --nocapture
	NOOTROPIC_GENERATIONS=10000 $(CARGO) test --locked --release -p nootropic-models --lib -- --nocapture real_schemas
	NOOTROPIC_CRASHES=10000 $(CARGO) test --locked --release -p nootropic-context --test power_loss -- --nocapture
	NOOTROPIC_STRIDE=1 $(CARGO) test --locked --release -p nootropic-context --test io_errors -- --nocapture

bench:
	@./scripts/bench

fmt:
	$(CARGO) fmt --all
