// Package nport is an N_Port: exchanges, sequences and their identifiers, time-outs and recovery qualifiers (FC-FS-5), and
// logins with other ports (FC-LS-4), for one FC-4 protocol above it and on any network of package fc.
package nport

import "github.com/lunette-io/lunette/network/fc"

// An Upper is an FC-4 protocol: FCP's target or initiator. The port holds no lock when it calls it. All calls but Sent come one at a time,
// on the goroutine that has received, on the port's clock, or on one that has called Remote.Logout or Port.Close; none may wait.
// All methods of this package but Port.Close and Connect may be called from them.
type Upper interface {
	// Login is asked when r wants to log in a process of the protocol (PRLI), or has accepted ours: params are its service
	// parameters. It answers with its own, and with a response code of 1 if r may log in. If r was logged in, that login has
	// ended (LoggedOut was called). A Remote stands for one login: it comes once, and after a response other than 1 nothing more is
	// heard of it.
	Login(r *Remote, params uint32) (own uint32, response uint8)
	// LoggedOut tells that a login has ended: by LOGO, PRLO, a new PLOGI or PRLI, the end of the link, or [Remote.Logout].
	// No frame of its exchanges is delivered any more, and what the upper layer posts is given back; it closes each.
	LoggedOut(r *Remote, why error)
	// Command delivers the first frame of an exchange that r, which is logged in, has originated: one sequence
	// of one frame. It borrows f. The upper layer accepts it ([Remote.Accept]), or nothing happens.
	Command(r *Remote, f *fc.Frame)
	// Frame delivers any other frame of an exchange: f belongs to x by all of its identifiers, its originator or responder
	// bit, and the addresses. It borrows f.
	Frame(x *Exchange, f *fc.Frame)
	// Abort tells that r wants x to end (ABTS); it calls done, once, on any goroutine, when nothing of x is sent any more:
	// then the port answers, and keeps the identifiers from being used. The upper layer closes x as ever, perhaps before. No frame of
	// x is delivered any more, and what is posted is not taken; if x was finished, it is not Forgotten but ends with this.
	Abort(x *Exchange, done func())
	// Status is asked for REC: how far x is.
	Status(x *Exchange) Status
	// Retransmit asks for a part of x again (SRR, FCP-5): from the byte at offset of the information unit of category rctl.
	// false: it cannot be had, and the port answers so. What is posted from it leaves after the answer.
	Retransmit(x *Exchange, rctl fc.RCtl, offset uint32) bool
	// Forgotten tells that x, which was kept after its end ([Exchange.Finish]), has to go: it is old, or its identifiers are used again.
	// The upper layer closes it, at once or when Sent has given back what is posted.
	Forgotten(x *Exchange)
	// Sent gives back a sequence that was posted; see [fc.Handler].
	Sent(x *Exchange, s *fc.Sequence, err error)
}

// A Status is how far an exchange is, for REC.
type Status struct {
	Transferred uint32 // bytes of the command's data (the FC-4 value)
	// Complete: the response has been sent. Initiative: this end has the sequence initiative.
	Complete, Initiative bool
	// Unconfirmed: the response has been sent, the other end is to confirm it, and has not; and it may know nothing of the exchange but its OX_ID. Exchanges
	// that are complete are found by RX_ID as well else: one whose RX_ID nobody knows is a new one with the same OX_ID, which was lost.
	Unconfirmed bool
}
