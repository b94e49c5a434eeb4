package page

import "encoding/binary"

// Mode pages of sequential-access devices (SSC-5 8.5), and those of SPC that have a form of their own for them.
const (
	ModeRecovery            = 0x01
	ModeDisconnect          = 0x02
	ModeCompression         = 0x0f
	ModeConfiguration       = 0x10
	ModePartition           = 0x11
	ModeMediumConfiguration = 0x1d

	SubpageControlExtension  = 0x01 // of ModeControl
	SubpageDataProtection    = 0xf0 // of ModeControl
	SubpageConfigurationMore = 0x01 // of ModeConfiguration
)

// A DataProtection is mode page 0Ah/F0h, Control Data Protection (SSC-5 8.5.9).
type DataProtection struct {
	Method      uint8
	Length      uint8 // of what is added to blocks, 6 bits
	Write, Read bool  // LBP_W, LBP_R
	Recover     bool  // RBDP
}

// Append appends the page, 32 bytes.
func (d DataProtection) Append(dst []byte) []byte {
	dst = append(dst, 0x40|ModeControl, SubpageDataProtection, 0, 0x1c, d.Method, d.Length&0x3f,
		flag(d.Write, 0x80)|flag(d.Read, 0x40)|flag(d.Recover, 0x20))
	return appendZeros(dst, 25)
}

// ParseDataProtection reads the page: false if p is not one of 32 bytes.
func ParseDataProtection(p []byte) (DataProtection, bool) {
	if len(p) != 32 || p[0]&0x7f != 0x40|ModeControl || p[1] != SubpageDataProtection {
		return DataProtection{}, false
	}
	return DataProtection{Method: p[4], Length: p[5] & 0x3f, Write: p[6]&0x80 != 0, Read: p[6]&0x40 != 0, Recover: p[6]&0x20 != 0}, true
}

// A Compression is mode page 0Fh, Data Compression (SSC-5 8.5.2).
type Compression struct {
	Enabled    bool   // DCE
	Capable    bool   // DCC
	Decompress bool   // DDE
	Report     uint8  // RED, 0 to 3
	Algorithm  uint32 // of what is written
	Reading    uint32 // DECOMPRESSION ALGORITHM
}

// Append appends the page, 16 bytes.
func (c Compression) Append(dst []byte) []byte {
	dst = append(dst, ModeCompression, 0x0e, flag(c.Enabled, 0x80)|flag(c.Capable, 0x40), flag(c.Decompress, 0x80)|c.Report&3<<5)
	dst = binary.BigEndian.AppendUint32(dst, c.Algorithm)
	dst = binary.BigEndian.AppendUint32(dst, c.Reading)
	return appendZeros(dst, 4)
}

// ParseCompression reads the page: false if p is not one of 16 bytes.
func ParseCompression(p []byte) (Compression, bool) {
	if len(p) != 16 || p[0]&0x7f != ModeCompression || p[1] != 0x0e {
		return Compression{}, false
	}
	return Compression{
		Enabled: p[2]&0x80 != 0, Capable: p[2]&0x40 != 0, Decompress: p[3]&0x80 != 0, Report: p[3] >> 5 & 3,
		Algorithm: binary.BigEndian.Uint32(p[4:]), Reading: binary.BigEndian.Uint32(p[8:]),
	}, true
}

// A Configuration is mode page 10h, Device Configuration (SSC-5 8.5.3). What is not in it is 0.
type Configuration struct {
	Partition      uint8  // ACTIVE PARTITION
	WriteDelay     uint16 // tenths of a second
	BlockIDs       bool   // BIS
	ReportEW       bool   // REW: early warning is reported on reads
	EndOfData      uint8  // EOD DEFINED, 0 to 7
	GenerateEOD    bool   // EEG
	SyncEW         bool   // SEW: synchronize at early warning
	Software       bool   // SWP: software write protection
	Compression    uint8  // SELECT DATA COMPRESSION ALGORITHM
	TamperedWORM   uint8  // WTRE, 0 to 3
	OnlyIfReserved bool   // OIR
	Associated     bool   // ASOCWP
	Persistent     bool   // PERSWP
	Permanent      bool   // PRMWP
}

// Append appends the page, 16 bytes.
func (c Configuration) Append(dst []byte) []byte {
	dst = append(dst, ModeConfiguration, 0x0e, 0, c.Partition, 0, 0)
	dst = binary.BigEndian.AppendUint16(dst, c.WriteDelay)
	return append(dst, flag(c.BlockIDs, 0x40)|flag(c.ReportEW, 0x01), 0,
		c.EndOfData<<5|flag(c.GenerateEOD, 0x10)|flag(c.SyncEW, 0x08)|flag(c.Software, 0x04), 0, 0, 0, c.Compression,
		c.TamperedWORM<<6|flag(c.OnlyIfReserved, 0x20)|flag(c.Associated, 0x04)|flag(c.Persistent, 0x02)|flag(c.Permanent, 0x01))
}

// ParseConfiguration reads the page: false if p is not one of 16 bytes.
func ParseConfiguration(p []byte) (Configuration, bool) {
	if len(p) != 16 || p[0]&0x7f != ModeConfiguration || p[1] != 0x0e {
		return Configuration{}, false
	}
	return Configuration{
		Partition: p[3], WriteDelay: binary.BigEndian.Uint16(p[6:]), BlockIDs: p[8]&0x40 != 0, ReportEW: p[8]&0x01 != 0,
		EndOfData: p[10] >> 5, GenerateEOD: p[10]&0x10 != 0, SyncEW: p[10]&0x08 != 0, Software: p[10]&0x04 != 0, Compression: p[14],
		TamperedWORM: p[15] >> 6, OnlyIfReserved: p[15]&0x20 != 0, Associated: p[15]&0x04 != 0, Persistent: p[15]&0x02 != 0, Permanent: p[15]&0x01 != 0,
	}, true
}

