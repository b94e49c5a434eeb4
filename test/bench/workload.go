package main

import "fmt"

// Sizes of what is served.
const (
	units    = 4
	unitSize = 128 << 20 // bytes
	grain    = 4096      // bytes: what has a mark of its own; see mark.go
)

// A workload is a mix of commands that hosts keep outstanding.
type workload struct {
	name       string
	size       int // bytes of a command
	reads      int // percent
	sequential bool
	depth      int // commands at a time, of each connection
	conns      int // connections, each a session of its own
	units      int // they are spread over these
}

// workloads is the list; the order is that of the tables.
func workloads() []workload {
	one := []workload{
		{name: "4k read QD1", size: 4 << 10, reads: 100, depth: 1},
		{name: "4k write QD1", size: 4 << 10, depth: 1},
		{name: "4k read QD32", size: 4 << 10, reads: 100, depth: 32},
		{name: "4k write QD32", size: 4 << 10, depth: 32},
		{name: "64k 70/30 QD16", size: 64 << 10, reads: 70, depth: 16},
		{name: "1M seq read QD8", size: 1 << 20, reads: 100, depth: 8, sequential: true},
		{name: "1M seq write QD8", size: 1 << 20, depth: 8, sequential: true},
	}
	var all []workload
	for _, n := range []struct{ conns, units int }{{1, 1}, {4, 1}, {4, 4}} {
		for _, w := range one {
			if n.conns > 1 && w.depth == 1 || n.units > 1 && w.size > 64<<10 {
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
		if w.reads == 100 && w.conns == 1 {
			all = append(all, w)
		}
	}
	return all
}
