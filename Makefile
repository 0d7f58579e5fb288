# The steps of CI and the commands of the README, and nothing else. Needs Rust, Go, a C and C++ compiler and bash.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help tools build demo bench test lint fuzz crds clean

# Where there is no schema of Kubernetes' own kinds: kubeconform would download them. The API server of `make demo` and of
# the tests reads them instead; kubeconform checks what it has schemas of, our own kinds.
NOT_OURS := Namespace,ServiceAccount,ClusterRole,ClusterRoleBinding,Role,RoleBinding,Secret,ConfigMap,CustomResourceDefinition,Deployment

# Programs are built with the whole workspace and then started: `cargo run` would build one package alone, with other
# features, and so most of what it needs once more.
TARGET = $$(cargo metadata --locked --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
PROGRAMS = $(TARGET)/debug

help: ## Say what there is to make
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/\1|\2/p' $(MAKEFILE_LIST) | awk -F '|' '{ printf "  make %-7s %s\n", $$1, $$2 }'

tools: ## Build the real parts that are not built yet: kube-apiserver, etcd, kubectl, baton, ... (see tools/README.md)
	@tools/build

build: ## Build the operator, the simulators and the demo
	cargo build --locked --workspace --bins

demo: tools build ## Show it all, until Ctrl-C; DEMO=once ends by itself; with KUBECONFIG set, in that cluster
	@"$(PROGRAMS)/demo" $(if $(filter once,$(DEMO)),--once)

bench: ## Measure time, CPU, memory and requests beside C1's own SDK; BENCH=quick, limits, writer or idle-c1; docs/benchmarks.md
	@tools/build baton
	cargo build --locked --release --workspace --bins
	@"$(TARGET)/release/bench" run $(or $(BENCH),all) --peers "$$(benches/peer/build)"

test: tools lint ## Run every test there is, and all that lint checks
	@log=$$(mktemp); trap 'rm -f "$$log"' EXIT; \
	cargo test --locked --workspace 2>&1 | tee "$$log"; \
	tools/count-tests "$$log"
	GOWORK=off go -C tools/interop test -mod=readonly ./...
	tools/fuzz 4

lint: build ## Check formatting, lints, generated files, examples, dependencies, and what no file should hold
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	@made=$$(mktemp -d); trap 'rm -rf "$$made"' EXIT; \
	"$(PROGRAMS)/connector-operator" crds --out "$$made"; \
	"$(PROGRAMS)/connector-operator" reference --out "$$made/reference"; \
	diff -ru docs/reference "$$made/reference" && rm -r "$$made/reference" && diff -ru crds "$$made" || \
	  { echo 'crds/ or docs/reference/ differs from the code: run `make crds`' >&2; exit 1; }
	@"$$(tools/build --path kubeconform)/kubeconform" -strict -summary -skip $(NOT_OURS) \
	  -schema-location 'crds/schemas/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json' examples deploy
	@tools/check-dependencies
	@tools/check-files

fuzz: ## Run each fuzzer for ten minutes; SECONDS=60 ENTRIES="token retry-after" changes that
	tools/fuzz $(or $(SECONDS),600) $(ENTRIES)

crds: build ## Make crds/ and docs/reference/ anew from the code
	@"$(PROGRAMS)/connector-operator" crds --out crds
	@"$(PROGRAMS)/connector-operator" reference --out docs/reference

clean: ## Remove what was built here; the cache of tools stays
	cargo clean
