# The steps of CI and the commands of the README, and nothing else. Needs Rust, Go, a C and C++ compiler and bash.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help tools build image demo bench bench-operator test e2e gitops lint fuzz chaos crds docs clean

# Where there is no schema of Kubernetes' own kinds: kubeconform would download them. The API server of `make demo` and of
# the tests reads them instead; kubeconform checks what it has schemas of, our own kinds.
NOT_OURS := Namespace,ServiceAccount,ClusterRole,ClusterRoleBinding,Role,RoleBinding,Secret,ConfigMap,CustomResourceDefinition,Deployment,$\
  Service,PersistentVolumeClaim,PodDisruptionBudget,NetworkPolicy,Kustomization,GitRepository,HelmRelease,Application,Plugin

# Programs are built with the whole workspace and then started: `cargo run` would build one package alone, with other
# features, and so most of what it needs once more.
TARGET = $$(cargo metadata --locked --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
PROGRAMS = $(TARGET)/debug

help: ## Say what there is to make
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/\1|\2/p' $(MAKEFILE_LIST) | awk -F '|' '{ printf "  make %-14s %s\n", $$1, $$2 }'

tools: ## Build the real parts that are not built yet: kube-apiserver, etcd, kubectl, baton, ... (see tools/README.md)
	@tools/build

build: ## Build the operator, the kubectl plugin, the simulators and the demo
	cargo build --locked --workspace --bins

image: ## Make the container image in target/image, without a container engine; PLATFORMS="linux/amd64 linux/arm64"; docs/install.md
	@tools/image $(PLATFORMS)

demo: tools build ## Show it all, until Ctrl-C; DEMO=once ends by itself; with KUBECONFIG set, in that cluster
	@"$(PROGRAMS)/demo" $(if $(filter once,$(DEMO)),--once)

bench: ## Measure time, CPU, memory and requests beside C1's own SDK; BENCH=quick, limits, writer or idle-c1; docs/benchmarks.md
	@tools/build baton
	cargo build --locked --release --workspace --bins
	@"$(TARGET)/release/bench" run $(or $(BENCH),all) --peers "$$(benches/peer/build)"

bench-operator: ## Measure the operator with 100 to 10,000 connectors; N="100 1000" for a few minutes; docs/benchmarks.md
	@tools/build kube-apiserver etcd kubectl
	cargo build --locked --release --workspace --bins
	@"$(TARGET)/release/bench" operator $(N)

test: tools lint ## Run every test there is, and all that lint checks
	@log=$$(mktemp); trap 'rm -f "$$log"' EXIT; \
	cargo test --locked --workspace 2>&1 | tee "$$log"; \
	tools/count-tests "$$log"
	for own in dashboard interop kstatus argocd; do CGO_ENABLED=0 GOWORK=off go -C tools/$$own test -mod=readonly -trimpath ./...; done
	tools/fuzz 4

e2e: ## Run every way to install it, and the plugin, on a real node, as root; says SKIPPED and why where it cannot; docs/reliability.md
	@tools/e2e

gitops: ## Run the guide on Flux with the real Flux on a real node, as root; builds Flux the first time; docs/reliability.md
	@tools/e2e gitops

lint: build ## Check formatting, lints, generated files, charts, examples, dependencies, links, and what no file should hold
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	@made=$$(mktemp -d); trap 'rm -rf "$$made"' EXIT; \
	"$(PROGRAMS)/connector-operator" crds --out "$$made"; \
	"$(PROGRAMS)/connector-operator" reference --out "$$made/reference"; \
	"$(PROGRAMS)/kubectl-connector" reference >"$$made/reference/kubectl-connector.md"; \
	diff -ru docs/reference "$$made/reference" && rm -r "$$made/reference" && diff -ru crds "$$made" || \
	  { echo 'crds/ or docs/reference/ differs from the code: run `make crds`' >&2; exit 1; }
	@"$$(tools/build --path kubeconform)/kubeconform" -strict -summary -skip $(NOT_OURS) \
	  -ignore-filename-pattern health_test.yaml \
	  -schema-location 'crds/schemas/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json' examples deploy
	@tools/charts check
	@tools/check-dependencies
	@tools/check-files
	cargo test --locked --workspace --quiet --test docs -- links:: book:: commands:: release:: shown::

fuzz: ## Run each fuzzer for ten minutes; SECONDS=60 ENTRIES="token retry-after" changes that
	tools/fuzz $(or $(SECONDS),600) $(ENTRIES)

chaos: ## Run 10,000 random histories against the operator; HISTORIES=, SEED=, ONLY= change that; docs/reliability.md
	HISTORIES=$(or $(HISTORIES),10000) SEED=$(or $(SEED),1) cargo test --locked --workspace --profile chaos --test chaos -- \
	  --ignored --nocapture --test-threads=1 $(if $(ONLY),long::many_histories,long::)

crds: build ## Make crds/ and docs/reference/ anew from the code, and deploy/ from the chart
	@"$(PROGRAMS)/connector-operator" crds --out crds
	@"$(PROGRAMS)/connector-operator" reference --out docs/reference
	@"$(PROGRAMS)/kubectl-connector" reference >docs/reference/kubectl-connector.md
	@tools/charts make

docs: ## Build the book of docs/ into target/book; `make lint` checks its links
	@tools/docs

clean: ## Remove what was built here; the cache of tools stays
	cargo clean
