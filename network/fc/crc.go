package fc

import (
	"encoding/binary"
	"hash/crc32"
)

// A CRC is the check of a frame (FC-FS-5 "CRC"): over header, payload and fill. It is the CRC-32 of IEEE 802.3. The zero value is
// that of nothing.
type CRC uint32

// CRCLen is how many bytes it has in a frame.
const CRCLen = 4

// Add is the check of all that c is of, and b behind it. It allocates nothing.
func (c CRC) Add(b []byte) CRC { return CRC(crc32.Update(uint32(c), crc32.IEEETable, b)) }

// Put writes it as frames have it: the least significant byte goes first.
func (c CRC) Put(b []byte) { binary.LittleEndian.PutUint32(b, uint32(c)) }

// CRCAt reads what Put has written.
func CRCAt(b []byte) CRC { return CRC(binary.LittleEndian.Uint32(b)) }
