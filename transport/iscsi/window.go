package iscsi

import "sync/atomic"

// A commandWindow is which command numbers a session takes (RFC 7143 4.2.2.1). A place in it is
// taken by a command that consumes a CmdSN, and free again when the response of the command is
// queued. Both numbers are read by whoever stamps an outgoing PDU, without a lock. Only who has
// the session's delivery changes exp; anybody advances max, which never goes back.
type commandWindow struct{ exp, max atomic.Uint32 }

// consume takes the number that is expected: it has come. The caller has the delivery.
func (w *commandWindow) consume() { w.exp.Add(1) }

// advanceMaxCmdSN opens the window for one command more.
func (w *commandWindow) advanceMaxCmdSN() { w.max.Add(1) }
