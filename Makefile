# Everything that is done with this repository. `make` alone shows the targets.

GO       ?= go
BIN      := bin/provisioning
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -X main.version=$(VERSION)
# The module proxy alone: one that asks origins as well would need git hosts.
export GOPROXY ?= https://proxy.golang.org
export GOFLAGS ?= -buildvcs=false

STATICCHECK := $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: help build run test samples short race fuzz torture bench golden docs lint fmt clean tools images

help: ## show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

build: ## build bin/provisioning
	$(GO) build -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/provisioning

run: build images ## plan, run, crash, resume and roll back the sample workflow, and three servers
	@scripts/tour.sh $(BIN)

# Most tests wait for machines: so there are more at a time than two processors.
test: lint docs-check samples images ## all checks and all tests
	$(GO) test -race -parallel 4 -timeout 60m ./...
	cd deploy/kubernetes && $(GO) test ./...

samples: build ## the tests of the sample workflows
	$(BIN) test scripts
	$(BIN) test scripts --crash --undo --points 8

tools: ## install what the tests need beyond Go, where that can be done
	@.ci/tools

images: ## make the images of the test machines, where Docker answers
	@images/build --where-possible

short: ## the quick tests only
	$(GO) test -short ./...

lint: ## formatting, vet, staticcheck, tidy
	@test -z "$$(gofmt -l .)" || { echo "run gofmt on:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(STATICCHECK) ./...
	$(GO) mod tidy -diff

fmt: ## format the Go code and the scripts
	gofmt -w .
	$(GO) run ./cmd/provisioning fmt scripts stdlib

docs: ## write docs/reference from the declarations
	$(GO) run ./cmd/provisioning docs --markdown docs/reference

.PHONY: docs-check
docs-check: docs
	@git diff --exit-code --stat -- docs/reference || { echo "docs/reference was not up to date: commit it"; exit 1; }

golden: ## rewrite the golden files of the tests
	$(GO) test ./runtime/reference -update
	$(GO) test ./cmd/provisioning -update

.PHONY: histories
histories: ## record histories of runs on Temporal that are not there yet
	$(GO) test ./runtime/temporal -run 'TestReplay$$' -update

FUZZTIME ?= 1m
fuzz: ## every fuzz target for FUZZTIME (default 1m)
	@set -e; for pkg in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "$$pkg $$target"; \
	    $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$pkg; \
	  done; done

torture: ## kill the process at every point of a workflow, cut the power, and resume
	TORTURE=full $(GO) test -v -timeout 90m ./internal/torture ./internal/scenes

.PHONY: shelf
shelf: images ## install, change, break, update and remove every taskserv of the program
	SHELF=full .ci/tools
	SHELF=full $(GO) test -v -timeout 90m ./cmd/provisioning -run 'TestScripts/(taskserv|cluster|testenv)$$'

bench: ## measure, with the ratio to the physical limit or a peer beside each figure
	$(GO) run ./cmd/bench

.PHONY: worker-image
worker-image: ## build the image of a worker, provisioning/worker
	CGO_ENABLED=0 $(GO) build -ldflags '$(LDFLAGS)' -o deploy/worker/provisioning ./cmd/provisioning
	docker build -t provisioning/worker:latest deploy/worker
	rm deploy/worker/provisioning

clean: ## remove what was built
	rm -rf bin
