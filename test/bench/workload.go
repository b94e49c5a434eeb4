package main

import (
	"fmt"

	"github.com/lunette-io/lunette/bench"
)

// Sizes of what is served.
const (
	units    = 4
	unitSize = 128 << 20 // bytes
)

// A workload is a mix of commands that hosts keep outstanding.
type workload struct {
	bench.Workload
	name  string
	conns int // connections, each a session of its own
	units int // they are spread over these
}

// workloads is the list; the order is that of the tables.
func workloads() []workload {
	one := []workload{
		{name: "4k read QD1", Workload: bench.Workload{Size: 4 << 10, Reads: 100, Depth: 1}},
		{name: "4k write QD1", Workload: bench.Workload{Size: 4 << 10, Depth: 1}},
		{name: "4k read QD32", Workload: bench.Workload{Size: 4 << 10, Reads: 100, Depth: 32}},
		{name: "4k write QD32", Workload: bench.Workload{Size: 4 << 10, Depth: 32}},
		{name: "64k 70/30 QD16", Workload: bench.Workload{Size: 64 << 10, Reads: 70, Depth: 16}},
		{name: "1M seq read QD8", Workload: bench.Workload{Size: 1 << 20, Reads: 100, Depth: 8, Sequential: true}},
		{name: "1M seq write QD8", Workload: bench.Workload{Size: 1 << 20, Depth: 8, Sequential: true}},
	}
	var all []workload
	for _, n := range []struct{ conns, units int }{{1, 1}, {4, 1}, {4, 4}} {
		for _, w := range one {
			if n.conns > 1 && w.Depth == 1 || n.units > 1 && w.Size > 64<<10 {
				continue // nothing new
			}
			w.conns, w.units = n.conns, n.units
			if n.conns > 1 {
				w.name += fmt.Sprintf(" x%d", n.conns)
			}
			if n.units > 1 {
				w.name += fmt.Sprintf(", %d units", n.units)
			}
			all = append(all, w)
		}
	}
	return all
}

// foreign are the workloads that iscsi-perf can make.
func foreign() []workload {
	var all []workload
	for _, w := range workloads() {
		if w.Reads == 100 && w.conns == 1 {
			all = append(all, w)
		}
	}
	return all
}
