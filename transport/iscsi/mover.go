// Package iscsi is the iSCSI SCSI transport (RFC 7143): nodes, sessions, connections and
// their tasks, the same over every datamover. RFC 5047 names the line between the two.
package iscsi

import (
	"errors"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// Errors that a mover gives back a transfer with.
var (
	// ErrDataDigest: the data digest of a Data-Out was wrong (RFC 7143 7.8).
	ErrDataDigest = errors.New("iscsi: data digest error")
	// ErrDataSequence: a Data-Out came with the wrong DataSN, offset or tag.
	ErrDataSequence = errors.New("iscsi: data-out out of sequence")
	// ErrDataAmount: a sequence of Data-Outs had more or less data than was asked for.
	ErrDataAmount = errors.New("iscsi: incorrect amount of data")
	// ErrTerminated: the connection has ended.
	ErrTerminated = errors.New("iscsi: connection terminated")
)

// A Mover carries the PDUs of one connection (RFC 5047 section 8). Over TCP it makes
// Data-In and R2T PDUs; over iSER it makes RDMA Writes and RDMA Reads.
//
// SendControl, PutData and GetData may be called from any goroutine, with locks held: they
// queue, in the order of the calls, and call nobody back. Flush sends.
type Mover interface {
	// Traits says what the session may do on this connection.
	Traits() Traits

	// Control returns an empty PDU for SendControl.
	Control() *PDU

	// SendControl sends p, which it takes (8.1).
	SendControl(p *PDU)

	// Enable makes the negotiated parameters effective for what is received from now
	// on, and for what is sent after the PDUs already given to SendControl: the last
	// of them is the final login response (8.4, 8.6, 8.8).
	Enable(p MoverParams)

	// PutData sends x.Data to the initiator (8.2). It takes x until DataMoved. false: the
	// connection has ended, x is not taken.
	PutData(x *Transfer) bool

	// GetData fills x from the initiator by a solicited transfer (8.3). It takes x
	// until DataMoved. false: the connection has ended, x is not taken.
	GetData(x *Transfer) bool

	// Flush sends what is queued. No lock may be held that DataMoved takes for a transfer that
	// was asked for by PutData or GetData: it is called from here. While
	// the mover hands over a batch of received PDUs it does nothing, since the mover
	// flushes at the end, unless much is queued.
	Flush()

	// Accept, called inside ControlArrived, puts the data segment of the PDU that is
	// being handled into x, as far as x.Len reaches; the rest is thrown away. If all of it
	// is here already it is done at once: done is true, and err as for DataMoved. Else
	// the mover takes x until DataMoved. Data that is not accepted is thrown away; if x.Len is
	// 0, and there is no x.Data, all of it is, and x only tells when it has come.
	Accept(x *Transfer) (done bool, err error)

	// Cancel takes x back from GetData or Accept (8.9, for one transfer). When it has
	// returned true nothing touches x.Data. It reports false when x has been given back
	// already, or is just being given back, or cannot be stopped any more, as an RDMA Read
	// that the peer was asked for: then DataMoved tells the end of it, and until then the
	// memory stays lent.
	Cancel(x *Transfer) bool

	// Terminate ends the connection because of err, nil if all is well; what was given to
	// SendControl before is still sent if the peer takes it at once (8.7). Terminated
	// is called when nothing uses the connection any more.
	Terminate(err error)

	// Detach takes the connection off the mover at a PDU boundary; only where Traits.Detaches.
	// The handler has frozen its session: it takes no PDU any more (ControlArrived reports
	// false), and no transfer is left but of data that is queued to be sent, which comes back
	// as if it had been sent. then is called when the mover has let the connection go, and
	// Terminated never is; or the connection ends first, and Terminated is called.
	Detach(then func(w Wire))

	// Stats are the counters of the connection.
	Stats() MoverStats
}

// A Wire is a connection in the hands of no mover: the connection itself, what it has brought of PDUs
// that were not handled, and what of PDUs was not sent. The package of its mover knows it.
type Wire interface {
	// Close closes the connection.
	Close() error
}

// A Handler is the session's side of a connection (RFC 5047 section 9).
type Handler interface {
	// ControlArrived delivers a PDU (9.1), in order, from one goroutine. It borrows p. false: the
	// PDU is not taken, and the mover keeps it, and what is behind it; see Mover.Detach.
	ControlArrived(p *Arrival) bool

	// DataMoved gives x back (9.3), on any goroutine.
	DataMoved(x *Transfer, err error)

	// Stamp sets the sequence numbers of an outgoing header: StatSN, ExpCmdSN and MaxCmdSN of
	// all, DataSN of a Data-In, ExpDataSN of a SCSI Response. owner is the Owner of the PDU,
	// or of the transfer whose data the PDU has. The mover calls it once for each PDU, when it
	// has been cut and goes out next, in the order of the wire: so the numbers are in that order,
	// and nobody has to know beforehand how a transfer will be cut. It may be called with locks of the
	// mover held, calls nobody back, and takes no lock under which another is taken. A PDU that
	// is never sent, since the connection has ended, gets none.
	Stamp(h *pdu.BHS, owner any)

	// Terminated tells once that the connection has ended and every transfer has been
	// given back (9.2).
	Terminated(err error)
}

// Traits are the differences between movers that the session must know.
type Traits struct {
	Name          string // "tcp", "iser"
	Network       string // what its portals are reached by: "tcp", "iwarp"; SendTargets shows those
	PhaseCollapse bool   // status may ride on the last Data-In
	Digests       bool   // header and data digests can be negotiated
	Detaches      bool   // the connection can be taken off its mover
	Local, Remote string // addresses, for people and for SendTargets

	// Fills: the mover fills what is promised of memory (buffer.Lease.Fill) when data comes for it.
	Fills bool

	// RDMA: data moves by remote memory access, not in PDUs, and the login must say so
	// (RFC 7145 6.3).
	RDMA bool
	// MaxControl is how long the data segment of a PDU to the initiator may be in full feature
	// phase of a normal session, whatever was negotiated; 0: as long as was negotiated.
	MaxControl int
	// Login is what the connection wants of its login; nil: what the node wants.
	Login *login.Config
}

// MoverParams are the negotiated values that the mover uses.
type MoverParams struct {
	HeaderDigest, DataDigest bool
	MaxRecv                  int // our MaxRecvDataSegmentLength
	MaxSend                  int // the peer's MaxRecvDataSegmentLength
	MaxBurst                 int // longest sequence of Data-In PDUs

	// Memory pays for what the mover keeps of PDUs that do not arrive; nil: before full feature
	// phase, where there are few connections and short PDUs.
	Memory *buffer.Purse

	// What says how much of a command's data-out comes unasked.
	InitialR2T bool
	FirstBurst int

	// What an initiator has declared that extends iSCSI for RDMA (RFC 7145 6.9, 6.10).
	WholeBuffer bool // TaggedBufferForSolicitedDataOnly=No
	Hello       bool // iSERHelloRequired=Yes
}

// An Arrival is a received PDU. It lies in the mover's memory until the handler returns.
type Arrival struct {
	H   *pdu.BHS
	AHS []byte
	// Data is the data segment, as far as it is here: all of it, unless Pending says how
	// many bytes are still to come (only with SCSI Command and Data-Out).
	Data    []byte
	Pending int
	// BadDigest: the data digest was wrong, Data is not to be used (7.8).
	BadDigest bool
	// Memory is what a SCSI Command says of the initiator's memory.
	Memory Memory

	retained bool // the session's: it came before its turn, and is a copy
}

// A PDU is an outgoing PDU that is not part of a data transfer. It comes from
// Mover.Control and goes back by SendControl.
type PDU struct {
	BHS  pdu.BHS
	Data []byte // the data segment; may be a slice of Room, or lie in Lease
	Room [288]byte
	// Lease has the data of what does not fit into Room. It is the mover's with the PDU, which
	// releases it when that was sent, or never will be: see Forget. nil over RDMA.
	Lease *buffer.Lease
	// Echo is set in answers that an initiator can ask for as often as it likes, and that the command
	// window does not bound: to pings and texts, and Rejects. While much of that is not sent the
	// mover takes nothing more from the connection.
	Echo bool
	// Memory is that of the command which a SCSI Response ends.
	Memory Memory
	Owner  any  // the session's, for Stamp
	Next   *PDU // for whoever owns the PDU
	Frame  any  // the mover's
}

// Forget gives back what p holds: it was sent, or never will be.
func (p *PDU) Forget() {
	if p.Lease != nil {
		p.Lease.Release()
	}
	p.Lease, p.Data, p.Owner, p.Echo = nil, nil, nil, false
}

// Memory is where the data of a command lies at the initiator: the mapping of its tag to
// remote memory (RFC 7145 4.1.3). The mover has it from the command; the session keeps it
// with the task and hands it back with all that the task moves and with its response. It
// does not look into it. Movers that move data in PDUs have none.
type Memory struct {
	In, Out Window
}

// Ends is the key that the response to the command takes back: it names one.
func (m *Memory) Ends() (key uint32, ok bool) {
	if m.In.Valid {
		return m.In.Key, true
	}
	return m.Out.Key, m.Out.Valid
}

// A Window is a piece of the initiator's memory that may be reached.
type Window struct {
	Valid    bool
	Key      uint32 // a capability: not for logs
	Base     uint64 // the address of the byte at From
	From, To uint32 // the part of the command's data that it has
}

// A Transfer is one piece of data of one task on its way. The session owns it; it lends it
// to the mover from PutData, GetData or Accept until DataMoved.
type Transfer struct {
	LUN    uint64
	ITT    uint32
	R2TSN  uint32 // GetData
	Offset uint32 // in the initiator's buffer
	Data   *buffer.Lease
	At     int64 // where in Data it begins
	Len    int64
	Put    bool // PutData: data-in
	// Window is the command's memory at the initiator.
	Window Window

	// Status merges the end of the command into the last Data-In (phase collapse).
	Status    bool
	SCSI      uint8
	Overflow  bool
	Underflow bool
	Residual  uint32

	Owner any // the session's

	// The mover's.
	Tag    uint32
	Moved  int64
	Expect uint32 // next DataSN
	Failed error
	Work   any
}

// MoverStats count what a connection has done.
type MoverStats struct {
	PDUsIn, PDUsOut     int64
	BytesIn, BytesOut   int64 // on the wire
	Receives, Sends     int64 // system calls
	DataOut             int64 // bytes of data-out received
	Placed              int64 // of these, bytes that RDMA Reads brought
	Copied              int64 // bytes of payload copied in user space
	CopiedPlaced        int64 // of these, bytes of RDMA Reads
	Digested            int64 // bytes of payload that a digest was computed over
	Blocked             int64 // sends that had to wait for the peer
	ReceiveAgain        int64 // receives that found nothing
	BytesQueued, Queued int64 // waiting to be sent now
}
