package nexus

import "sync/atomic"

// Own is what the initiator of a nexus has set of the unit for itself alone. The device server says
// what it means, and that it ends with a reset; with the nexus it ends by itself.
type Own struct {
	Settings Settings
	// Pages are the values of mode pages, nil where they are those after power on. The lock of the
	// device server's mode pages guards them.
	Pages [][]byte
}

// Settings are switches that every command may look at, without a lock. The zero value has all off.
type Settings struct{ bits atomic.Uint32 }

// A Setting is one of them.
type Setting uint32

// Has reports that x is on.
func (s *Settings) Has(x Setting) bool { return s.bits.Load()&uint32(x) != 0 }

// Put switches x on or off.
func (s *Settings) Put(x Setting, on bool) {
	if on {
		s.bits.Or(uint32(x))
	} else {
		s.bits.And(^uint32(x))
	}
}

// Take makes s what o is.
func (s *Settings) Take(o *Settings) { s.bits.Store(o.bits.Load()) }

// Each calls f for every nexus that is logged in, with the lock of the table held.
func (tb *Table) Each(f func(*Nexus)) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	for n := range tb.all {
		f(n)
	}
}
