package login

import (
	"fmt"
	"strconv"
	"strings"
)

// DefaultMaxRecv is the MaxRecvDataSegmentLength of a peer that declares none.
const DefaultMaxRecv = 8192

// Values of TaskReporting (RFC 7143 section 13.23).
const (
	TaskReportingRFC3720       = "RFC3720"
	TaskReportingResponseFence = "ResponseFence"
	TaskReportingFastAbort     = "FastAbort"
)

// Params is what a login settled, for one connection (both digests and both
// data segment lengths) and its session (the rest). Lengths are in bytes, times
// in seconds.
type Params struct {
	HeaderDigest bool // CRC32C
	DataDigest   bool // CRC32C

	MaxRecvDataSegmentLength uint32 // what this side declared: the most it receives in one PDU
	MaxSendDataSegmentLength uint32 // what the peer declared: the most this side may send in one PDU

	MaxConnections      uint32
	InitialR2T          bool
	ImmediateData       bool
	MaxBurstLength      uint32
	FirstBurstLength    uint32 // never above MaxBurstLength
	DefaultTime2Wait    uint32
	DefaultTime2Retain  uint32
	MaxOutstandingR2T   uint32
	DataPDUInOrder      bool
	DataSequenceInOrder bool
	ErrorRecoveryLevel  uint32
	TaskReporting       string
	ProtocolLevel       uint32

	// Extra holds the keys of Config.Keys that were settled, by name.
	Extra map[string]string
}

// DefaultParams is what holds where nothing is negotiated (RFC 7143 section 13).
func DefaultParams() Params {
	return Params{
		MaxRecvDataSegmentLength: DefaultMaxRecv,
		MaxSendDataSegmentLength: DefaultMaxRecv,
		MaxConnections:           1,
		InitialR2T:               true,
		ImmediateData:            true,
		MaxBurstLength:           262144,
		FirstBurstLength:         65536,
		DefaultTime2Wait:         2,
		DefaultTime2Retain:       20,
		MaxOutstandingR2T:        1,
		DataPDUInOrder:           true,
		DataSequenceInOrder:      true,
		TaskReporting:            TaskReportingRFC3720,
		ProtocolLevel:            1,
	}
}

// set records the settled value of a key, which the result functions have
// checked.
func (p *Params) set(k *KeySpec, value string) {
	yes := value == Yes
	var n uint32
	if k.Max > 0 {
		u, err := k.number(value)
		if err != nil {
			return
		}
		n = u
	}
	switch k.Name {
	case "HeaderDigest":
		p.HeaderDigest = value == "CRC32C"
	case "DataDigest":
		p.DataDigest = value == "CRC32C"
	case "MaxConnections":
		p.MaxConnections = n
	case "InitialR2T":
		p.InitialR2T = yes
	case "ImmediateData":
		p.ImmediateData = yes
	case "MaxBurstLength":
		p.MaxBurstLength = n
	case "FirstBurstLength":
		p.FirstBurstLength = n
	case "DefaultTime2Wait":
		p.DefaultTime2Wait = n
	case "DefaultTime2Retain":
		p.DefaultTime2Retain = n
	case "MaxOutstandingR2T":
		p.MaxOutstandingR2T = n
	case "DataPDUInOrder":
		p.DataPDUInOrder = yes
	case "DataSequenceInOrder":
		p.DataSequenceInOrder = yes
	case "ErrorRecoveryLevel":
		p.ErrorRecoveryLevel = n
	case "TaskReporting":
		p.TaskReporting = value
	case "iSCSIProtocolLevel":
		p.ProtocolLevel = n
	case "MaxRecvDataSegmentLength":
		p.MaxSendDataSegmentLength = n
	default:
		if p.Extra == nil {
			p.Extra = make(map[string]string)
		}
		p.Extra[k.Name] = value
	}
}

// settle applies the rules between keys, which hold whatever the order in which the keys came.
func (p *Params) settle() {
	p.FirstBurstLength = min(p.FirstBurstLength, p.MaxBurstLength)
	if p.ErrorRecoveryLevel > 0 && p.DataSequenceInOrder {
		p.MaxOutstandingR2T = 1
	}
}

