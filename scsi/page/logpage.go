package page

import (
	"encoding/binary"
	"slices"

	"github.com/lunette-io/lunette/scsi"
)

// Log page codes (SPC-5 7.3, SBC-4 6.4).
const (
	LogSupported  = 0x00
	LogExceptions = 0x2f
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

// UnknownTemperature is a temperature that nobody measures.
const UnknownTemperature = 0xff

// AppendExceptionsLog appends log page 2Fh, Informational Exceptions (SPC-5
// 7.3.11): the last exception, 0 for none, and degrees Celsius or UnknownTemperature.
func AppendExceptionsLog(dst []byte, last scsi.ASC, temperature uint8) []byte {
	list := AppendLogParameter(nil, 0, LogBinaryList, last.Code(), last.Qualifier(), temperature, 0)
	return AppendLogPage(dst, LogExceptions, 0, list)
}
