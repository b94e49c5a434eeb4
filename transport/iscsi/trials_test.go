package iscsi

import (
	"fmt"
	"testing"
)

// A few wrong proofs are free, then answers come later and later, up to a bound; for the user who was
// tried at the address alone.
func TestTrialsAreSlowed(t *testing.T) {
	var tr trials
	note := func(now int64, address, user string, good bool, want int64) {
		t.Helper()
		if wait, _ := tr.note(now, address, user, good); wait != want {
			t.Errorf("second %d, %s at %s, good %v: %d s late, want %d", now, user, address, good, wait, want)
		}
	}
	for i, want := range []int64{0, 0, 0, 1, 2, 4, 8, 8, 8} {
		note(int64(i), "a", "alice", false, want)
	}
	note(9, "a", "alice", true, 8) // neither is told by when it is answered
	note(9, "a", "alice", true, 0) // who has proved it is known again
	note(9, "a", "bob", true, 0)
	note(9, "b", "alice", true, 0)
	for range 3 {
		note(10, "a", "alice", false, 0)
	}
	note(11, "a", "alice", false, 1)
	note(11+forgetTrials, "a", "alice", false, 0)
	if _, failed := tr.note(12+forgetTrials, "a", "alice", false); failed != 2 {
		t.Errorf("%d failures", failed)
	}
}

// Who tries many names at an address is slowed for all of them, whether they exist or not.
func TestTrialsOfManyNames(t *testing.T) {
	var tr trials
	for i := range freeOfAddress {
		if wait, _ := tr.note(0, "a", fmt.Sprint("user", i), false); wait != 0 {
			t.Errorf("name %d: %d s late", i, wait)
		}
	}
	for i := range 10 {
		if wait, _ := tr.note(0, "a", fmt.Sprint("new", i), false); wait != min(longestWait, int64(1)<<i) {
			t.Errorf("name %d more: %d s late", i, wait)
		}
	}
	if wait, _ := tr.note(0, "a", "alice", true); wait != longestWait {
		t.Errorf("alice: %d s late", wait)
	}
}

// What is remembered is bounded, and who trials at one address does not make another forgotten that
// trials more.
func TestTrialsAreBounded(t *testing.T) {
	var tr trials
	for i := range 3 * maxTriers {
		tr.note(int64(i), fmt.Sprint("address", i), "alice", false)
		tr.note(int64(i), "steady", "alice", false)
		tr.note(int64(i), fmt.Sprint("good", i), "alice", true) // leaves nothing behind
		if len(tr.of) > maxTriers {
			t.Fatalf("%d addresses", len(tr.of))
		}
	}
	if wait, failed := tr.note(3*maxTriers, "steady", "alice", false); wait != longestWait || failed != 3*maxTriers+1 {
		t.Errorf("%d s late after %d failures", wait, failed)
	}
}

func TestAddressOf(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:99": "192.0.2.1", "[::ffff:192.0.2.1]:99": "192.0.2.1", "[2001:db8:1:2:3:4:5:6]:99": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:7": "fe80::/64%eth0", "a device": "a device", "": "",
	} {
		if got := ownerOf(remote); got != want {
			t.Errorf("%q is %q, want %q", remote, got, want)
		}
	}
}
