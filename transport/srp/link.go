package srp

import (
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// A link is the life of a channel's connection, from the login to the last word:
//
//	           begin                Closed: the connection has ended
//	admitted ─────────► started ───────────────────────────────────────┐
//	   │                   │                                           │
//	   │ leave             │ leave: T_LOGOUT is posted, or there is    │
//	   │                   │ nobody to tell                            ▼
//	   │                   ▼                  close        Closed     over
//	   └─────────────► leaving ────────────► closing ──────────────────►
//	         begin
//
// From leaving on what the initiator sends is not looked at any more; its requests go on until
// the connection has ended.
type link struct {
	// conn is set once, by begin, and so is the final info. The link's own methods look at them
	// with mu; the connection calls nobody before they are set, so that everybody whom it has
	// called, or who answers a request that came by it, takes no lock for that.
	conn rdma.Conn
	info rdma.Info

	noteLogout bool // T_LOGOUT wakes the initiator

	heard   atomic.Bool // something has come: the initiator can be told something
	leaving atomic.Bool // set with mu

	mu         sync.Mutex
	started    bool
	gentle     bool // what is posted may still be sent
	suppressed bool // the initiator ends the channel: it is told nothing
	logoutDone bool // what the initiator is told has left, or never will
	reason     iu.LogoutReason
	cause      error
}

func (l *link) init(x *iu.LoginRequest, info *rdma.Info) {
	l.info, l.noteLogout = *info, x.LogoutSolicited
}

// begin starts the connection for h. If the channel was ended in the meantime that is done now.
func (l *link) begin(conn rdma.Conn, h rdma.Handler) {
	l.mu.Lock()
	l.conn, l.info = conn, conn.Info()
	l.mu.Unlock()
	conn.Start(h)
	l.mu.Lock()
	l.started = true
	leaving := l.leaving.Load()
	if leaving {
		l.sendLogout()
	}
	l.mu.Unlock()
	if leaving {
		l.close()
	}
}

// received notes that something has come. It reports whether it is looked at.
func (l *link) received() bool {
	if !l.heard.Load() {
		l.heard.Store(true)
	}
	return !l.leaving.Load()
}

// suppressLogout notes that the initiator is told nothing of the end.
func (l *link) suppressLogout() {
	l.mu.Lock()
	l.suppressed = true
	l.mu.Unlock()
}

// end ends the channel from our side, with a word to the initiator. If it is not gentle nothing
// waits for it to hear that. No lock is held.
func (l *link) end(r iu.LogoutReason, cause error, gentle bool) {
	if l.leave(r, cause, gentle) {
		l.close()
	}
}

// leave does all of it but the end of the connection, which is left to the caller if it is true.
func (l *link) leave(r iu.LogoutReason, cause error, gentle bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leaving.Load() {
		return false
	}
	l.leaving.Store(true)
	l.gentle, l.reason, l.cause = gentle, r, cause
	if l.started {
		l.sendLogout()
	}
	return l.started
}

// sendLogout sends a T_LOGOUT. An initiator that has sent nothing yet may not be ready for one: with
// MPA its first message is what lets us send. l.mu is held.
func (l *link) sendLogout() {
	x := iu.TLogout{Solicited: l.noteLogout, Reason: l.reason}
	if l.suppressed || !l.heard.Load() || !sendNote(l.conn, x.Append(nil), l.noteLogout, true) {
		l.logoutDone = true
	}
}

func (l *link) logoutSent() {
	l.mu.Lock()
	l.logoutDone = true
	l.mu.Unlock()
}

// isLogoutDone reports that the initiator has been told, or cannot be any more.
func (l *link) isLogoutDone() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.logoutDone
}

// close ends the connection of a channel that is leaving. No lock is held.
func (l *link) close() {
	l.mu.Lock()
	gentle, cause := l.gentle, l.cause
	l.mu.Unlock()
	if gentle {
		l.conn.Close(nil)
		return
	}
	l.conn.Flush()
	l.conn.Close(cause)
}

// closed notes that the connection has ended because of err, and returns what that is due to.
func (l *link) closed(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leaving.Store(true)
	l.logoutDone = true
	if l.cause == nil {
		l.cause = err
	}
	return l.cause
}

// live is the connection, if the initiator is to go on with it; else nil.
func (l *link) live() rdma.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.started || l.leaving.Load() {
		return nil
	}
	return l.conn
}

// describe is the connection for people; nil as long as the login is being answered: the initiator
// may know before us that it is made.
func (l *link) describe() (rdma.Info, rdma.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.info, l.conn
}
