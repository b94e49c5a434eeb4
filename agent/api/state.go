package api

import "github.com/lunette-io/lunette/agent/state"

// A Generation is the answer to GET /v1/history/N.
type Generation struct {
	state.Meta
	Text string `json:"text" doc:"The document as it was written, in YAML or JSON."`
}

// GapEvent is the name, in a stream of events, of what stands where some are not kept any more.
const GapEvent = "gap"

// Reservations are the answer to GET /v1/units/NAME/reservations: the persistent reservations of a logical unit
// (SPC-5 5.14).
type Reservations struct {
	Unit          string         `json:"unit"`
	Generation    uint32         `json:"generation" doc:"PRGENERATION: how often the registrations have changed."`
	Type          string         `json:"type,omitempty" doc:"Of the reservation; none: nobody holds one."`
	Registrations []Registration `json:"registrations"`
	Persist       bool           `json:"persist" doc:"They outlive a loss of power (APTPL)."`
}

// A Registration is the key of one I_T nexus.
type Registration struct {
	Initiator string `json:"initiator" doc:"The name of its port."`
	Target    string `json:"target"`
	Port      uint16 `json:"port" doc:"RELATIVE TARGET PORT IDENTIFIER."`
	User      string `json:"user,omitempty" doc:"Who has proved to be there."`
	Key       string `json:"key" doc:"The reservation key, as 0x and 16 hexadecimal digits."`
	Holder    bool   `json:"holder,omitempty" doc:"It holds the reservation."`
}