// Config is the parameters that this side desires of a negotiation.
type Config struct {
	HeaderDigest string // the supported ones: "CRC32C,None", or only one of them to insist
	DataDigest   string // likewise

	MaxRecvDataSegmentLength uint32 // declared to the peer
	MaxConnections           uint32
	InitialR2T               bool
	ImmediateData            bool
	MaxBurstLength           uint32
	FirstBurstLength         uint32
	DefaultTime2Wait         uint32
	DefaultTime2Retain       uint32
	MaxOutstandingR2T        uint32
	DataPDUInOrder           bool
	DataSequenceInOrder      bool
	ErrorRecoveryLevel       uint32
	TaskReporting            string // the supported ones, separated by commas
	ProtocolLevel            uint32 // the highest supported

	// Keys are the datamover's own.
	Keys []Key
}

// DefaultConfig is what a target on TCP wants when nobody says otherwise.
func DefaultConfig() Config {
	return Config{
		HeaderDigest:             "CRC32C,None",
		DataDigest:               "CRC32C,None",
		MaxRecvDataSegmentLength: 262144,
		MaxConnections:           1,
		InitialR2T:               false,
		ImmediateData:            true,
		MaxBurstLength:           1 << 20,
		FirstBurstLength:         262144,
		DefaultTime2Wait:         2,
		DefaultTime2Retain:       0,
		MaxOutstandingR2T:        1,
		DataPDUInOrder:           true,
		DataSequenceInOrder:      true,
		TaskReporting:            TaskReportingRFC3720,
		ProtocolLevel:            1,
	}
}

// desired is the value that this side wants of a key: a list, Yes or No, or a number. The value of a
// key that it has no opinion on is "".
func (c *Config) desired(name string, p *Params) string {
	for i := range c.Keys {
		if c.Keys[i].Name == name {
			return c.Keys[i].Value
		}
	}
	number := func(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
	switch name {
	case "HeaderDigest":
		return c.HeaderDigest
	case "DataDigest":
		return c.DataDigest
	case "MaxConnections":
		return number(c.MaxConnections)
	case "InitialR2T":
		return FormatBool(c.InitialR2T)
	case "ImmediateData":
		return FormatBool(c.ImmediateData)
	case "MaxRecvDataSegmentLength":
		return number(c.MaxRecvDataSegmentLength)
	case "MaxBurstLength":
		return number(c.MaxBurstLength)
	case "FirstBurstLength":
		return number(min(c.FirstBurstLength, p.MaxBurstLength))
	case "DefaultTime2Wait":
		return number(c.DefaultTime2Wait)
	case "DefaultTime2Retain":
		return number(c.DefaultTime2Retain)
	case "MaxOutstandingR2T":
		if p.ErrorRecoveryLevel > 0 && p.DataSequenceInOrder {
			return "1" // RFC 7143 section 13.17
		}
		return number(c.MaxOutstandingR2T)
	case "DataPDUInOrder":
		return FormatBool(c.DataPDUInOrder)
	case "DataSequenceInOrder":
		return FormatBool(c.DataSequenceInOrder)
	case "ErrorRecoveryLevel":
		return number(c.ErrorRecoveryLevel)
	case "TaskReporting":
		return c.TaskReporting
	case "iSCSIProtocolLevel":
		return number(c.ProtocolLevel)
	}
	return ""
}

// Check says what is wrong with the desired parameters, naming the key as the standard does.
func (c *Config) Check() error {
	p := DefaultParams()
	p.MaxBurstLength = c.MaxBurstLength
	for i := range keySpecs {
		k := &keySpecs[i]
		if v := c.desired(k.Name, &p); k.Max > 0 && v != "" {
			if _, err := k.number(v); err != nil {
				return err
			}
		}
	}
	if c.FirstBurstLength > c.MaxBurstLength {
		return fmt.Errorf("FirstBurstLength=%d is above MaxBurstLength=%d", c.FirstBurstLength, c.MaxBurstLength)
	}
	for _, l := range []struct{ name, list, legal string }{
		{"HeaderDigest", c.HeaderDigest, "CRC32C,None"},
		{"DataDigest", c.DataDigest, "CRC32C,None"},
		{"TaskReporting", c.TaskReporting, "RFC3720,ResponseFence,FastAbort"},
	} {
		for v := range strings.SplitSeq(l.list, ",") {
			if _, ok := firstSupported(v, l.legal); !ok {
				return fmt.Errorf("%s=%s: %q is not one of %s", l.name, l.list, v, l.legal)
			}
		}
	}
	for i := range c.Keys {
		k := &c.Keys[i]
		if err := checkKey(k.Name); err != nil {
			return err
		}
		if k.Value == "" {
			continue
		}
		if _, ok := k.answer(k.Value, k.Value); k.negotiated() && !ok {
			return fmt.Errorf("%s=%s is not a value of this key", k.Name, k.Value)
		}
	}
	return nil
}
