package page

import "encoding/binary"

// Mode page codes (SPC-5 7.5, SBC-4 6.5).
const (
	ModeErrorRecovery = 0x01
	ModeCaching       = 0x08
	ModeControl       = 0x0a
	ModeExceptions    = 0x1c
)

// Each mode page type appends its current or default values; for the changeable
// values (PC = 1) append a value with just those bits set, and numbers all ones,
// that MODE SELECT may change. PS is clear: the device server sets it for what can be saved.

// An ErrorRecovery is mode page 01h, Read-Write Error Recovery (SBC-4 6.5.10).
type ErrorRecovery struct {
	AutoWriteReallocation bool // AWRE
	AutoReadReallocation  bool // ARRE
	TransferBlock         bool // TB
	ReadContinuous        bool // RC
	EarlyRecovery         bool // EER
	PostError             bool // PER
	TerminateOnRecovered  bool // DTE
	DisableCorrection     bool // DCR
	ReadRetries           uint8
	WriteRetries          uint8
	TimeLimit             uint16 // milliseconds, 0 the default, FFFFh none
}

// Append appends the page, 12 bytes.
func (e ErrorRecovery) Append(dst []byte) []byte {
	dst = append(dst, ModeErrorRecovery, 0x0a,
		flag(e.AutoWriteReallocation, 0x80)|flag(e.AutoReadReallocation, 0x40)|flag(e.TransferBlock, 0x20)|
			flag(e.ReadContinuous, 0x10)|flag(e.EarlyRecovery, 0x08)|flag(e.PostError, 0x04)|
			flag(e.TerminateOnRecovered, 0x02)|flag(e.DisableCorrection, 0x01),
		e.ReadRetries, 0, 0, 0, 0, e.WriteRetries, 0)
	return binary.BigEndian.AppendUint16(dst, e.TimeLimit)
}

// A Caching is mode page 08h (SBC-4 6.5.6).
type Caching struct {
	WriteCache        bool // WCE: writes may end before the medium has them
	NoReadCache       bool // RCD
	NoReadAhead       bool // DRA
	ForceSequential   bool // FSW
	NoNonVolatile     bool // NV_DIS
	CacheSegments     uint8
	MaxPrefetch       uint16
	MaxPrefetchCeil   uint16
	NoPrefetchOver    uint16 // DISABLE PRE-FETCH TRANSFER LENGTH
	MinPrefetch       uint16
	CacheSegmentBytes uint16
}

// Append appends the page, 20 bytes.
func (c Caching) Append(dst []byte) []byte {
	dst = append(dst, ModeCaching, 0x12, flag(c.WriteCache, 0x04)|flag(c.NoReadCache, 0x01), 0)
	for _, v := range [...]uint16{c.NoPrefetchOver, c.MinPrefetch, c.MaxPrefetch, c.MaxPrefetchCeil} {
		dst = binary.BigEndian.AppendUint16(dst, v)
	}
	dst = append(dst, flag(c.ForceSequential, 0x80)|flag(c.NoReadAhead, 0x20)|flag(c.NoNonVolatile, 0x01), c.CacheSegments)
	dst = binary.BigEndian.AppendUint16(dst, c.CacheSegmentBytes)
	return append(dst, 0, 0, 0, 0)
}

// ParseCaching reads what MODE SELECT can change of a whole caching page: false
// if p is not one of 20 bytes.
func ParseCaching(p []byte) (Caching, bool) {
	if len(p) != 20 || p[0]&0x7f != ModeCaching || p[1] != 0x12 {
		return Caching{}, false
	}
	at := func(i int) uint16 { return binary.BigEndian.Uint16(p[i:]) }
	return Caching{
		WriteCache: p[2]&0x04 != 0, NoReadCache: p[2]&0x01 != 0, NoReadAhead: p[12]&0x20 != 0,
		ForceSequential: p[12]&0x80 != 0, NoNonVolatile: p[12]&0x01 != 0, CacheSegments: p[13],
		NoPrefetchOver: at(4), MinPrefetch: at(6), MaxPrefetch: at(8), MaxPrefetchCeil: at(10), CacheSegmentBytes: at(14),
	}, true
}

