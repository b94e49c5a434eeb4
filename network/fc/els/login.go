package els

import (
	"encoding/binary"
	"time"

	"github.com/lunette-io/lunette/network/fc"
)

// LoginLen is the length of PLOGI, FLOGI, FDISC, PDISC and of their LS_ACC.
const LoginLen = 116

// Features are bits of the common service parameters (FC-LS-4 "common features").
type Features uint16

// Features. What a bit means depends on who says it.
const (
	FeatureContinuousOffset Features = 0x8000 // PLOGI: continuously increasing relative offset
	FeatureNPIV             Features = 0x8000 // FLOGI: several N_Port_IDs are wanted
	FeatureNPIVGranted      Features = 0x2000 // LS_ACC of FLOGI: several N_Port_IDs are granted
	FeatureFabricPort       Features = 0x1000 // an F_Port says it
	FeatureNanoseconds      Features = 0x0400 // E_D_TOV is in nanoseconds
)

// Bits of the flags of a class.
const (
	ClassValid      = 0x8000
	ClassSequential = 0x0800 // sequential delivery
)

// Class is the service parameters of a class of service (FC-LS-4 "class service parameters"): 16 bytes.
type Class struct {
	Flags                uint16
	Initiator, Recipient uint16 // control
	Size                 uint16 // receive data field size: payload of a frame
	Concurrent           uint16 // sequences
	Credit               uint16 // end-to-end
	Open                 uint8  // sequences for each exchange
}

// Login is PLOGI, FLOGI, FDISC, PDISC, or the LS_ACC of one (FC-LS-4 "service parameters").
type Login struct {
	Command       Command
	High, Low     uint8 // FC-PH version
	Credit        uint16
	Features      Features
	BBSize        uint16 // BB_SC_N in the upper four bits; buffer-to-buffer receive data field size below
	Third, Fourth uint16 // PLOGI: total concurrent sequences, relative offset by category. LS_ACC of FLOGI: R_A_TOV
	ErrorDetect   uint32 // E_D_TOV
	Port, Node    fc.Name
	// Class1 is obsolete, and the last block is auxiliary data.
	Class1, Class2, Class3, Auxiliary Class
	Vendor                            [16]byte
}

// ParseLogin reads any of them.
func ParseLogin(b []byte) (x Login, err error) {
	if err := check(b, LoginLen, PLOGI, FLOGI, FDISC, PDISC, LSAcc); err != nil {
		return x, err
	}
	x = Login{
		Command: Command(b[0]), High: b[4], Low: b[5], Credit: binary.BigEndian.Uint16(b[6:]), Features: Features(binary.BigEndian.Uint16(b[8:])),
		BBSize: binary.BigEndian.Uint16(b[10:]), Third: binary.BigEndian.Uint16(b[12:]), Fourth: binary.BigEndian.Uint16(b[14:]),
		ErrorDetect: binary.BigEndian.Uint32(b[16:]),
		Port:        fc.Name(binary.BigEndian.Uint64(b[20:])), Node: fc.Name(binary.BigEndian.Uint64(b[28:])),
		Class1: parseClass(b[36:]), Class2: parseClass(b[52:]), Class3: parseClass(b[68:]), Auxiliary: parseClass(b[84:]),
	}
	copy(x.Vendor[:], b[100:])
	return x, nil
}

// Append appends the payload.
func (x *Login) Append(dst []byte) []byte {
	dst = append(word(dst, x.Command), x.High, x.Low)
	dst = binary.BigEndian.AppendUint16(dst, x.Credit)
	dst = binary.BigEndian.AppendUint16(dst, uint16(x.Features))
	dst = binary.BigEndian.AppendUint16(dst, x.BBSize)
	dst = binary.BigEndian.AppendUint16(dst, x.Third)
	dst = binary.BigEndian.AppendUint16(dst, x.Fourth)
	dst = binary.BigEndian.AppendUint32(dst, x.ErrorDetect)
	dst = binary.BigEndian.AppendUint64(dst, uint64(x.Port))
	dst = binary.BigEndian.AppendUint64(dst, uint64(x.Node))
	for _, c := range []*Class{&x.Class1, &x.Class2, &x.Class3, &x.Auxiliary} {
		dst = c.append(dst)
	}
	return append(dst, x.Vendor[:]...)
}

// ReceiveSize is how much payload the sender takes in a frame of class 3: the least of what it says, 0 if it does not take that class.
func (x *Login) ReceiveSize() int {
	n := int(x.BBSize & 0xfff)
	if x.Class3.Flags&ClassValid == 0 {
		return 0
	}
	if s := int(x.Class3.Size & 0xfff); s != 0 {
		n = min(n, s)
	}
	return n
}

// ErrorDetectTime is E_D_TOV.
func (x *Login) ErrorDetectTime() time.Duration {
	if x.Features&FeatureNanoseconds != 0 {
		return time.Duration(x.ErrorDetect)
	}
	return time.Duration(x.ErrorDetect) * time.Millisecond
}

// ResourceAllocationTime is R_A_TOV as the LS_ACC of FLOGI has it.
func (x *Login) ResourceAllocationTime() time.Duration {
	return time.Duration(uint32(x.Third)<<16|uint32(x.Fourth)) * time.Millisecond
}

// SetResourceAllocation sets R_A_TOV in the LS_ACC of FLOGI.
func (x *Login) SetResourceAllocation(d time.Duration) {
	ms := uint32(min(d.Milliseconds(), 1<<32-1))
	x.Third, x.Fourth = uint16(ms>>16), uint16(ms)
}

// FabricLogin is the FLOGI (or FDISC, or the LS_ACC of one among neighbours) of a port that takes frames of so much payload.
func FabricLogin(c Command, port, node fc.Name, payload int) Login {
	return Login{
		Command: c, High: 0x20, Low: 0x20, Credit: 10, Features: FeatureNPIV, BBSize: uint16(payload), Port: port, Node: node,
		Class3: Class{Flags: ClassValid | ClassSequential},
	}
}

// PortLogin is the PLOGI (or PDISC, or the LS_ACC of one) of a port that takes frames of so much payload.
func PortLogin(c Command, port, node fc.Name, payload int, errorDetect time.Duration) Login {
	return Login{
		Command: c, High: 0x20, Low: 0x20, Credit: 10, Features: FeatureContinuousOffset, BBSize: uint16(payload), Port: port, Node: node,
		Third: 255, Fourth: 0x1f, ErrorDetect: uint32(errorDetect.Milliseconds()),
		Class3: Class{Flags: ClassValid | ClassSequential, Size: uint16(payload), Concurrent: 255, Open: 1},
	}
}

func parseClass(b []byte) Class {
	return Class{
		Flags: binary.BigEndian.Uint16(b), Initiator: binary.BigEndian.Uint16(b[2:]), Recipient: binary.BigEndian.Uint16(b[4:]),
		Size: binary.BigEndian.Uint16(b[6:]), Concurrent: binary.BigEndian.Uint16(b[8:]), Credit: binary.BigEndian.Uint16(b[10:]), Open: b[13],
	}
}

func (c *Class) append(dst []byte) []byte {
	for _, v := range []uint16{c.Flags, c.Initiator, c.Recipient, c.Size, c.Concurrent, c.Credit} {
		dst = binary.BigEndian.AppendUint16(dst, v)
	}
	return append(dst, 0, c.Open, 0, 0)
}
