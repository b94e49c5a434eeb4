// Package guardtest has memory that goes away, for tests of those who touch the memory of others.
package guardtest

// Page is how much of memory goes away at a time, or a multiple of it.
const Page = 64 << 10

// Memory is memory of a file that can be cut short while it is mapped: what lies beyond its end then ends a process that touches it.
type Memory struct {
	Mem []byte
	cut func(n int)
}

// Cut leaves the first n bytes, of which the last page stays in whole.
func (m *Memory) Cut(n int) { m.cut(n) }