// A Control is mode page 0Ah (SPC-5 7.5.9).
type Control struct {
	TaskSets            uint8  // TST, 0 to 7: 0 one task set for all nexuses, 1 one for each
	ManagementOnly      bool   // TMF_ONLY
	NoProtectionInfo    bool   // DPICZ
	DescriptorSense     bool   // D_SENSE
	NoLogSave           bool   // GLTSD
	ReportLogExceptions bool   // RLEC
	QueueAlgorithm      uint8  // 0 restricted, 1 unrestricted reordering, to 15
	NoUnitAttention     bool   // NUAR
	QueueError          uint8  // QERR, 0 to 3
	ReportCheck         bool   // RAC
	Interlock           uint8  // UA_INTLCK_CTRL, 0 to 3
	WriteProtect        bool   // SWP
	ApplicationTag      bool   // ATO
	TaskAbortedStatus   bool   // TAS
	ApplicationTagMode  bool   // ATMPE
	RejectWriteNoPI     bool   // RWWP
	Autoload            uint8  // 0 to 7
	BusyTimeout         uint16 // tenths of a second, FFFFh unlimited
	SelfTestTime        uint16 // seconds
}

// Append appends the page, 12 bytes.
func (c Control) Append(dst []byte) []byte {
	dst = append(dst, ModeControl, 0x0a,
		c.TaskSets<<5|flag(c.ManagementOnly, 0x10)|flag(c.NoProtectionInfo, 0x08)|flag(c.DescriptorSense, 0x04)|
			flag(c.NoLogSave, 0x02)|flag(c.ReportLogExceptions, 0x01),
		c.QueueAlgorithm<<4|flag(c.NoUnitAttention, 0x08)|c.QueueError&3<<1,
		flag(c.ReportCheck, 0x40)|c.Interlock&3<<4|flag(c.WriteProtect, 0x08),
		flag(c.ApplicationTag, 0x80)|flag(c.TaskAbortedStatus, 0x40)|flag(c.ApplicationTagMode, 0x20)|
			flag(c.RejectWriteNoPI, 0x10)|c.Autoload&7,
		0, 0)
	dst = binary.BigEndian.AppendUint16(dst, c.BusyTimeout)
	return binary.BigEndian.AppendUint16(dst, c.SelfTestTime)
}

// ParseControl reads a whole control page: false if p is not one of 12 bytes.
func ParseControl(p []byte) (Control, bool) {
	if len(p) != 12 || p[0]&0x7f != ModeControl || p[1] != 0x0a {
		return Control{}, false
	}
	return Control{
		TaskSets: p[2] >> 5, ManagementOnly: p[2]&0x10 != 0, NoProtectionInfo: p[2]&0x08 != 0,
		DescriptorSense: p[2]&0x04 != 0, NoLogSave: p[2]&0x02 != 0, ReportLogExceptions: p[2]&0x01 != 0,
		QueueAlgorithm: p[3] >> 4, NoUnitAttention: p[3]&0x08 != 0, QueueError: p[3] >> 1 & 3,
		ReportCheck: p[4]&0x40 != 0, Interlock: p[4] >> 4 & 3, WriteProtect: p[4]&0x08 != 0,
		ApplicationTag: p[5]&0x80 != 0, TaskAbortedStatus: p[5]&0x40 != 0, ApplicationTagMode: p[5]&0x20 != 0,
		RejectWriteNoPI: p[5]&0x10 != 0, Autoload: p[5] & 7,
		BusyTimeout: binary.BigEndian.Uint16(p[8:]), SelfTestTime: binary.BigEndian.Uint16(p[10:]),
	}, true
}

// An Exceptions is mode page 1Ch, Informational Exceptions Control (SPC-5 7.5.13).
type Exceptions struct {
	Performance bool   // PERF
	Background  bool   // EBF
	Warnings    bool   // EWASC
	Disabled    bool   // DEXCPT
	Test        bool   // TEST
	BackError   bool   // EBACKERR
	LogErrors   bool   // LOGERR
	Method      uint8  // MRIE, 0 to 15
	Interval    uint32 // tenths of a second
	Reports     uint32
}

// Append appends the page, 12 bytes.
func (e Exceptions) Append(dst []byte) []byte {
	dst = append(dst, ModeExceptions, 0x0a,
		flag(e.Performance, 0x80)|flag(e.Background, 0x20)|flag(e.Warnings, 0x10)|flag(e.Disabled, 0x08)|
			flag(e.Test, 0x04)|flag(e.BackError, 0x02)|flag(e.LogErrors, 0x01),
		e.Method&0xf)
	dst = binary.BigEndian.AppendUint32(dst, e.Interval)
	return binary.BigEndian.AppendUint32(dst, e.Reports)
}
