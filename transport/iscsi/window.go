package iscsi

import "sync/atomic"

// A commandWindow is which command numbers a session takes (RFC 7143 4.2.2.1). A place in it is
// taken by a command that consumes a CmdSN, and free again when the response of the command is
// queued. Both numbers are read by whoever stamps an outgoing PDU, without a lock. Only who has
// the session's delivery changes exp; anybody advances max, which never goes back.
type commandWindow struct {
	exp, max atomic.Uint32

	// held: max stays where it is, and the places that are free are counted instead.
	held  atomic.Bool
	owing atomic.Uint32
}

// consume takes the number that is expected: it has come. The caller has the delivery.
func (w *commandWindow) consume() { w.exp.Add(1) }

// advanceMaxCmdSN opens the window for one command more.
func (w *commandWindow) advanceMaxCmdSN() {
	if w.held.Load() {
		w.owing.Add(1)
		if w.held.Load() {
			return
		}
		w.settle() // release has not seen it, perhaps
		return
	}
	w.max.Add(1)
}

// hold keeps the window from opening further, until release.
func (w *commandWindow) hold() { w.held.Store(true) }

// release opens the window by all that it would have been opened meanwhile.
func (w *commandWindow) release() {
	w.held.Store(false)
	w.settle()
}

func (w *commandWindow) settle() { w.max.Add(w.owing.Swap(0)) }
