package api

import (
	"fmt"
	"time"
)

// Version is the answer to GET /v1/version.
type Version struct {
	Version string    `json:"version"`
	Go      string    `json:"go"`
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
}

// A Target is one element of GET /v1/targets. What transports say of it (who may log in, and how) are
// fields beside these.
type Target struct {
	Name     string   `json:"name"`
	Alias    string   `json:"alias,omitempty"`
	LUNs     []LUN    `json:"luns"`
	Portals  []string `json:"portals"`  // TRANSPORT+PROVIDER://ADDRESS as they listen
	Sessions int      `json:"sessions"` // I_T nexuses now
	Columns  []Cell   `json:"columns,omitempty"`
	Notes    []Note   `json:"notes,omitempty"`

	Facts Facts `json:"-"`
}

// MarshalJSON implements [json.Marshaler].
func (t Target) MarshalJSON() ([]byte, error) {
	type plain Target
	t.Columns = append(t.Facts.Cells(), t.Columns...)
	return withFacts(plain(t), t.Facts)
}

// UnmarshalJSON implements [json.Unmarshaler]. The columns of facts are in Columns afterwards.
func (t *Target) UnmarshalJSON(text []byte) (err error) {
	type plain Target
	t.Facts, err = readFacts(text, (*plain)(t))
	return err
}

// A Note is what people have to be told beside a table.
type Note struct {
	Title string   `json:"title"` // such as "to attach TARGET by SRP"
	Lines []string `json:"lines"`
}

// A LUN is a logical unit that a target maps.
type LUN struct {
	LUN  int    `json:"lun"`
	Unit string `json:"unit"`
}

// String is the LUN as tables and the log have it.
func (l LUN) String() string { return fmt.Sprintf("%d=%s", l.LUN, l.Unit) }

// A Unit is one element of GET /v1/units: a logical unit. The counters are since the start. What the
// device and its stores say of themselves are fields beside these.
type Unit struct {
	Name    string   `json:"name"`
	Device  string   `json:"device"`            // the kind
	Filters []string `json:"filters,omitempty"` // the kinds, from the device to the store
	Counts
	Columns []Cell `json:"columns,omitempty"`

	Facts Facts `json:"-"`
}

// MarshalJSON implements [json.Marshaler].
func (u Unit) MarshalJSON() ([]byte, error) {
	type plain Unit
	u.Columns = append(u.Facts.Cells(), u.Columns...)
	return withFacts(plain(u), u.Facts)
}

// UnmarshalJSON implements [json.Unmarshaler]. The columns of facts are in Columns afterwards.
func (u *Unit) UnmarshalJSON(text []byte) (err error) {
	type plain Unit
	u.Facts, err = readFacts(text, (*plain)(u))
	return err
}

// A Session is one element of GET /v1/sessions: an initiator that is logged in. The
// counters are since its login.
type Session struct {
	ID          string       `json:"id"` // as the transport names it; for iSCSI the TSIH
	Transport   string       `json:"transport"`
	Initiator   string       `json:"initiator"`
	Alias       string       `json:"alias,omitempty"`
	Target      string       `json:"target,omitempty"` // none: a discovery session
	User        string       `json:"user,omitempty"`   // who it has proved to be
	Since       time.Time    `json:"since"`
	Connections []Connection `json:"connections"`
	Counts
}

// Counts are what the commands of a unit or of a session have come to.
type Counts struct {
	Commands int64 `json:"commands"` // that have ended or run
	// Errors are the commands that ended with CHECK CONDITION. Most of them were refused: hosts ask a disk
	// for more than it has when they attach it.
	Errors int64 `json:"errors"`
	// Failures are those errors that came of the store: data that cannot be read or written, or has no room.
	Failures     int64 `json:"failures"`
	BytesRead    int64 `json:"bytesRead"`    // by initiators
	BytesWritten int64 `json:"bytesWritten"` // by initiators
}

// A Connection is one connection of a session.
type Connection struct {
	ID      int    `json:"id"`
	Network string `json:"network"` // the provider: "tcp"
	Remote  string `json:"remote"`
	Local   string `json:"local"`

	// What it has cost, since it was made.
	PDUsIn   int64 `json:"pdusIn"` // from the initiator
	PDUsOut  int64 `json:"pdusOut"`
	Receives int64 `json:"receives"` // system calls
	Sends    int64 `json:"sends"`
	Copied   int64 `json:"copied"`  // bytes of payload copied in user space
	Blocked  int64 `json:"blocked"` // sends that waited for the initiator
	Queued   int64 `json:"queued"`  // bytes that wait to be sent now

	// Of RDMA: bytes that have come by reads of the initiator's memory, and how many of them were copied.
	Placed       int64 `json:"placed,omitempty"`
	CopiedPlaced int64 `json:"copiedPlaced,omitempty"`

	// Of memory that the initiator shares: how much of it is mapped now, and bytes that stores have read into it or written from it in place.
	Mapped int64   `json:"mapped,omitempty"`
	Lent   int64   `json:"lent,omitempty"`
	Queues []Queue `json:"queues,omitempty"` // that run now
}

// A Queue is one of several by which the requests of a connection come, each with a thread of its own. The counters are since the connection was made.
type Queue struct {
	ID       int     `json:"id"`
	Size     int     `json:"size"`             // requests that it has room for
	Packed   bool    `json:"packed,omitempty"` // of the two layouts that it may have
	Open     int     `json:"open"`             // requests that have not been answered
	Oldest   float64 `json:"oldest,omitempty"` // seconds since the oldest of these came
	Requests int64   `json:"requests"`
	Wakes    int64   `json:"wakes"`  // times that the initiator has woken us
	Polled   int64   `json:"polled"` // times that requests were there before that
	Calls    int64   `json:"calls"`  // times that we have woken the initiator
	Copied   int64   `json:"copied"` // bytes copied in user space
	Lent     int64   `json:"lent"`
}
