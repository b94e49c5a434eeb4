package login

import (
	"errors"
	"fmt"

	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// A Request is who wants to log in to what, as the first request of a
// connection says it.
type Request struct {
	InitiatorName  string // as InitiatorName returns it, for comparing
	InitiatorAlias string // "" if none came
	TargetName     string // as NormalizeName returns it; may be "" in a discovery session
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

	// Auth is one run of the authentication that this initiator must pass, made for this
	// connection alone; nil: none is needed.
	Auth Authenticator

	// Redirect is where the initiator shall go, as a TargetAddress without
	// portal group tag. It goes out with the statuses LoginMovedTemporarily and
	// LoginMovedPermanently.
	Redirect string

	// Why is the true reason of a status that ends the login, for logs alone.
	Why string
}

// An Environment decides for the program around the login who is let in, and as what. Step calls its
// methods on its own goroutine, and waits for them.
type Environment interface {
	// Target decides by the names of the first request, before any authentication: LoginSuccess
	// lets the login go on, any other status ends it. Anybody who asks is told the status, so that
	// a target whose existence an initiator shall not learn of is answered with LoginNotFound, like
	// one that does not exist.
	Target(r *Request) (Target, pdu.LoginStatus)

	// Tried tells of a proof that the initiator has tried, of the name that it says it has; nil: it was
	// good. It may wait before it returns.
	Tried(user string, err error)

	// Admit decides at the end, when the initiator has proved all that it must and before the
	// last response is made: it makes a session, replaces one, or adds the connection to one, and
	// returns the TSIH of the session, which is not 0. Any status but LoginSuccess refuses the
	// login instead; why is the true reason, for logs alone. r stays valid, and afterwards nothing
	// of it changes but its TSIH.
	Admit(r *Result) (tsih uint16, status pdu.LoginStatus, why string)
}

// An Authenticator is one run of an authentication method on the target's side,
// for one connection.
type Authenticator interface {
	// Method is its name in AuthMethod.
	Method() string

	// Owns reports whether a key belongs to the method.
	Owns(key string) bool

	// Next takes the keys of one request that the method owns, in their order, and returns the
	// answer. If done is true the initiator has proved who it is. An error ends the login with
	// status 0201 (authentication failure); it has no secret in it, since it goes to the log.
	Next(in []Pair) (out []Pair, done bool, err error)

	// Claims is the name that the initiator has tried to prove, good or not; "" before.
	Claims() string

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
	// Redirect, of a refusal that a client has got, is where it is sent: a TargetAddress; "": nowhere.
	Redirect string
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
