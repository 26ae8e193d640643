# make run      build, and report on a fixture (or FILE=x.pcap)
# make test     test both builds: with libpcap, and without cgo
# make help     all targets

FILE     ?= fixtures/kernel/07a_last_ack_lost_after.pcap
FUZZTIME ?= 10s
FUZZRUNS ?= 1000000
COUNT    ?= 6
SOAK     ?= 1h

# Where pcap.h is missing, or there is no C compiler, the program is built in
# pure Go: all of it but BPF text expressions.
PCAP := $(shell $${CC:-cc} -E -x c -include pcap.h /dev/null >/dev/null 2>&1 && echo yes)
ifeq ($(PCAP),yes)
  TAGS :=
  ENV  :=
else
  TAGS := -tags nolibpcap
  ENV  := CGO_ENABLED=0
endif
PURE   := CGO_ENABLED=0
NOPCAP := -tags nolibpcap
TOOL   := go tool -modfile=tools.mod

.PHONY: help run build test race lint bench fuzz golden docs clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

build: ## build bin/finwait
	@if [ '$(PCAP)' != yes ]; then \
	  echo 'pcap.h is missing: building in pure Go, without BPF text expressions (Debian: apt-get install libpcap-dev)' >&2; fi
	@mkdir -p bin
	$(ENV) go build $(TAGS) -o bin/finwait ./cmd/finwait

run: build ## report on FILE, a fixture by default
	@./bin/finwait read $(ARGS) $(FILE)

test: ## test both builds; installs what the tests need where it may
	@.ci/deps
	@$(MAKE) --no-print-directory test-libpcap test-pure

.PHONY: test-libpcap test-pure
test-libpcap:
	@if [ '$(PCAP)' = yes ]; then echo 'go test $(TESTFLAGS) ./...'; go test $(TESTFLAGS) ./...; \
	 elif [ -n '$(CI)' ]; then echo 'pcap.h is missing: the build with libpcap cannot be tested' >&2; exit 1; \
	 else echo 'pcap.h is missing: only the build without libpcap is tested' >&2; fi

test-pure:
	$(PURE) go test $(NOPCAP) $(TESTFLAGS) ./...

race: ## test with the race detector (needs a C compiler)
	go test $(TAGS) -race $(TESTFLAGS) ./...

lint: ## gofmt, go mod tidy, go vet on both builds, golangci-lint (built on first use, some minutes)
	@bad=$$(gofmt -l capture cmd fixtures reassembly report); if [ -n "$$bad" ]; then echo "not formatted by gofmt:"; echo "$$bad"; exit 1; fi
	go mod tidy -diff
	@if [ '$(PCAP)' = yes ]; then echo 'go vet ./...'; go vet ./...; fi
	$(PURE) go vet $(NOPCAP) ./...
	$(ENV) $(TOOL) golangci-lint run --allow-parallel-runners $(if $(TAGS),--build-tags nolibpcap) ./...

bench: build ## benchmarks of each stage into bench.txt (BASE=old.txt compares), then make compare
	$(ENV) go test $(TAGS) -run '^$$' -bench . -benchmem -count $(COUNT) ./... | tee bench.txt
	@if [ -n '$(BASE)' ]; then $(TOOL) benchstat '$(BASE)' bench.txt; fi
	@$(MAKE) --no-print-directory compare

.PHONY: compare
compare: build ## finwait, tcpdump and others on the same captures, in turn; ARGS='-full -json out.json', ARGS=-growth
	$(ENV) go run $(TAGS) ./cmd/bench -finwait bin/finwait $(ARGS)

.PHONY: pgo
pgo: ## measure anew what the compiler is to inline (cmd/finwait/default.pgo)
	$(ENV) go test $(TAGS) -trimpath -pgo=off -run '^$$' -bench BenchmarkRun -benchtime 10x -cpuprofile cmd/finwait/default.pgo -o bin/run.test ./cmd/finwait

fuzz: ## each fuzz target for FUZZTIME
	@$(ENV) .ci/fuzz '$(FUZZTIME)' $(TAGS)

.PHONY: fuzz-long
fuzz-long: ## FUZZRUNS inputs for each fuzz target, each in a second and in 256 MB
	@$(ENV) FINWAIT_FUZZ_LIMITS=1 nice -n 19 .ci/fuzz '$(FUZZRUNS)x' $(TAGS)

.PHONY: soak
soak: ## the model test on fresh cases for SOAK
	$(ENV) FINWAIT_SOAK='$(SOAK)' go test $(TAGS) -timeout 0 -run '^TestModel$$' -v ./reassembly

golden: ## rewrite golden files and generated documents; review the diff
	@for dir in $$(grep -rlE 'flag\.Bool\("update"' --include='*_test.go' capture cmd fixtures reassembly report | xargs -n1 dirname | sort -u); do \
	  echo "go test ./$$dir -update"; $(ENV) go test $(TAGS) "./$$dir" -update || exit 1; done

docs: build ## rewrite the generated documents and the README's report
	$(ENV) go test $(TAGS) ./reassembly/tcpstate ./reassembly/anomaly -update
	@.ci/docs '$(FILE)'

.PHONY: beam beam-test
beam: ## build bin/finwait-beam, the analysis on Apache Beam (a module of its own; some minutes)
	@mkdir -p bin
	cd cmd/finwait-beam && go build -o ../../bin/finwait-beam .

beam-test: ## test it on Prism against finwait read (some minutes)
	@.ci/beam

clean: ## remove what was built
	rm -rf bin bench.txt
