package ib

// An Opcode says what a packet is (9.2.1): its upper three bits are the service, the others the operation.
type Opcode uint8

// Opcodes of the reliable connected service, and those of unreliable datagrams.
const (
	SendFirst           Opcode = 0x00
	SendMiddle          Opcode = 0x01
	SendLast            Opcode = 0x02
	SendLastImmediate   Opcode = 0x03
	SendOnly            Opcode = 0x04
	SendOnlyImmediate   Opcode = 0x05
	WriteFirst          Opcode = 0x06
	WriteMiddle         Opcode = 0x07
	WriteLast           Opcode = 0x08
	WriteLastImmediate  Opcode = 0x09
	WriteOnly           Opcode = 0x0A
	WriteOnlyImmediate  Opcode = 0x0B
	ReadRequest         Opcode = 0x0C
	ReadFirst           Opcode = 0x0D // responses of RDMA Read
	ReadMiddle          Opcode = 0x0E
	ReadLast            Opcode = 0x0F
	ReadOnly            Opcode = 0x10
	Acknowledge         Opcode = 0x11
	AtomicAcknowledge   Opcode = 0x12
	CompareSwap         Opcode = 0x13
	FetchAdd            Opcode = 0x14
	SendLastInvalidate  Opcode = 0x16
	SendOnlyInvalidate  Opcode = 0x17
	UDSendOnly          Opcode = 0x64
	UDSendOnlyImmediate Opcode = 0x65
	// CNP is the congestion notification packet (annex A17.9.3): 16 bytes of zero follow the BTH.
	CNP Opcode = 0x81
)

// Traits say what opcodes have in common: which headers there are, and where in its message a packet is.
type Traits uint32

// Traits of opcodes.
const (
	Known    Traits = 1 << iota // it is one of the above
	First                       // the first of several packets of a message
	Middle                      // neither the first nor the last
	Last                        // the last of several
	Only                        // the only one
	Request                     // it is the requester's
	Response                    // it is the responder's
	Send                        // part of a Send
	Write                       // part of an RDMA Write
	Read                        // request or response of an RDMA Read
	Atomic                      // request or response of an atomic operation
	Payload                     // there may be payload
	HasDETH                     // extension headers, in the order in which they come (9.1)
	HasRETH
	HasAtomicETH
	HasAETH
	HasAtomicAckETH
	HasImmediate
	HasIETH
)

// Lengths of headers.
const (
	BTHLen          = 12
	DETHLen         = 8
	RETHLen         = 16
	AtomicETHLen    = 28
	AETHLen         = 4
	AtomicAckETHLen = 8
	ImmediateLen    = 4
	IETHLen         = 4
	ICRCLen         = 4
	// MaxHeader is how long the headers of a packet of ours are at the most: with RETH and immediate.
	MaxHeader = BTHLen + RETHLen + ImmediateLen
)

const (
	send     = Known | Request | Send | Payload
	write    = Known | Request | Write | Payload
	response = Known | Response | Read | Payload
)

var traits = [256]Traits{
	SendFirst:           send | First,
	SendMiddle:          send | Middle,
	SendLast:            send | Last,
	SendLastImmediate:   send | Last | HasImmediate,
	SendOnly:            send | Only,
	SendOnlyImmediate:   send | Only | HasImmediate,
	WriteFirst:          write | First | HasRETH,
	WriteMiddle:         write | Middle,
	WriteLast:           write | Last,
	WriteLastImmediate:  write | Last | HasImmediate,
	WriteOnly:           write | Only | HasRETH,
	WriteOnlyImmediate:  write | Only | HasRETH | HasImmediate,
	ReadRequest:         Known | Request | Read | Only | HasRETH,
	ReadFirst:           response | First | HasAETH,
	ReadMiddle:          response | Middle,
	ReadLast:            response | Last | HasAETH,
	ReadOnly:            response | Only | HasAETH,
	Acknowledge:         Known | Response | Only | HasAETH,
	AtomicAcknowledge:   Known | Response | Only | Atomic | HasAETH | HasAtomicAckETH,
	CompareSwap:         Known | Request | Only | Atomic | HasAtomicETH,
	FetchAdd:            Known | Request | Only | Atomic | HasAtomicETH,
	SendLastInvalidate:  send | Last | HasIETH,
	SendOnlyInvalidate:  send | Only | HasIETH,
	UDSendOnly:          send | Only | HasDETH,
	UDSendOnlyImmediate: send | Only | HasDETH | HasImmediate,
	CNP:                 Known | Only | Payload,
}

// Traits are those of o; 0: it is unknown.
func (o Opcode) Traits() Traits { return traits[o] }

// Is reports that o has one of the traits t at least.
func (o Opcode) Is(t Traits) bool { return traits[o]&t != 0 }

// Reliable reports that o is of the reliable connected service.
func (o Opcode) Reliable() bool { return o>>5 == 0 }

// Starts reports that a message starts with o, Ends that one ends with it.
func (o Opcode) Starts() bool { return o.Is(First | Only) }

// Ends reports that a message ends with o.
func (o Opcode) Ends() bool { return o.Is(Last | Only) }

// Offset is where the extension header of a trait (HasDETH and so on) starts in a packet with opcode o which has it; with Payload,
// where the payload starts: the length of all headers.
func (o Opcode) Offset(t Traits) int {
	n, before := BTHLen, traits[o]&(t-1)
	if t == Payload {
		before = traits[o]
	}
	for _, e := range [...]struct {
		t Traits
		n int
	}{
		{HasDETH, DETHLen}, {HasRETH, RETHLen}, {HasAtomicETH, AtomicETHLen}, {HasAETH, AETHLen}, {HasAtomicAckETH, AtomicAckETHLen},
		{HasImmediate, ImmediateLen}, {HasIETH, IETHLen},
	} {
		if before&e.t != 0 {
			n += e.n
		}
	}
	return n
}

// HeaderLen is the length of all headers of a packet with opcode o, from the BTH on.
func (o Opcode) HeaderLen() int { return int(headers[o]) }

var headers = func() (all [256]uint8) {
	for o := range all {
		all[o] = uint8(Opcode(o).Offset(Payload))
	}
	return all
}()
