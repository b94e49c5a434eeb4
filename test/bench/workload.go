package main

import (
	"fmt"
	"slices"

	"github.com/lunette-io/lunette/bench"
)

// Sizes of what is served. Of each unit the first part is for the clients that mark and check
// what they write, and the rest for those that do not.
const (
	units    = 4
	unitSize = 192 << 20 // bytes
	marked   = 128 << 20
	unmarked = unitSize - marked
)

// The clients.
const (
	ours     = "lunette"
	withFio  = "fio"
	withPerf = "iscsi-perf"
)

// A workload is a mix of commands that hosts keep outstanding.
type workload struct {
	bench.Workload
	name    string
	conns   int  // connections, each a session of its own
	units   int  // they are spread over these
	digests bool // of headers and data
}

// A group is workloads that are measured with one client, on the same peers in turn.
type group struct {
	backing, client string
	peers           []string
	workloads       []workload
}

// The shapes that workloads have.
var (
	read4k1   = bench.Workload{Size: 4 << 10, Reads: 100, Depth: 1}
	write4k1  = bench.Workload{Size: 4 << 10, Depth: 1}
	read4k    = bench.Workload{Size: 4 << 10, Reads: 100, Depth: 32}
	write4k   = bench.Workload{Size: 4 << 10, Depth: 32}
	mix64k    = bench.Workload{Size: 64 << 10, Reads: 70, Depth: 16}
	read64k   = bench.Workload{Size: 64 << 10, Reads: 100, Depth: 16}
	write64k  = bench.Workload{Size: 64 << 10, Depth: 16}
	readBig   = bench.Workload{Size: 1 << 20, Reads: 100, Depth: 8, Sequential: true}
	writeBig  = bench.Workload{Size: 1 << 20, Depth: 8, Sequential: true}
	deep      = []bench.Workload{read4k, write4k}
	big       = []bench.Workload{readBig, writeBig}
	theBasics = []bench.Workload{read4k1, write4k1, read4k, write4k, mix64k, readBig, writeBig}
)

// of names workloads of these shapes.
func of(conns, units int, digests bool, shapes ...bench.Workload) []workload {
	var all []workload
	for _, s := range shapes {
		w := workload{Workload: s, conns: conns, units: units, digests: digests}
		size := fmt.Sprintf("%dk", s.Size>>10)
		if s.Size >= 1<<20 {
			size = fmt.Sprintf("%dM", s.Size>>20)
		}
		kind := map[int]string{0: "write", 100: "read"}[s.Reads]
		if kind == "" {
			kind = fmt.Sprintf("%d/%d", s.Reads, 100-s.Reads)
		}
		if s.Sequential {
			kind = "seq " + kind
		}
		w.name = fmt.Sprintf("%s %s QD%d", size, kind, s.Depth)
		if conns > 1 {
			w.name += fmt.Sprintf(" x%d", conns)
		}
		if units > 1 {
			w.name += fmt.Sprintf(", %d units", units)
		}
		if digests {
			w.name += ", digests"
		}
		all = append(all, w)
	}
	return all
}

func join(all ...[]workload) (w []workload) {
	for _, x := range all {
		w = append(w, x...)
	}
	return w
}

// plan is all that is measured, in the order of the tables; foreign is the client that
// nobody here wrote. With more there is also what no claim is about.
func plan(foreign string, more bool) []group {
	everybody := []string{lunette, tgt, tgtTuned, istgt, spdk, raw}
	spread := of(4, 4, false, deep...)
	memory := join(of(1, 1, false, theBasics...), spread)
	cached := join(of(1, 1, false, deep...), of(1, 1, false, big...))
	if more {
		everybody = append(everybody, reactors)
		memory = join(memory, of(4, 1, false, theBasics[2:]...), of(4, 4, false, mix64k))
		cached = join(of(1, 1, false, theBasics...), of(4, 1, false, theBasics[2:]...), spread, of(4, 4, false, mix64k))
	}
	abroad := join(of(1, 1, false, theBasics...), spread)
	if foreign == withPerf { // which reads, with one connection
		abroad = of(1, 1, false, read4k1, read4k, readBig)
	}
	return append([]group{
		{inMemory, ours, everybody, memory},
		{inMemory, ours, []string{busy}, of(1, 1, false, read4k1, write4k1)},
		{inMemory, ours, []string{lunette, iserName}, of(1, 1, false, read64k, write64k)}, // digests are compared with it too
		{inMemory, ours, []string{iserName, roceName}, of(1, 1, false, theBasics...)},
		{inMemory, ours, []string{lunette, tgtTuned}, of(1, 1, true, read64k, write64k, readBig, writeBig)},
		{inFile, ours, []string{lunette, tgt, tgtTuned}, cached},
		{onDisk, ours, []string{lunette, tgtTuned, spdk, ring}, of(1, 1, false, deep...)},
		{inMemory, foreign, []string{lunette, tgtTuned, istgt, spdk}, abroad},
	}, group{inMemory, ours, []string{vhost, spdkVM}, vhostPlan()[0].workloads}) // beside those of lunette
}

// only leaves out the workloads that o does not ask for, and the peers.
func only(o options, all []group) []group {
	var left []group
	for _, g := range all {
		n := group{backing: g.backing, client: g.client}
		for _, w := range g.workloads {
			if o.only.MatchString(g.backing + "/" + w.name) {
				n.workloads = append(n.workloads, w)
			}
		}
		for _, p := range g.peers {
			if p == lunette || o.peers.MatchString(p) {
				n.peers = append(n.peers, p)
			}
			if old := map[string]string{lunette: before, iserName: iserOld, vhost: vhostOld}[p]; old != "" && o.before != "" && slices.Contains(n.peers, p) {
				n.peers = append(n.peers, old)
			}
		}
		if len(n.workloads) > 0 && len(n.peers) > 0 && (g.client == ours || o.foreign) {
			left = append(left, n)
		}
	}
	return left
}
