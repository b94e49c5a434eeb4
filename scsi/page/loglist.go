package page

import (
	"encoding/binary"
	"iter"

	"github.com/lunette-io/lunette/scsi"
)

// A LogList is a checked LOG SELECT parameter list. It refers to the list it was read from
// and is good for as long as that is.
type LogList struct{ list []byte }

// A LogListPage is one log page of a LOG SELECT parameter list.
type LogListPage struct {
	Code, Subpage uint8
	Offset        int // of the page in the list, for field pointers

	parameters []byte
}

// A LogParameter is one log parameter of a LogListPage.
type LogParameter struct {
	Code    uint16
	Control byte
	Value   []byte // belongs to the list
	Offset  int    // of the parameter in the list
}

const (
	logPageHeader      = 4
	logParameterHeader = 4
)

// ParseLogSelect reads the parameter list of LOG SELECT (SPC-5 6.8, 7.3.2): pages in
// ascending order, each with its parameters in ascending order. Its errors are a [scsi.Sense]:
// PARAMETER LIST LENGTH ERROR for a list that ends inside a page, and INVALID FIELD IN
// PARAMETER LIST for what is out of order and for a page that ends inside a parameter.
func ParseLogSelect(list []byte) (LogList, error) {
	last := -1
	for at := 0; at < len(list); {
		if len(list)-at < logPageHeader {
			return LogList{}, scsi.ParameterListLengthError()
		}
		n := int(binary.BigEndian.Uint16(list[at+2:]))
		code := int(list[at]&0x3f)<<8 | int(list[at+1])
		switch {
		case n > len(list)-at-logPageHeader:
			return LogList{}, scsi.ParameterListLengthError()
		case list[at]&0x40 == 0 && list[at+1] != 0:
			return LogList{}, scsi.InvalidFieldInParameterList(at, 6) // SPF
		case list[at]&0x40 != 0 && list[at+1] == 0:
			return LogList{}, scsi.InvalidFieldInParameterList(at, 6)
		case code <= last:
			return LogList{}, scsi.InvalidFieldInParameterList(at, 5)
		}
		last = code
		if err := checkLogParameters(list[:at+logPageHeader+n], at+logPageHeader); err != nil {
			return LogList{}, err
		}
		at += logPageHeader + n
	}
	return LogList{list}, nil
}

// checkLogParameters checks the parameters of one page, from at to the end of list.
func checkLogParameters(list []byte, at int) error {
	last := -1
	for at < len(list) {
		if len(list)-at < logParameterHeader || int(list[at+3]) > len(list)-at-logParameterHeader {
			return scsi.InvalidFieldInParameterList(at, -1)
		}
		code := int(binary.BigEndian.Uint16(list[at:]))
		if code <= last {
			return scsi.InvalidFieldInParameterList(at, -1)
		}
		last = code
		at += logParameterHeader + int(list[at+3])
	}
	return nil
}

// Pages yields the pages in order.
func (l LogList) Pages() iter.Seq[LogListPage] {
	return func(yield func(LogListPage) bool) {
		for at := 0; at < len(l.list); {
			p := l.list[at:]
			end := logPageHeader + int(binary.BigEndian.Uint16(p[2:]))
			if !yield(LogListPage{Code: p[0] & 0x3f, Subpage: p[1], Offset: at, parameters: p[logPageHeader:end]}) {
				return
			}
			at += end
		}
	}
}

// Parameters yields the parameters of the page in order.
func (p LogListPage) Parameters() iter.Seq[LogParameter] {
	return func(yield func(LogParameter) bool) {
		b := p.parameters
		for at := 0; at < len(b); {
			from, to := at+logParameterHeader, at+logParameterHeader+int(b[at+3])
			if !yield(LogParameter{
				Code: binary.BigEndian.Uint16(b[at:]), Control: b[at+2], Value: b[from:to:to], Offset: p.Offset + logPageHeader + at,
			}) {
				return
			}
			at = to
		}
	}
}
