// Package rdmatest checks that a provider of RDMA keeps the contract of package rdma.
//
// The dialing side always speaks first, as iWARP wants it (RFC 5044 7.1.2).
package rdmatest

import (
	"bytes"
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
	// Asks and Rejects are how long the private data of a request and of a refusal can be; 0: rdma.MaxPrivate.
	Asks, Rejects int
	// Padded: private data comes with zeros behind it, as the messages of InfiniBand's communication manager have it.
	Padded bool
	// Adapter: an adapter does the works, or the kernel, and the provider learns less than software that does them itself. It does not see
	// Writes of the peer; Reads are answered whoever waits for what; how keys are chosen, and that they reach other connections of the device,
	// is not its doing; and a connection that was broken off, by its peer or for a reason that only the adapter knows, may look as if it had
	// ended in order, or as if it were lost. More Reads may be agreed on than were asked for. No handler may wait, since all connections are called by the same.
	Adapter bool
	// Standing: messages cannot end keys of the peer, or the peer does not learn which.
	Standing bool
	// Silent are violations, NAME, OP, after which an adapter says nothing and does nothing: they are not tried.
	Silent []string
}

// broken are the errors with which the peer of a side that has broken off may end: these, and perhaps none.
func (x Traits) broken(errs ...error) []error {
	if x.Adapter {
		errs = append(errs, nil, rdma.ErrLost)
	}
	return errs
}

// begun waits until a Write of from has begun, or, where nobody can tell, until it was posted.
func (x Traits) begun(from, to *side) {
	if x.Adapter {
		from.until("the begin", func() bool { return from.Stats().BytesOut > 0 })
		return
	}
	to.until("the begin", func() bool { return to.Stats().Placed > 0 })
}

// same reports that private data came as it was sent.
func (x Traits) same(sent, came []byte) bool {
	if x.Padded && len(came) > len(sent) && len(bytes.Trim(came[len(sent):], "\x00")) == 0 {
		came = came[:len(sent)]
	}
	return bytes.Equal(sent, came)
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
