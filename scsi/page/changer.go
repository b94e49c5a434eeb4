package page

import "encoding/binary"

// Mode page codes of medium changers (SMC-3 7.3).
const (
	ModeElementAddresses    = 0x1d
	ModeTransportGeometry   = 0x1e
	ModeChangerCapabilities = 0x1f
)

// Log page codes of medium changers (SMC-3 7.2).
const (
	LogChangerStatistics  = 0x14
	LogElementStatistics  = 0x15
	LogChangerDiagnostics = 0x16
)

// DescriptorSMC3 is the version descriptor of SMC-3.
const DescriptorSMC3 = 0x0480

// An ElementsOf says where the elements of one type are.
type ElementsOf struct{ First, Count uint16 }

// An ElementAddresses is mode page 1Dh, Element Address Assignment (SMC-3 7.3.4).
type ElementAddresses struct{ Transports, Storage, ImportExport, Drives ElementsOf }

// Append appends the page, 20 bytes.
func (e ElementAddresses) Append(dst []byte) []byte {
	dst = append(dst, ModeElementAddresses, 0x12)
	for _, t := range [...]ElementsOf{e.Transports, e.Storage, e.ImportExport, e.Drives} {
		dst = binary.BigEndian.AppendUint16(dst, t.First)
		dst = binary.BigEndian.AppendUint16(dst, t.Count)
	}
	return append(dst, 0, 0)
}

// AppendTransportGeometry appends mode page 1Eh (SMC-3 7.3.5): so many transports, each of which is the only one of its
// set and turns no medium over.
func AppendTransportGeometry(dst []byte, transports int) []byte {
	transports = min(transports, 127)
	dst = append(dst, ModeTransportGeometry, byte(2*transports))
	return appendZeros(dst, 2*transports)
}

// Element types as bits of mode page 1Fh.
const (
	BitTransport = 0x01
	BitStorage   = 0x02
	BitMail      = 0x04
	BitDrive     = 0x08
)

// A ChangerCapabilities is mode page 1Fh, Device Capabilities (SMC-3 7.3.3). Moves and exchanges are from transports,
// storage, import/export elements and drives, in this order, each to those with a bit.
type ChangerCapabilities struct {
	Stores    byte // types of elements that keep a medium
	Moves     [4]byte
	Exchanges [4]byte
}

// Append appends the page, 20 bytes.
func (c ChangerCapabilities) Append(dst []byte) []byte {
	dst = append(dst, ModeChangerCapabilities, 0x12, c.Stores, 0)
	dst = appendZeros(append(dst, c.Moves[:]...), 4)
	return appendZeros(append(dst, c.Exchanges[:]...), 4)
}
