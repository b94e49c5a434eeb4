package iscsi

import "testing"

// Connections that end to make room keep others of their address out, and not those of an address of which
// none is ending, but for a bound on all.
func TestTooFastIsOfAnAddress(t *testing.T) {
	n, err := NewNode(Config{Limits: Limits{MaxConnections: 100, MaxLogins: 8}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = n.Shutdown(t.Context()) }()
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []*Conn
	ends := func(address string) {
		c := &Conn{}
		c.place.address = address
		n.closes(c)
		all = append(all, c)
	}
	for range 9 {
		if n.tooFast("greedy") {
			t.Fatalf("after %d", len(all))
		}
		ends("greedy")
	}
	if !n.tooFast("greedy") || n.tooFast("modest") {
		t.Errorf("of 9 that end: greedy %v, modest %v", n.tooFast("greedy"), n.tooFast("modest"))
	}
	ends("a")
	ends("b")
	if !n.tooFast("modest") {
		t.Error("there is no bound on all")
	}
	for _, c := range all {
		n.goes(c)
	}
	if n.tooFast("greedy") || len(n.doors.closingOf) != 0 || n.doors.closing != 0 {
		t.Errorf("left: %v, %d", n.doors.closingOf, n.doors.closing)
	}
}
