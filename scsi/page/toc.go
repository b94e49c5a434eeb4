package page

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A TOCAddress is an address of READ TOC data: a block, or M, S and F as the three low bytes of a number.
type TOCAddress uint32

// LeadOutTrack is the number of what is behind the last track.
const LeadOutTrack = 0xaa

// TrackData is the ADR and CONTROL of a data track that was recorded at once: the address is in Q mode 1.
const TrackData = 0x14

// A TOCTrack is a track descriptor of format 0 (MMC-6 6.25.3.2): a track, or [LeadOutTrack].
type TOCTrack struct {
	Control byte // ADR and CONTROL
	Number  uint8
	Start   TOCAddress
}

// TOCHeaderLen is the length of what READ TOC/PMA/ATIP data begins with.
const TOCHeaderLen = 4

// AppendTOC appends READ TOC data of format 0: tracks first to last of the disc, of which all are the descriptors asked for.
func AppendTOC(dst []byte, first, last uint8, all ...TOCTrack) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, first, last)
	for _, t := range all {
		dst = binary.BigEndian.AppendUint32(append(dst, 0, t.Control, t.Number, 0), uint32(t.Start))
	}
	return setLen16(dst, at)
}

// AppendSessions appends READ TOC data of format 1 (MMC-6 6.25.3.3): sessions first to last, and the first track of the last one.
func AppendSessions(dst []byte, first, last uint8, t TOCTrack) []byte {
	return AppendTOC(dst, first, last, t)
}

// A TOCEntry is an entry of the lead-in, as format 2 has it (MMC-6 6.25.3.4).
type TOCEntry struct {
	Session uint8
	Control byte // ADR and CONTROL
	Track   uint8
	Point   uint8
	Running TOCAddress // Min, Sec, Frame
	Zero    uint8
	At      TOCAddress // PMIN, PSEC, PFRAME
}

// Points of TOCEntry that are no tracks.
const (
	PointFirst   = 0xa0 // PMIN is the number of the first track, PSEC the type of the disc
	PointLast    = 0xa1 // PMIN is the number of the last track
	PointLeadOut = 0xa2
)

// AppendFullTOC appends READ TOC data of format 2.
func AppendFullTOC(dst []byte, first, last uint8, all ...TOCEntry) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, first, last)
	for _, e := range all {
		dst = append(dst, e.Session, e.Control, e.Track, e.Point, byte(e.Running>>16), byte(e.Running>>8), byte(e.Running), e.Zero,
			byte(e.At>>16), byte(e.At>>8), byte(e.At))
	}
	return setLen16(dst, at)
}

// A TOC is READ TOC data of format 0 or 1, as [ParseTOC] reads it.
type TOC struct {
	First, Last uint8 // tracks, or sessions
	Tracks      []TOCTrack
}

// ErrTOC is wrapped by every error of [ParseTOC] and [ParseFullTOC].
var ErrTOC = errors.New("malformed READ TOC data")

// ParseTOC reads READ TOC data of format 0 or 1, whose length must be right: for initiators and tests.
func ParseTOC(b []byte) (TOC, error) {
	if err := checkTOC(b, 8); err != nil {
		return TOC{}, err
	}
	t := TOC{First: b[2], Last: b[3]}
	for b = b[TOCHeaderLen:]; len(b) > 0; b = b[8:] {
		t.Tracks = append(t.Tracks, TOCTrack{Control: b[1], Number: b[2], Start: TOCAddress(binary.BigEndian.Uint32(b[4:]))})
	}
	return t, nil
}

// ParseFullTOC reads READ TOC data of format 2: for initiators and tests.
func ParseFullTOC(b []byte) (first, last uint8, all []TOCEntry, err error) {
	if err := checkTOC(b, 11); err != nil {
		return 0, 0, nil, err
	}
	msf := func(b []byte) TOCAddress { return TOCAddress(b[0])<<16 | TOCAddress(b[1])<<8 | TOCAddress(b[2]) }
	first, last = b[2], b[3]
	for b = b[TOCHeaderLen:]; len(b) > 0; b = b[11:] {
		all = append(all, TOCEntry{b[0], b[1], b[2], b[3], msf(b[4:]), b[7], msf(b[8:])})
	}
	return first, last, all, nil
}

func checkTOC(b []byte, entry int) error {
	if len(b) < TOCHeaderLen || int(binary.BigEndian.Uint16(b)) != len(b)-2 || (len(b)-TOCHeaderLen)%entry != 0 {
		return fmt.Errorf("%w: %d bytes", ErrTOC, len(b))
	}
	return nil
}
