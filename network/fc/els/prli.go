package els

import (
	"encoding/binary"
	"fmt"

	"github.com/lunette-io/lunette/network/fc"
)

// Lengths of PRLI and PRLO.
const (
	processHeaderLen = 4
	pageLen          = 16
	// PRLILen is the length of a PRLI, of a PRLO, or of the answer to one, with a single page.
	PRLILen = processHeaderLen + pageLen
)

// A ProcessFlags is the flags of a page of PRLI or PRLO.
type ProcessFlags uint16

// Flags. The response code of an answer is in the lowest four bits of the first byte.
const (
	OriginatorAssociator ProcessFlags = 0x8000 // the process associator of the originator is valid
	ResponderAssociator  ProcessFlags = 0x4000
	ImagePair            ProcessFlags = 0x2000 // PRLI: establish an image pair; of an answer: it is established
)

// Response is the response code of an answer.
func (f ProcessFlags) Response() Response { return Response(f >> 8 & 15) }

// WithResponse is f with a response code.
func (f ProcessFlags) WithResponse(r Response) ProcessFlags {
	return f&^0x0f00 | ProcessFlags(r&15)<<8
}

// A Response is a response code of an LS_ACC of PRLI or PRLO (FC-LS-4 "PRLI accept response code").
type Response uint8

// Response codes.
const (
	ResponseExecuted    Response = 1
	ResponseResources   Response = 2 // there are no resources for it
	ResponseNotInited   Response = 3 // initialization is not complete for this image
	ResponseNoImage     Response = 4 // there is no such image
	ResponsePrecluded   Response = 5 // the configuration precludes it
	ResponseConditional Response = 6 // executed, and not all parameters are as they were asked for
	ResponseMultiple    Response = 7 // the destination cannot take several pages
	ResponseInvalid     Response = 8 // service parameters are invalid
)

// String is the code in words.
func (r Response) String() string {
	switch r {
	case ResponseExecuted:
		return "request executed"
	case ResponseResources:
		return "no resources"
	case ResponseNotInited:
		return "initialization not complete"
	case ResponseNoImage:
		return "no such image"
	case ResponsePrecluded:
		return "configuration precludes it"
	case ResponseConditional:
		return "request executed conditionally"
	case ResponseMultiple:
		return "several pages are not supported"
	case ResponseInvalid:
		return "service parameters are invalid"
	}
	return fmt.Sprintf("response code %d", uint8(r))
}

// A Page is a service parameter page of PRLI, or a page of PRLO.
type Page struct {
	Type                  fc.Type
	Extension             uint8
	Flags                 ProcessFlags
	Originator, Responder uint32 // process associators
	Params                uint32 // service parameters: of FCP those of transport/fcp/iu
}

// A Process is PRLI, or PRLO, or the LS_ACC of one (FC-LS-4 "process login"). Linux sends one page at a time.
type Process struct {
	Command Command
	Pages   []Page
}

// ParsePRLI reads a PRLI, or the LS_ACC of one.
func ParsePRLI(b []byte) (Process, error) { return parseProcess(b, PRLI) }

// parseProcess reads pages. There is at least one.
func parseProcess(b []byte, c Command) (x Process, err error) {
	if err := check(b, PRLILen, c, LSAcc); err != nil {
		return x, err
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if b[1] != pageLen {
		return x, &Error{c, true, fmt.Sprintf("pages of %d bytes", b[1])}
	}
	if n > len(b) || n < PRLILen || (n-processHeaderLen)%pageLen != 0 {
		return x, &Error{c, true, fmt.Sprintf("a length of %d in %d bytes", n, len(b))}
	}
	x = Process{Command(b[0]), make([]Page, 0, n/pageLen)}
	for at := processHeaderLen; at < n; at += pageLen {
		p := b[at : at+pageLen]
		x.Pages = append(x.Pages, Page{
			fc.Type(p[0]), p[1], ProcessFlags(binary.BigEndian.Uint16(p[2:])),
			binary.BigEndian.Uint32(p[4:]), binary.BigEndian.Uint32(p[8:]), binary.BigEndian.Uint32(p[12:]),
		})
	}
	return x, nil
}

// Append appends the payload.
func (x Process) Append(dst []byte) []byte {
	dst = append(dst, byte(x.Command), pageLen)
	dst = binary.BigEndian.AppendUint16(dst, uint16(processHeaderLen+len(x.Pages)*pageLen))
	for _, p := range x.Pages {
		dst = append(dst, byte(p.Type), p.Extension)
		dst = binary.BigEndian.AppendUint16(dst, uint16(p.Flags))
		dst = binary.BigEndian.AppendUint32(dst, p.Originator)
		dst = binary.BigEndian.AppendUint32(dst, p.Responder)
		dst = binary.BigEndian.AppendUint32(dst, p.Params)
	}
	return dst
}
