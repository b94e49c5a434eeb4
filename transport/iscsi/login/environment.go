package login

import (
	"errors"
	"fmt"

	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// A Request is who wants to log in to what, as the first request of a
// connection says it.
type Request struct {
	InitiatorName  string // normalized
	InitiatorAlias string // "" if none came
	TargetName     string // normalized; may be "" in a discovery session
	Discovery      bool
	ISID           pdu.ISID
	TSIH           uint16 // 0: a new session; else the session that the connection shall join
	CID            uint16
}

// A Target is the environment's answer to a Request it lets go on.
type Target struct {
	// PortalGroup is the tag that is declared in a normal session.
	PortalGroup uint16

	// Alias is declared once the initiator is authenticated; "" is not.
	Alias string

	// Auth is one run of the authentication that this initiator must pass, fresh
	// for this connection; nil: none is needed.
	Auth Authenticator

	// Redirect is where the initiator shall go, as a TargetAddress without
	// portal group tag. It goes out with the statuses LoginMovedTemporarily and
	// LoginMovedPermanently.
	Redirect string
}

// An Environment is what a login asks of the program around it. Its methods are
// called from Step.
type Environment interface {
	// Target decides on the first request, before any authentication:
	// LoginSuccess lets it go on, any other status ends it. What it answers is
	// told to anybody who asks; a target that shall stay unknown to an initiator
	// is answered with LoginNotFound, as one that does not exist.
	Target(r *Request) (Target, pdu.LoginStatus)

	// Admit decides at the end, before the last response is made: it makes the
	// session (or reinstates or joins one) and returns its TSIH, which is not 0.
	// Any status but LoginSuccess refuses the login instead. r stays valid and
	// is not changed afterwards but for its TSIH.
	Admit(r *Result) (tsih uint16, status pdu.LoginStatus)
}

// An Authenticator is one run of an authentication method on the target's side,
// for one connection.
type Authenticator interface {
	// Method is its name in AuthMethod.
	Method() string

	// Owns reports whether a key belongs to the method.
	Owns(key string) bool

	// Next takes the initiator's keys of one request, in order, and returns the
	// answer. done means that the initiator has proved who it is. An error ends
	// the login with status 0201; it must not hold secrets, since it is logged.
	Next(in []Pair) (out []Pair, done bool, err error)

	// User is the name that was proved; valid once done.
	User() string
}

// A Result is what a login came to.
type Result struct {
	Request
	PortalGroup uint16
	AuthMethod  string // the method that was passed; "None" if none was
	User        string // the name proved by the method
	CmdSN       uint32 // of the first request: where the command numbers of a new session start
	ExpStatSN   uint32 // of the first request
	Params      Params
}

// A Failure ends a login with a status. Why is for logs only; the peer gets the
// status.
type Failure struct {
	Status pdu.LoginStatus
	Why    string
}

// Error is the status and the reason.
func (f *Failure) Error() string {
	return fmt.Sprintf("login refused, status %04x (%v): %s", uint16(f.Status), f.Status, f.Why)
}

// ErrEnded is what Step returns after the login has succeeded or failed.
var ErrEnded = errors.New("the login has ended")

// fail makes a Failure.
func fail(status pdu.LoginStatus, format string, args ...any) *Failure {
	return &Failure{Status: status, Why: fmt.Sprintf(format, args...)}
}
