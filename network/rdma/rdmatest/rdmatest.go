// Package rdmatest checks that a provider of RDMA keeps the contract of package rdma.
//
// The dialing side always speaks first, as iWARP wants it (RFC 5044 7.1.2).
package rdmatest

import (
	"testing"

	"github.com/lunette-io/lunette/network/rdma"
)

// A Network is what the suite makes connections with.
type Network struct {
	// Listens and Dials are the two ends; they can be the same device. Whoever made them closes
	// them by t.Cleanup, which is after all that the suite does.
	Listens, Dials rdma.Device
	// Addr is where Listens can listen, HOST:0.
	Addr string
	Traits
}

// Traits are what providers may differ in.
type Traits struct {
	// Queue: a peer that sends more messages than Options.Messages loses the connection.
	Queue bool
	// Abrupt: an orderly end of one side may look like a loss to the other.
	Abrupt bool
}

// Test runs the suite. open is called for each test, and closes what it has made by t.Cleanup.
func Test(t *testing.T, open func(t testing.TB) Network) {
	for _, c := range []struct {
		name string
		f    func(t *testing.T, n Network)
	}{
		{"private data", testPrivate},
		{"reject", testReject},
		{"nobody listens", testNobody},
		{"listener", testListener},
		{"slow peers", testSlowPeers},
		{"dial gives up", testDialGivesUp},
		{"reads agreed on", testAgreed},
		{"many connections", testMany},

		{"messages", testMessages},
		{"message too long", testTooLong},
		{"messages too many", testTooMany},
		{"empty messages", testEmpty},
		{"conversation", testConversation},

		{"writes", testWrites},
		{"write before send", testWriteBeforeSend},
		{"reads", testReads},
		{"reads wait", testReadsWait},
		{"cancel", testCancel},
		{"cancel while busy", testCancelBusy},
		{"not started", testNotStarted},
		{"nothing at all", testZero},

		{"invalidate", testInvalidate},
		{"revoke", testRevoke},
		{"keys", testKeys},
		{"violations", testViolations},
		{"invalidate violations", testInvalidateViolations},

		{"close", testClose},
		{"close with reads", testCloseReads},
		{"close with an error", testCloseError},
		{"close in a handler", testCloseInHandler},
		{"close before start", testCloseBeforeStart},
		{"after the end", testAfterEnd},
		{"peer goes", testPeerGoes},

		{"load", testLoad},
		{"load ends", testLoadEnds},
		{"stats", testStats},
		{"model", testModel},
	} {
		t.Run(c.name, func(t *testing.T) { c.f(t, open(t)) })
	}
}
