package main

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon"
)

// Every claim is about cells that a run measures, or nothing would ever be said of it.
func TestClaimsAreMeasured(t *testing.T) {
	measured := make(map[cell]bool)
	for _, g := range plan(withFio, false) {
		for _, w := range g.workloads {
			for _, p := range g.peers {
				measured[cell{g.backing, w.name, p, g.client}] = true
			}
		}
	}
	seen := make(map[string]bool)
	for _, c := range claims() {
		for _, x := range []cell{c.mine, c.to} {
			if !measured[x] {
				t.Errorf("%s: nothing measures %v", c.row, x)
			}
		}
		key := c.row + c.to.peer + c.to.backing + c.to.workload + c.mine.client + c.figure.name
		if (c.least > 0) == (c.most > 0) || seen[key] {
			t.Errorf("%s: %+v", key, c)
		}
		seen[key] = true
	}
	counted := make(map[string]bool)
	for _, backing := range []string{inMemory, inFile} {
		for _, w := range counting(plan(withFio, false), backing) {
			counted[backing+w.name] = true
		}
	}
	for _, c := range ceilings() {
		if !counted[c.backing+c.workload] {
			t.Errorf("nothing counts %s, %s", c.backing, c.workload)
		}
	}
}

func TestJudge(t *testing.T) {
	r := &result{Costs: []cost{{Backing: inMemory, Workload: "4k read QD32", Allocations: 0.5, Receives: 0.05, Sends: 0.05}}}
	for round, x := range []float64{60, 90, 70} {
		r.Samples = append(r.Samples,
			sample{Backing: inMemory, Workload: "4k read QD32", Peer: lunette, Client: ours, Round: round, IOPS: x, P50: 3, CPU: 1},
			sample{Backing: inMemory, Workload: "4k read QD32", Peer: tgtTuned, Client: ours, Round: round, IOPS: 10, P50: 10, CPU: 1},
			sample{Backing: inMemory, Workload: "4k read QD32", Peer: raw, Client: ours, Round: round, IOPS: 200},
			sample{Backing: inMemory, Workload: "4k read QD1", Peer: lunette, Client: ours, Round: round, P50: 3},
			sample{Backing: inMemory, Workload: "4k read QD1", Peer: tgtTuned, Client: ours, Round: round, P50: 10},
			sample{Backing: inMemory, Workload: "4k read QD1", Peer: spdk, Client: ours, Round: round, P50: 2})
	}
	r.absent(withFio, errors.New("not built"))
	r.Verdicts = r.judge()
	var b strings.Builder
	r.accept(&b)
	for _, line := range []string{
		`4k read QD32 +tgt tuned +lunette +IOPS +>= 6 +7 +43 % +ok`,
		`4k read QD32 +tgt tuned +fio +IOPS +>= 3.3 +- +- +not measured: no fio`,
		`4k read QD32 +raw +lunette +IOPS +>= 0.6 +0.35 +43 % +MISSED`,
		`4k read QD1 +tgt tuned +lunette +p50 +<= 0.4 +0.3 +0 % +ok`,
		`4k read QD1 +SPDK +lunette +p50 +<= 1.2 +1.5 +0 % +MISSED`,
		`4k read QD32, memory +- +lunette +heap allocations +<= 0.001 +0.5 +- +MISSED`,
		`4k read QD32, memory +- +lunette +system calls +<= 0.125 +0.1 +- +ok`,
		`4 kept, 3 missed, 14 not measured; \d+ not in this run`,
	} {
		if !regexp.MustCompile("(?m)^" + line + "$").MatchString(b.String()) {
			t.Errorf("no line %s in\n%s", line, &b)
		}
	}
}

func TestOnly(t *testing.T) {
	o := options{only: regexp.MustCompile("^memory/4k read QD32$"), peers: regexp.MustCompile("^(raw|SPDK)$")}
	all := only(o, plan(withFio, true))
	if len(all) != 1 || len(all[0].workloads) != 1 || strings.Join(all[0].peers, ",") != "lunette,SPDK,raw" {
		t.Errorf("%+v", all)
	}
}

// What is compared with itself is measured in turn.
func TestAlternate(t *testing.T) {
	var names []string
	for _, g := range alternate(plan(withFio, false)) {
		if len(g.workloads) != 1 {
			t.Fatalf("%+v", g)
		}
		names = append(names, g.client+"/"+g.backing+"/"+g.workloads[0].name)
	}
	all := strings.Join(names, "; ")
	for _, want := range []string{
		"lunette/memory/1M seq read QD8; lunette/memory/1M seq read QD8, digests; lunette/file/1M seq read QD8;",
		"lunette/memory/64k read QD16; lunette/memory/64k read QD16, digests;",
		"lunette/memory/4k read QD32; lunette/file/4k read QD32; lunette/direct/4k read QD32;",
		"lunette/memory/4k read QD1; lunette/memory/4k read QD1;",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no %s in %s", want, all)
		}
	}
}

// The document of the direct units is one, but for options that this build may not have.
func TestDirectConfig(t *testing.T) {
	path, err := directConfig(t.TempDir(), "127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	d, err := model.ReadFile(path, daemon.Builtin().Schema())
	if err != nil {
		if !strings.Contains(err.Error(), `has no option "direct"`) {
			t.Fatal(err)
		}
		t.Skip("this build has no direct files")
	}
	if len(d.Units) != units || len(d.Targets[0].LUNs) != units {
		t.Errorf("%+v", d)
	}
}
