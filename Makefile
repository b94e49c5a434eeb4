# make verbs   bin/lunette-verbs, which uses adapters for RDMA as well: it needs gcc and the headers of rdma-core to build
# make run     build, make a sparse 1 GiB disk, serve it, and say how to attach it
# make test    install what the tests need (Debian) and run all of them
# make check   what needs nothing installed but Go and a C compiler: formatting, vet, unit tests with -race
# make test-vtl  Bacula and Amanda with a tape library, and what of it fails with tgt's, in emulated guests; 200 kills of a library
# make bench   compare with other targets, and say which of what is wanted was kept
# make through  in an emulated guest: a disk through the bridge, against the same disk directly, by each way to the kernel
# make compare  in an emulated guest: iSER over siw (COMPARE=fcoe: FCP over FCoE), against the kernel's own target and against iSCSI over TCP
# make fuzz    fuzz every decoder for FUZZTIME each
# make siege   all attacks in turn on a daemon in 512 MiB, for SIEGE

GO ?= go
DISK ?= .run/disk.img
SIZE ?= 1G
FLAGS ?=
FUZZTIME ?= 30s
SIEGE ?= 1h
BENCH ?=
COMPARE ?= iser
# make test has guests begin for so many seconds after itself, and says which have not begun.
GUESTS ?= 4200
UNTIL := $(shell expr $$(date +%s) + $(GUESTS))
DAY := $(shell date +%-j)
# Packages whose tests run whole targets: with each engine (see docs/design/datapath.md). Those of cmd do as well, but are about what is printed.
WHOLE = ./bench/... ./daemon/... ./transport/...

.PHONY: build verbs run check test bench fuzz lint deps unit abuse hostile siege scale crash interop vm test-vtl compare through reference clean

# What the program says it is: by git, or else by the go command, or by who builds from an archive.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)

# Whether there is what builds programs with verbs.
HAS_VERBS = printf '\043include <rdma/rdma_cma.h>\n' | $${CC:-cc} -E - >/dev/null 2>&1

# Symbols stay in: perf and pprof need them.
build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-X main.stamp=$(VERSION)" -o bin/lunette ./cmd/lunette

# The same with verbs, in a program that is linked to the C library; the libraries of rdma-core are opened when a portal needs them.
verbs:
	@if ! $(HAS_VERBS); then test/install/debian.sh verbs; fi
	CGO_ENABLED=1 $(GO) build -trimpath -tags verbs -ldflags "-X main.stamp=$(VERSION)" -o bin/lunette-verbs ./cmd/lunette

# A socket of its own, so that it does not meet a daemon that is installed.
run: build
	@mkdir -p .run
	@exec ./bin/lunette serve $(DISK) --size $(SIZE) --socket .run/lunette.sock $(FLAGS)

check: lint unit

lint:
	@bad=$$(gofmt -l $$(find . -name '*.go' -not -path './.*')); [ -z "$$bad" ] || { echo "gofmt -w $$bad" >&2; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags abuse,scale,crash,interop,vm,vtl,hostile ./test/...
	@if $(HAS_VERBS); then echo $(GO) vet -tags verbs ./network/rdma/verbs/...; CGO_ENABLED=1 $(GO) vet -tags verbs ./network/rdma/verbs/...; \
	else echo "NOT CHECKED: what uses adapters for RDMA; test/install/debian.sh verbs installs the headers" >&2; fi
	@if command -v golangci-lint >/dev/null; then golangci-lint run; fi

unit:
	$(GO) test -race -timeout 170s ./...

# The whole of it takes more than an hour on two cores, of which guests are half: more than it should. With reactors it leaves out what takes
# long there and has little of sockets in it: crash, hostile and scale (LUNETTE_ENGINE=reactors make hostile scale). Guests come last, as many as there is time for; a fifth
# of the packages with decoders is fuzzed, another one tomorrow.
test: deps build verbs lint
	test/loud.sh -race -timeout 600s ./...
	test/unraced.sh -timeout 600s
	LUNETTE_ENGINE=reactors test/loud.sh -race -timeout 600s $(WHOLE)
	test/fuzz.sh 1s . $(DAY)/5
	$(MAKE) --no-print-directory abuse hostile scale crash interop
	LUNETTE_ENGINE=reactors $(MAKE) --no-print-directory abuse interop
	LUNETTE_GUESTS_UNTIL=$(UNTIL) $(MAKE) --no-print-directory vm
	@echo "ok   make test"

interop: build
	test/loud.sh -tags interop -count=1 -timeout 600s ./test/interop/...

# Hostile peers. The clients and the daemon need descriptors: 10,000 connections have two ends.
abuse: build
	test/loud.sh -tags abuse -count=1 -timeout 600s ./test/abuse/...

# One takes all, and the others are served.
hostile: build
	test/loud.sh -tags hostile -count=1 -timeout 1200s ./test/hostile/...

# As root the daemon is in a memory control group. Nothing waits longer than two minutes, so that no time-out is needed.
siege: build
	$(GO) test -tags hostile -count=1 -timeout 0 -run Siege -v ./test/hostile/... -for $(SIEGE)

# Many sessions. The daemon needs descriptors: 10,000.
scale: build
	test/loud.sh -tags scale -count=1 -timeout 120s ./test/scale/...

crash: build
	test/loud.sh -tags crash -count=1 -timeout 600s ./test/crash/...

# As many guests at a time as there are processors, two at the most.
vm: build
	test/loud.sh -tags vm -count=1 -parallel $$(($$(nproc) > 1 ? 2 : 1)) -timeout 5400s ./test/vm/...

# Backup software with a tape library, and more of what make test has of libraries; another guest's image, with Bacula and Amanda, is built once.
test-vtl: build
	test/install/debian.sh vm
	test/loud.sh -tags vm,vtl -count=1 -timeout 1800s -run 'VTL$$|TapePeer$$' ./test/vm/...
	CRASH_TAPE_KILLS=200 test/loud.sh -tags crash -count=1 -timeout 600s -run TapeKills ./test/crash/...

# The race detector needs a C compiler.
deps:
	@if ! command -v gcc >/dev/null && ! command -v "$${CC:-cc}" >/dev/null; then \
		[ "$$(id -u)" = 0 ] || sudo=sudo; \
		$$sudo apt-get update -q && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends gcc libc6-dev; \
	fi
	test/install/debian.sh interop vm network verbs

# fio with the engine libiscsi is built once; without it the run goes on, and says so.
bench: build
	test/install/debian.sh bench
	-@test/install/fio-libiscsi.sh >/dev/null
	$(GO) run ./test/bench $(BENCH)

compare: build
	test/install/debian.sh vm
	@dir=$$(mktemp -d) && cp bin/lunette test/vm/compare*.sh test/vm/lio.sh test/vm/attach.sh $$dir && \
	test/vm/lab -t 1800 -m 2048 $$dir "bash compare.sh $(COMPARE)"; status=$$?; rm -rf $$dir; exit $$status

through: build
	test/install/debian.sh vm
	@dir=$$(mktemp -d) && cp bin/lunette test/vm/through.sh $$dir && \
	test/vm/lab -i backports -t 1800 -m 2048 $$dir "bash through.sh"; status=$$?; rm -rf $$dir; exit $$status

fuzz:
	test/fuzz.sh $(FUZZTIME)

reference:
	$(GO) test ./daemon ./agent/server ./device/personality ./device/library/kind ./device/passthrough ./device/optical -run Reference -update
	$(GO) test ./cmd/lunette -run Manual -update

clean:
	rm -rf bin # not .run: the disk in it may be in use, and has data
