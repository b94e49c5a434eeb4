// Package movertest checks that a datamover keeps the contract of iscsi.Mover.
package movertest

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// A Peer is the other end of the mover under test, the initiator's.
type Peer interface {
	// Send sends a PDU with its data segment.
	Send(h *pdu.BHS, data []byte) error
	// SendPart sends a PDU of which only the first n bytes of the data segment come; the
	// result sends the rest. Where a PDU comes whole or not at all the result sends all of it.
	SendPart(h *pdu.BHS, data []byte, n int) (rest func() error, err error)
	// Receive waits for the next control PDU.
	Receive() (pdu.BHS, []byte, error)
	// Command sends a SCSI Command that reads in bytes, or else writes out, nothing of it
	// unasked.
	Command(itt uint32, in int, out []byte) error
	// Data waits until all n bytes of data-in of the task have come and returns them. The
	// status comes with them, if the mover collapses phases, else behind them.
	Data(itt uint32, n int) ([]byte, error)
	// Answer answers the R2T with data, which is the command's. Where the peer's memory is
	// read it does nothing.
	Answer(itt uint32, data []byte) error
	// Digests makes the parameters effective on this side.
	Digests(header, data bool)
	Close() error
}

// A Pair is a mover that is not running yet, and its peer.
type Pair struct {
	Mover iscsi.Mover
	Start func(h iscsi.Handler)
	Peer  Peer
	// Attach makes a mover that goes on with a wire, where movers let their connections go, and
	// returns it with what starts it.
	Attach func(w iscsi.Wire) (iscsi.Mover, func(h iscsi.Handler), error)
}

// A handler records what the mover tells.
type handler struct {
	t      testing.TB
	accept func(p *iscsi.Arrival)

	mu      sync.Mutex
	arrived []pdu.BHS
	data    [][]byte
	memory  iscsi.Memory // of the PDU that arrived last
	moved   map[*iscsi.Transfer]error
	again   int // transfers that were given back twice
	stamp   uint32
	frozen  bool // nothing is taken any more
	ended   int
	cause   error
	changed chan struct{}
	over    chan struct{} // closed by Terminated
}

func newHandler(t testing.TB) *handler {
	return &handler{t: t, moved: make(map[*iscsi.Transfer]error), changed: make(chan struct{}, 1), over: make(chan struct{})}
}

func (h *handler) note() {
	select {
	case h.changed <- struct{}{}:
	default:
	}
}

func (h *handler) ControlArrived(p *iscsi.Arrival) bool {
	h.mu.Lock()
	if h.frozen {
		h.mu.Unlock()
		h.note()
		return false
	}
	h.arrived = append(h.arrived, *p.H)
	h.data = append(h.data, bytes.Clone(p.Data))
	h.memory = p.Memory
	accept := h.accept
	h.mu.Unlock()
	if accept != nil {
		accept(p)
	}
	h.note()
	return true
}

func (h *handler) DataMoved(x *iscsi.Transfer, err error) {
	h.mu.Lock()
	if _, twice := h.moved[x]; twice {
		h.again++
	}
	h.moved[x] = err
	h.mu.Unlock()
	h.note()
}

func (h *handler) Stamp(b *pdu.BHS, owner any) {
	h.stamp++ // one at a time, in the order of the wire: the race detector watches
	b.SetNumbers(h.stamp, 0, 0)
	if n, ok := owner.(*uint32); ok {
		b.SetDataSN(*n)
		*n++
	}
}

func (h *handler) Terminated(err error) {
	h.mu.Lock()
	if h.ended++; h.ended == 1 {
		close(h.over)
	}
	h.cause = err
	h.mu.Unlock()
	h.note()
}

// until waits for a condition on what the handler knows.
func (h *handler) until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	stop := time.After(5 * time.Second)
	for {
		h.mu.Lock()
		yes := ok()
		h.mu.Unlock()
		if yes {
			return
		}
		select {
		case <-h.changed:
		case <-time.After(10 * time.Millisecond):
		case <-stop:
			t.Fatalf("it did not come: %s", what)
		}
	}
}

// A bench is a running pair.
type bench struct {
	Pair
	h *handler
}

