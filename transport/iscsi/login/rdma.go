package login

import "strconv"

// Names of the keys of iSCSI on RDMA (RFC 7145 section 6).
const (
	RDMAExtensions                   = "RDMAExtensions"
	InitiatorRecvDataSegmentLength   = "InitiatorRecvDataSegmentLength"
	TargetRecvDataSegmentLength      = "TargetRecvDataSegmentLength"
	MaxOutstandingUnexpectedPDUs     = "MaxOutstandingUnexpectedPDUs"
	MaxAHSLength                     = "MaxAHSLength"
	TaggedBufferForSolicitedDataOnly = "TaggedBufferForSolicitedDataOnly"
	ISERHelloRequired                = "iSERHelloRequired"
)

// RDMA are the parameters that a target desires of the keys of RFC 7145, in bytes and PDUs.
type RDMA struct {
	TargetRecv uint32 // the longest data segment that it receives
	// InitiatorRecv is the longest that it sends.
	InitiatorRecv uint32
	// Unexpected is how many PDUs that no window regulates may be on their way to it.
	Unexpected uint32
	MaxAHS     uint32 // the longest additional headers that it receives
}

// Keys makes the keys of a connection that runs on RDMA. MaxOutstandingUnexpectedPDUs and MaxAHSLength
// are declared only to an initiator that declares its own: Linux's initiator ends the login when it
// meets a key that it does not know.
func (r RDMA) Keys() []Key {
	number := func(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
	segment := func(name string, n uint32) Key {
		return Key{KeySpec{Name: name, Kind: Minimum, Use: InitializeOnly, Sender: ByBoth, Min: 512, Max: maxLength, Default: "8192", NotInDiscovery: true}, number(n)}
	}
	declared := func(name string, from Sender, most uint32, def, value string) Key {
		return Key{KeySpec{
			Name: name, Kind: Declarative, Use: LeadingOnly, Sender: from, Max: most, Default: def, NotInDiscovery: true, InReturn: true,
		}, value}
	}
	recv := *(&Config{}).spec("MaxRecvDataSegmentLength")
	recv.IrrelevantWhen = (*Params).RDMA // 6.2: the two keys below take its place
	return []Key{
		rdmaExtensions(Yes),
		segment(InitiatorRecvDataSegmentLength, r.InitiatorRecv),
		segment(TargetRecvDataSegmentLength, r.TargetRecv),
		declared(MaxOutstandingUnexpectedPDUs, ByBoth, 1<<32-1, "0", number(r.Unexpected)),
		declared(MaxAHSLength, ByBoth, 1<<32-1, "256", number(r.MaxAHS)),
		declared(TaggedBufferForSolicitedDataOnly, ByInitiator, 0, No, ""),
		declared(ISERHelloRequired, ByInitiator, 0, No, ""),
		{recv, ""},
	}
}

// WithoutRDMA is the key of a connection that does not run on RDMA: it says so to an
// initiator that asks (6.3).
func WithoutRDMA() Key { return rdmaExtensions(No) }

func rdmaExtensions(value string) Key {
	return Key{KeySpec{Name: RDMAExtensions, Kind: And, Use: LeadingOnly, Sender: ByBoth, Default: No, NotInDiscovery: true}, value}
}

// RDMA reports that RDMAExtensions=Yes was settled.
func (p *Params) RDMA() bool { return p.Extra[RDMAExtensions] == Yes }

// DeriveRDMA sets the lengths of data segments from the keys that take the place of
// MaxRecvDataSegmentLength, as the target sees them (6.4, 6.5).
func (p *Params) DeriveRDMA() {
	length := func(name string) uint32 {
		n, err := ParseNumber(p.Extra[name])
		if err != nil {
			return DefaultMaxRecv
		}
		return uint32(n)
	}
	p.MaxRecvDataSegmentLength = length(TargetRecvDataSegmentLength)
	p.MaxSendDataSegmentLength = length(InitiatorRecvDataSegmentLength)
}
