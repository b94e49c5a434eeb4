package page

import (
	"encoding/binary"
	"slices"

	"github.com/lunette-io/lunette/scsi"
)

// Log page codes (SPC-5 7.3, SBC-4 6.4).
const (
	LogSupported    = 0x00
	LogProvisioning = 0x0c
	LogTemperature  = 0x0d
	LogSelfTest     = 0x10
	LogStatistics   = 0x19
	LogExceptions   = 0x2f
)

// Control bytes of log parameters (SPC-5 7.3.2.2.2).
const (
	LogCounter    = 0x00 // a bounded counter
	LogASCIIList  = 0x01
	LogBinaryList = 0x03
)

// AppendLogPage appends a log page of ready made parameters (SPC-5 7.3.2). A
// subpage other than 0 sets SPF. The parameters are not saved: DS is clear.
func AppendLogPage(dst []byte, code, subpage byte, parameters []byte) []byte {
	dst = append(dst, code&0x3f|flag(subpage != 0, 0x40), subpage)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(parameters)))
	return append(dst, parameters...)
}

// AppendLogParameter appends one log parameter of at most 255 bytes.
func AppendLogParameter(dst []byte, code uint16, control byte, value ...byte) []byte {
	value = value[:min(len(value), 255)]
	dst = binary.BigEndian.AppendUint16(dst, code)
	return append(append(dst, control, byte(len(value))), value...)
}

// AppendSupportedLogs appends log page 00h (SPC-5 7.3.18), the codes ascending.
// List 00h itself too.
func AppendSupportedLogs(dst []byte, codes ...byte) []byte {
	sorted := slices.Clone(codes)
	slices.Sort(sorted)
	return AppendLogPage(dst, LogSupported, 0, slices.Compact(sorted))
}

// A LogCode names a log page or subpage.
type LogCode struct{ Page, Subpage uint8 }

// AppendSupportedSublogs appends log page 00h/FFh (SPC-5 7.3.19): all pages and
// subpages, in the order given, which is to be ascending.
func AppendSupportedSublogs(dst []byte, codes ...LogCode) []byte {
	list := make([]byte, 0, 2*len(codes))
	for _, c := range codes {
		list = append(list, c.Page&0x3f, c.Subpage)
	}
	return AppendLogPage(dst, LogSupported, 0xff, list)
}

// AppendSupportedSubpages appends log page code/FFh (SPC-5 7.3.19): the subpages of one page,
// ascending.
func AppendSupportedSubpages(dst []byte, code byte, subpages ...byte) []byte {
	list := make([]byte, 0, 2*len(subpages))
	for _, s := range subpages {
		list = append(list, code&0x3f, s)
	}
	return AppendLogPage(dst, code, 0xff, list)
}

// Values of ProvisioningCount.Code (SBC-4 6.4.5).
const (
	ProvisioningAvailable uint16 = 0x0001
	ProvisioningUsed      uint16 = 0x0002
)

// A ProvisioningCount is one parameter of log page 0Ch, Logical Block Provisioning.
type ProvisioningCount struct {
	Code  uint16
	Count uint32 // in threshold sets of 2^n blocks, n from VPD page B2h
	Scope uint8  // 0 not told, 1 this logical unit only, 2 shared with others
}

// AppendProvisioningLog appends log page 0Ch (SBC-4 6.4.5).
func AppendProvisioningLog(dst []byte, counts ...ProvisioningCount) []byte {
	var list []byte
	for _, c := range counts {
		v := binary.BigEndian.AppendUint32(make([]byte, 0, 8), c.Count)
		list = AppendLogParameter(list, c.Code, LogBinaryList, append(v, c.Scope&3, 0, 0, 0)...)
	}
	return AppendLogPage(dst, LogProvisioning, 0, list)
}

// UnknownTemperature is a temperature that nobody measures.
const UnknownTemperature = 0xff

// AppendTemperatureLog appends log page 0Dh (SPC-5 7.3.21): degrees Celsius, or
// UnknownTemperature.
func AppendTemperatureLog(dst []byte, now, reference uint8) []byte {
	list := AppendLogParameter(nil, 0, LogBinaryList, 0, now)
	return AppendLogPage(dst, LogTemperature, 0, AppendLogParameter(list, 1, LogBinaryList, 0, reference))
}

// A SelfTest is one result in log page 10h (SPC-5 7.3.17). The zero SelfTest is
// an entry without a test.
type SelfTest struct {
	Code, Result uint8 // 0 to 7, 0 to 15
	Number       uint8
	PowerOnHours uint16
	FailedLBA    uint64 // of the first failure; all ones if there is none
	Sense        scsi.Sense
}

// selfTests is how many results the page always holds.
const selfTests = 20

// AppendSelfTestLog appends log page 10h: the results, the latest first, and
// empty ones up to twenty. More are left out.
func AppendSelfTestLog(dst []byte, results ...SelfTest) []byte {
	var list []byte
	for i := range selfTests {
		var v [16]byte
		if i < len(results) {
			r := results[i]
			v[0], v[1] = r.Code<<5|r.Result&0xf, r.Number
			binary.BigEndian.PutUint16(v[2:], r.PowerOnHours)
			binary.BigEndian.PutUint64(v[4:], r.FailedLBA)
			v[12], v[13], v[14] = byte(r.Sense.Key)&0xf, r.Sense.ASC.Code(), r.Sense.ASC.Qualifier()
		}
		list = AppendLogParameter(list, uint16(i+1), LogBinaryList, v[:]...)
	}
	return AppendLogPage(dst, LogSelfTest, 0, list)
}

// A Statistics is log page 19h, General Statistics and Performance (SPC-5 7.3.10).
type Statistics struct {
	Reads, Writes                 uint64 // commands
	BlocksWritten, BlocksRead     uint64 // logical blocks received and transmitted
	ReadIntervals, WriteIntervals uint64 // spent in reads and in writes
	WeightedReadsWrites           uint64
	WeightedTime                  uint64 // reads plus writes
	IdleIntervals                 uint64

	// An interval lasts IntervalInteger × 10^-IntervalExponent seconds.
	IntervalExponent, IntervalInteger uint32
}

// Append appends the page.
func (s Statistics) Append(dst []byte) []byte {
	var v []byte
	for _, n := range [...]uint64{s.Reads, s.Writes, s.BlocksWritten, s.BlocksRead, s.ReadIntervals, s.WriteIntervals,
		s.WeightedReadsWrites, s.WeightedTime} {
		v = binary.BigEndian.AppendUint64(v, n)
	}
	list := AppendLogParameter(nil, 1, LogBinaryList, v...)
	list = AppendLogParameter(list, 2, LogBinaryList, binary.BigEndian.AppendUint64(nil, s.IdleIntervals)...)
	v = binary.BigEndian.AppendUint32(v[:0], s.IntervalExponent)
	v = binary.BigEndian.AppendUint32(v, s.IntervalInteger)
	return AppendLogPage(dst, LogStatistics, 0, AppendLogParameter(list, 3, LogBinaryList, v...))
}

// AppendExceptionsLog appends log page 2Fh, Informational Exceptions (SPC-5
// 7.3.11): the last exception, 0 for none, and degrees Celsius or UnknownTemperature.
func AppendExceptionsLog(dst []byte, last scsi.ASC, temperature uint8) []byte {
	list := AppendLogParameter(nil, 0, LogBinaryList, last.Code(), last.Qualifier(), temperature, 0)
	return AppendLogPage(dst, LogExceptions, 0, list)
}
