package page

import "encoding/binary"

// BlockLimits is VPD page B0h (SBC-4 6.6.4). Counts are logical blocks; 0 means
// not told, or not supported where the field says so.
type BlockLimits struct {
	WriteSameNonZero        bool   // WSNZ: WRITE SAME with 0 blocks is refused
	MaxCompareAndWrite      uint8  // 0: COMPARE AND WRITE is not supported
	OptimalGranularity      uint16 // of transfers
	MaxTransfer             uint32
	OptimalTransfer         uint32
	MaxPrefetch             uint32
	MaxUnmap                uint32 // blocks in one UNMAP; 0: not supported
	MaxUnmapDescriptors     uint32
	OptimalUnmapGranularity uint32
	UnmapAligned            bool   // UGAVALID
	UnmapAlignment          uint32 // 31 bits, meaningful if UnmapAligned
	MaxWriteSame            uint64
	MaxAtomic               uint32 // 0: atomic writes are not supported
	AtomicAlignment         uint32
	AtomicGranularity       uint32
	MaxAtomicWithBoundary   uint32
	MaxAtomicBoundary       uint32
}

// Append appends the page, 64 bytes.
func (l BlockLimits) Append(dst []byte, p Peripheral) []byte {
	dst, at := startVPD(dst, p, VPDBlockLimits)
	dst = append(dst, flag(l.WriteSameNonZero, 0x01), l.MaxCompareAndWrite)
	dst = binary.BigEndian.AppendUint16(dst, l.OptimalGranularity)
	for _, v := range [...]uint32{l.MaxTransfer, l.OptimalTransfer, l.MaxPrefetch, l.MaxUnmap,
		l.MaxUnmapDescriptors, l.OptimalUnmapGranularity} {
		dst = binary.BigEndian.AppendUint32(dst, v)
	}
	var alignment uint32
	if l.UnmapAligned {
		alignment = 1<<31 | l.UnmapAlignment
	}
	dst = binary.BigEndian.AppendUint32(dst, alignment)
	dst = binary.BigEndian.AppendUint64(dst, l.MaxWriteSame)
	for _, v := range [...]uint32{l.MaxAtomic, l.AtomicAlignment, l.AtomicGranularity, l.MaxAtomicWithBoundary,
		l.MaxAtomicBoundary} {
		dst = binary.BigEndian.AppendUint32(dst, v)
	}
	return setLen16(dst, at)
}

// NonRotating is the RotationRate of media that do not turn.
const NonRotating = 1

// BlockCharacteristics is VPD page B1h, Block Device Characteristics (SBC-4 6.6.2).
type BlockCharacteristics struct {
	RotationRate uint16 // turns per minute; 0 not told, 1 NonRotating
	FormFactor   uint8  // 0 not told, to 15
	Zoned        uint8  // 0 to 3
	FUABehaviour bool   // FUAB: SYNCHRONIZE CACHE and FUA behave as SBC-3 says
	VerifyCheck  bool   // VBULS: VERIFY with BYTCHK of 00b checks unmapped blocks
}

// Append appends the page, 64 bytes.
func (c BlockCharacteristics) Append(dst []byte, p Peripheral) []byte {
	dst, at := startVPD(dst, p, VPDBlockCharacteristics)
	dst = binary.BigEndian.AppendUint16(dst, c.RotationRate)
	dst = append(dst, 0, c.FormFactor&0xf, c.Zoned&3<<4|flag(c.FUABehaviour, 0x02)|flag(c.VerifyCheck, 0x01))
	return setLen16(appendZeros(dst, 55), at)
}

// A Provisioning is VPD page B2h, Logical Block Provisioning (SBC-4 6.6.7).
type Provisioning struct {
	ThresholdExponent uint8 // thresholds count 2^n blocks; 0 no thresholds
	Unmap             bool  // LBPU: UNMAP deallocates
	WriteSame16       bool  // LBPWS: so does WRITE SAME(16) with UNMAP
	WriteSame10       bool  // LBPWS10: so does WRITE SAME(10) with UNMAP
	ReadZeros         uint8 // LBPRZ, 0 to 7: 1 unmapped blocks read as zeros; the same in READ CAPACITY(16)
	Anchor            bool  // ANC_SUP
	Type              uint8 // ProvisionedFully, ProvisionedByResource or ProvisionedThin
	MinimumPercentage uint8 // 0 to 31
	ThresholdPercent  uint8
}

// Values of Provisioning.Type.
const (
	ProvisionedFully      = 0 // or not told
	ProvisionedByResource = 1
	ProvisionedThin       = 2
)

// Append appends the page, 8 bytes: there is no provisioning group descriptor.
func (v Provisioning) Append(dst []byte, p Peripheral) []byte {
	dst, at := startVPD(dst, p, VPDProvisioning)
	dst = append(dst, v.ThresholdExponent,
		flag(v.Unmap, 0x80)|flag(v.WriteSame16, 0x40)|flag(v.WriteSame10, 0x20)|v.ReadZeros&7<<2|flag(v.Anchor, 0x02),
		v.MinimumPercentage<<3|v.Type&7, v.ThresholdPercent)
	return setLen16(dst, at)
}