// A ConfigurationMore is mode page 10h/01h, Device Configuration Extension (SSC-5 8.5.8). What is not in it is 0.
type ConfigurationMore struct {
	WriteMode    uint8  // 0 overwriting is allowed, 1 append-only; to 15
	ShortErase   uint8  // SHORT ERASE MODE, 0 to 15: 2 the end of data is written
	EarlyWarning uint16 // PEWS, megabytes
	EncryptedEW  bool   // VCELBRE
}

// Append appends the page, 32 bytes.
func (c ConfigurationMore) Append(dst []byte) []byte {
	dst = append(dst, 0x40|ModeConfiguration, SubpageConfigurationMore, 0, 0x1c, 0, c.WriteMode<<4|c.ShortErase&0xf)
	dst = binary.BigEndian.AppendUint16(dst, c.EarlyWarning)
	return appendZeros(append(dst, flag(c.EncryptedEW, 0x01)), 23)
}

// ParseConfigurationMore reads the page: false if p is not one of 32 bytes.
func ParseConfigurationMore(p []byte) (ConfigurationMore, bool) {
	if len(p) != 32 || p[0]&0x7f != 0x40|ModeConfiguration || p[1] != SubpageConfigurationMore {
		return ConfigurationMore{}, false
	}
	return ConfigurationMore{
		WriteMode: p[5] >> 4, ShortErase: p[5] & 0xf, EarlyWarning: binary.BigEndian.Uint16(p[6:]), EncryptedEW: p[8]&0x01 != 0,
	}, true
}

// A Partitioning is mode page 11h, Medium Partition (SSC-5 8.5.4).
type Partitioning struct {
	Most        uint8 // MAXIMUM ADDITIONAL PARTITIONS
	Additional  uint8 // ADDITIONAL PARTITIONS DEFINED
	Fixed       bool  // FDP
	Select      bool  // SDP
	Initiator   bool  // IDP
	Unit        uint8 // PSUM: 0 bytes, 1 kilobytes, 2 megabytes, 3 10^Exponent bytes
	OnFormat    bool  // POFM: FORMAT MEDIUM partitions
	Recognition uint8 // MEDIUM FORMAT RECOGNITION
	Exponent    uint8 // PARTITION UNITS, 0 to 15
	Sizes       []uint16
}

// Rest is the size of a partition that has what the others leave.
const Rest = 0xffff

// Units of Partitioning.Unit.
const (
	PartitionBytes     = 0
	PartitionKilobytes = 1
	PartitionMegabytes = 2
	PartitionExponent  = 3
)

// Append appends the page: 8 bytes and 2 for each size.
func (m Partitioning) Append(dst []byte) []byte {
	dst = append(dst, ModePartition, byte(6+2*len(m.Sizes)), m.Most, m.Additional,
		flag(m.Fixed, 0x80)|flag(m.Select, 0x40)|flag(m.Initiator, 0x20)|m.Unit&3<<3|flag(m.OnFormat, 0x04),
		m.Recognition, m.Exponent&0xf, 0)
	for _, s := range m.Sizes {
		dst = binary.BigEndian.AppendUint16(dst, s)
	}
	return dst
}

// ParsePartitioning reads the page: false if p is not one with whole sizes.
func ParsePartitioning(p []byte) (Partitioning, bool) {
	if len(p) < 8 || len(p)%2 != 0 || p[0]&0x7f != ModePartition || int(p[1]) != len(p)-2 {
		return Partitioning{}, false
	}
	m := Partitioning{
		Most: p[2], Additional: p[3], Fixed: p[4]&0x80 != 0, Select: p[4]&0x40 != 0, Initiator: p[4]&0x20 != 0,
		Unit: p[4] >> 3 & 3, OnFormat: p[4]&0x04 != 0, Recognition: p[5], Exponent: p[6] & 0xf,
	}
	for at := 8; at < len(p); at += 2 {
		m.Sizes = append(m.Sizes, binary.BigEndian.Uint16(p[at:]))
	}
	return m, true
}

// Bytes is how many bytes a size of the page is; -1 is what the others leave.
func (m Partitioning) Bytes(size uint16) int64 {
	if size == Rest {
		return -1
	}
	n := int64(size)
	switch m.Unit {
	case PartitionKilobytes:
		return n * 1000
	case PartitionMegabytes:
		return n * 1e6
	case PartitionExponent:
		for range m.Exponent {
			if n > 1<<62/10 {
				return 1 << 62
			}
			n *= 10
		}
	}
	return n
}

// AppendMediumConfiguration appends mode page 1Dh, Medium Configuration (SSC-5 8.5.6), 32 bytes: worm says that a WORM medium
// is mounted, on which filemarks may not be overwritten but for the last one before the end of data.
func AppendMediumConfiguration(dst []byte, worm bool) []byte {
	return appendZeros(append(dst, ModeMediumConfiguration, 0x1e, flag(worm, 0x01), 0, flag(worm, 0x01), flag(worm, 0x02)), 26)
}
