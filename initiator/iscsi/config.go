package iscsi

import (
	"strconv"

	"github.com/lunette-io/lunette/transport/iscsi/auth"
	"github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// Config says who logs in to what, and how.
type Config struct {
	InitiatorName string
	TargetName    string // "": a discovery session
	ISID          pdu.ISID
	TSIH          uint16 // not 0: the session that the connection joins; see [Conn.Join]
	CID           uint16

	// Account is what the initiator proves itself with by CHAP; nil: no authentication.
	Account *auth.Account
	// TargetAccount, if not nil, is what the target must prove in return.
	TargetAccount *auth.Account
	// Algorithms is the CHAP_A list in the order of preference; empty: all.
	Algorithms []auth.Algorithm

	// Login has the parameters that are offered; [DefaultLogin] if its MaxRecvDataSegmentLength is 0.
	Login login.Config
	// Offers, if not nil, are the operational keys to send, as they are, instead of Login.
	Offers []login.Pair

	// Events tells what is not part of a command; nil fields are not called.
	Events Events

	// Silent makes the connection answer no NOP-In, as a host that hangs.
	Silent bool
	// Withhold makes the connection answer no R2T; [Events.R2T] tells of them.
	Withhold bool

	joined login.Params // of the session that the connection joins
}

// Events are calls from Poll, Wait and everything that waits. What they get is only
// valid during the call.
type Events struct {
	Async  func(a pdu.Async, data []byte)
	Reject func(r pdu.Reject, of *pdu.BHS)
	R2T    func(r pdu.R2T)
	// Arrived sees the header of every PDU before it is handled.
	Arrived func(h *pdu.BHS)
}

// DefaultLogin is what a fast initiator offers: immediate and unsolicited data, large
// bursts, no digests.
func DefaultLogin() login.Config {
	c := login.DefaultConfig()
	c.HeaderDigest, c.DataDigest = login.None, login.None
	c.MaxOutstandingR2T = 4
	c.ProtocolLevel = 2
	return c
}

// Offers makes the operational keys that ask for what w says.
func Offers(w login.Config, discovery bool) []login.Pair {
	number := func(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
	p := []login.Pair{
		{Key: "HeaderDigest", Value: w.HeaderDigest},
		{Key: "DataDigest", Value: w.DataDigest},
		{Key: "MaxRecvDataSegmentLength", Value: number(w.MaxRecvDataSegmentLength)},
		{Key: "DefaultTime2Wait", Value: number(w.DefaultTime2Wait)},
		{Key: "DefaultTime2Retain", Value: number(w.DefaultTime2Retain)},
		{Key: "ErrorRecoveryLevel", Value: number(w.ErrorRecoveryLevel)},
	}
	if discovery {
		return p
	}
	return append(p, []login.Pair{
		{Key: "MaxConnections", Value: number(w.MaxConnections)},
		{Key: "InitialR2T", Value: login.FormatBool(w.InitialR2T)},
		{Key: "ImmediateData", Value: login.FormatBool(w.ImmediateData)},
		{Key: "MaxBurstLength", Value: number(w.MaxBurstLength)},
		{Key: "FirstBurstLength", Value: number(w.FirstBurstLength)},
		{Key: "MaxOutstandingR2T", Value: number(w.MaxOutstandingR2T)},
		{Key: "DataPDUInOrder", Value: login.FormatBool(w.DataPDUInOrder)},
		{Key: "DataSequenceInOrder", Value: login.FormatBool(w.DataSequenceInOrder)},
		{Key: "TaskReporting", Value: w.TaskReporting},
		{Key: "iSCSIProtocolLevel", Value: number(w.ProtocolLevel)},
	}...)
}

// offers are the keys that c sends. A connection that joins a session sends only those of
// the connection: the others are the session's and settled.
func (c *Config) offers() []login.Pair {
	switch {
	case c.Offers != nil:
		return c.Offers
	case c.TSIH != 0:
		return Offers(c.Login, true)[:3]
	}
	return Offers(c.Login, c.TargetName == "")
}

func (c *Config) prover() login.Prover {
	if c.Account == nil {
		return nil
	}
	return auth.NewInitiator(*c.Account, c.TargetAccount, c.Algorithms...)
}
