// Package els is the payloads of extended link services (FC-LS-4) and of basic link services (FC-FS-5): bytes in, values out, and back.
//
// All numbers are big-endian. What is reserved is not looked at, and sent as zero. What a value's slices refer to is the payload that it
// was read from. More bytes than an element has are not looked at.
//
// An answer that accepts begins with the code [LSAcc] instead of that of the request; who has asked knows what it is an answer to.
package els

import "fmt"

// A Command is a link service command code: the first byte of the payload.
type Command uint8

// Commands.
const (
	LSRjt Command = 0x01
	LSAcc Command = 0x02
	PLOGI Command = 0x03
	FLOGI Command = 0x04
	LOGO  Command = 0x05
	RES   Command = 0x08
	RTV   Command = 0x0e
	RLS   Command = 0x0f
	ECHO  Command = 0x10
	RRQ   Command = 0x12
	REC   Command = 0x13
	SRR   Command = 0x14 // an FC-4 link service of FCP
	PRLI  Command = 0x20
	PRLO  Command = 0x21
	PDISC Command = 0x50
	FDISC Command = 0x51
	ADISC Command = 0x52
	RPS   Command = 0x56
	RSCN  Command = 0x61
	SCR   Command = 0x62
	RNFT  Command = 0x63
	RNID  Command = 0x78
)

var commands = map[Command]string{
	LSRjt: "LS_RJT", LSAcc: "LS_ACC", PLOGI: "PLOGI", FLOGI: "FLOGI", LOGO: "LOGO", RES: "RES", RTV: "RTV", RLS: "RLS", ECHO: "ECHO",
	RRQ: "RRQ", REC: "REC", SRR: "SRR", PRLI: "PRLI", PRLO: "PRLO", PDISC: "PDISC", FDISC: "FDISC", ADISC: "ADISC", RPS: "RPS",
	RSCN: "RSCN", SCR: "SCR", RNFT: "RNFT", RNID: "RNID",
}

// String is the name in the standard.
func (c Command) String() string {
	if s := commands[c]; s != "" {
		return s
	}
	return fmt.Sprintf("ELS %02xh", uint8(c))
}

// CommandOf is the command code of a payload; 0 if it has none.
func CommandOf(b []byte) Command {
	if len(b) < 4 {
		return 0
	}
	return Command(b[0])
}

// An Error says what is wrong with a payload that was received.
type Error struct {
	Command Command
	Length  bool // it is shorter than it has to be, or its lengths contradict each other
	Detail  string
}

func (e *Error) Error() string { return e.Command.String() + ": " + e.Detail }

// Reject is the answer to such a request.
func (e *Error) Reject() Reject {
	if e.Length {
		return Reject{Reason: ReasonLogical, Explanation: ExplanationLength}
	}
	return Reject{Reason: ReasonLogical, Explanation: ExplanationNone}
}

// check refuses what is shorter than n bytes, or none of the commands.
func check(b []byte, n int, want ...Command) error {
	got := CommandOf(b)
	for _, c := range want {
		if c != got || len(b) < 4 {
			continue
		}
		if len(b) < n {
			return &Error{c, true, fmt.Sprintf("%d bytes, want %d", len(b), n)}
		}
		return nil
	}
	if len(b) < 4 {
		return &Error{want[0], true, fmt.Sprintf("%d bytes, want %d", len(b), n)}
	}
	return &Error{want[0], false, "it is " + got.String()}
}

// code is LS_ACC for an answer, else the command.
func code(answer bool, c Command) byte {
	if answer {
		return byte(LSAcc)
	}
	return byte(c)
}

// word appends a command code and the three bytes of zero that most have behind it.
func word(dst []byte, c Command) []byte { return append(dst, byte(c), 0, 0, 0) }

// zeros appends n bytes of zero.
func zeros(dst []byte, n int) []byte {
	for range n {
		dst = append(dst, 0)
	}
	return dst
}