// command has the peer send a SCSI Command and returns what it advertises.
func (b *bench) command(t testing.TB, itt uint32, in int, out []byte) iscsi.Memory {
	t.Helper()
	n := b.arrived()
	must(t, b.Peer.Command(itt, in, out))
	b.h.until(t, "the command", func() bool { return len(b.h.arrived) > n })
	b.h.mu.Lock()
	defer b.h.mu.Unlock()
	return b.h.memory
}

// arrived is how many PDUs have come.
func (b *bench) arrived() int {
	b.h.mu.Lock()
	defer b.h.mu.Unlock()
	return len(b.h.arrived)
}

// returned reports that x has been given back.
func (b *bench) returned(x *iscsi.Transfer) bool {
	b.h.mu.Lock()
	defer b.h.mu.Unlock()
	_, ok := b.h.moved[x]
	return ok
}

// rdma reports that the mover reads the peer's memory: then a transfer is answered at once,
// and cannot be taken back once it has been asked for; and PDUs come whole.
func (b *bench) rdma() bool { return b.Mover.Traits().RDMA }

func (b *bench) gotBack(t testing.TB, x *iscsi.Transfer) error {
	t.Helper()
	b.h.until(t, "DataMoved", func() bool { _, ok := b.h.moved[x]; return ok })
	b.h.mu.Lock()
	defer b.h.mu.Unlock()
	return b.h.moved[x]
}

var full = iscsi.MoverParams{MaxRecv: 262144, MaxSend: 65536, MaxBurst: 262144}

// Test runs the suite; connect makes a pair for one test.
func Test(t *testing.T, connect func(t *testing.T) Pair) {
	begin := func(t *testing.T, p iscsi.MoverParams) *bench {
		b := &bench{Pair: connect(t), h: newHandler(t)}
		b.h.accept = func(a *iscsi.Arrival) { // the first PDU is the login
			b.h.mu.Lock()
			b.h.accept = nil
			b.h.mu.Unlock()
			b.Mover.SendControl(b.Mover.Control())
			b.Mover.Enable(p)
		}
		b.Start(b.h)
		must(t, b.Peer.Send(nop(0), nil))
		if _, _, err := b.Peer.Receive(); err != nil {
			t.Fatal(err)
		}
		b.Peer.Digests(p.HeaderDigest, p.DataDigest)
		t.Cleanup(func() {
			b.Mover.Terminate(nil)
			_ = b.Peer.Close()
			select {
			case <-b.h.over:
			case <-time.After(5 * time.Second):
				t.Fatal("the mover does not end")
			}
			if b.h.ended != 1 {
				t.Errorf("Terminated was called %d times", b.h.ended)
			}
			if b.h.again != 0 {
				t.Errorf("%d transfers were given back twice", b.h.again)
			}
		})
		return b
	}
	params := map[string]iscsi.MoverParams{"plain": full}
	traits := connect(t).Mover.Traits()
	if traits.Digests {
		d := full
		d.HeaderDigest, d.DataDigest = true, true
		params["digests"] = d
	}
	for name, p := range params {
		t.Run(name, func(t *testing.T) {
			t.Run("control", func(t *testing.T) { testControl(t, begin(t, p)) })
			t.Run("data-in", func(t *testing.T) { testPut(t, begin(t, p)) })
			t.Run("data-out", func(t *testing.T) { testGet(t, begin(t, p)) })
			t.Run("accept", func(t *testing.T) { testAccept(t, begin(t, p)) })
			t.Run("cancel", func(t *testing.T) { testCancel(t, begin(t, p)) })
			t.Run("terminate", func(t *testing.T) { testTerminate(t, begin(t, p)) })
			t.Run("peer goes", func(t *testing.T) { testPeerGoes(t, begin(t, p)) })
			if !traits.Detaches { // its connections stay where they are
				return
			}
			t.Run("detach", func(t *testing.T) { testDetach(t, begin(t, p), p) })
			t.Run("detach a connection that ends", func(t *testing.T) { testDetachEnded(t, begin(t, p)) })
			for range 20 {
				t.Run("detach or end", func(t *testing.T) { testDetachOrEnd(t, begin(t, p)) })
			}
		})
	}
}
