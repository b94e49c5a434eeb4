package reserve

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/lunette-io/lunette/scsi"
)

// The encoding of a snapshot, big endian:
//
//	magic "LNRS", format 1 (2 bytes), flags (2 bytes), version (8), PRGENERATION (4),
//	type (1), reserved (1), number of registrations (2),
//	holder, if flagHolder; owner, if flagReserved;
//	the registrations: key (8), nexus; if nexusHasOwner: the owner, as a nexus of no target.
//
// A nexus is: relative target port (2), protocol (1), flags (1), ISID (6), port name (16),
// length of the initiator's name (2), length of the target's name (2), the names; if
// nexusHasUser: length of the user's name (2), the name.
const (
	snapshotMagic  = "LNRS"
	snapshotFormat = 1
	snapshotHeader = 24
	nexusHeader    = 30
	nexusHasISID   = 0x01
	nexusHasUser   = 0x02
	nexusHasOwner  = 0x04 // of a registration that is on the account of another

	flagPersist  = 0x01
	flagReserved = 0x02
	flagHolder   = 0x04
)

// These bound Nexus.Target and Nexus.User in a snapshot, in bytes.
const (
	maxTargetName = 1024
	maxUserName   = 1024
)

// Append appends the encoding of p, which [ParseSnapshot] reads.
func (p Snapshot) Append(dst []byte) []byte {
	var flags uint16
	if p.Persist {
		flags |= flagPersist
	}
	if p.Reserved {
		flags |= flagReserved
	}
	if p.Holder != (Nexus{}) {
		flags |= flagHolder
	}
	dst = append(dst, snapshotMagic...)
	dst = binary.BigEndian.AppendUint16(dst, snapshotFormat)
	dst = binary.BigEndian.AppendUint16(dst, flags)
	dst = binary.BigEndian.AppendUint64(dst, p.Version)
	dst = binary.BigEndian.AppendUint32(dst, p.Generation)
	dst = append(dst, byte(p.Type), 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(p.Registrations)))
	if flags&flagHolder != 0 {
		dst = p.Holder.append(dst)
	}
	if p.Reserved {
		dst = p.Owner.append(dst)
	}
	for _, r := range p.Registrations {
		dst = binary.BigEndian.AppendUint64(dst, r.Key)
		if r.By == (Owner{}) {
			dst = r.Nexus.append(dst)
			continue
		}
		at := len(dst)
		dst = r.Nexus.append(dst)
		dst[at+3] |= nexusHasOwner
		dst = Nexus{Initiator: r.By.Initiator, User: r.By.User}.append(dst)
	}
	return dst
}

func (n Nexus) append(dst []byte) []byte {
	id := n.Initiator
	var flags byte
	if id.HasISID {
		flags = nexusHasISID
	}
	if n.User != "" {
		flags |= nexusHasUser
	}
	dst = binary.BigEndian.AppendUint16(dst, n.Port)
	dst = append(dst, byte(id.Protocol), flags)
	dst = append(append(dst, id.ISID[:]...), id.Port[:]...)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(id.Name)))
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(n.Target)))
	dst = append(append(dst, id.Name...), n.Target...)
	if n.User != "" {
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(n.User)))
		dst = append(dst, n.User...)
	}
	return dst
}

// ParseSnapshot reads the encoding of a snapshot, all of b. What it returns does not refer to
// b, and [Restore] takes it.
func ParseSnapshot(b []byte) (Snapshot, error) {
	if len(b) < snapshotHeader || string(b[:4]) != snapshotMagic {
		return Snapshot{}, fmt.Errorf("%w: it does not start as one", ErrSnapshot)
	}
	if f := binary.BigEndian.Uint16(b[4:]); f != snapshotFormat {
		return Snapshot{}, fmt.Errorf("%w: format %d, known is %d", ErrSnapshot, f, snapshotFormat)
	}
	flags, n := binary.BigEndian.Uint16(b[6:]), int(binary.BigEndian.Uint16(b[22:]))
	if flags&^(flagPersist|flagReserved|flagHolder) != 0 || b[21] != 0 {
		return Snapshot{}, fmt.Errorf("%w: flags %#x", ErrSnapshot, flags)
	}
	if n > MaxRegistrations {
		return Snapshot{}, fmt.Errorf("%w: %d registrations", ErrSnapshot, n)
	}
	p := Snapshot{
		Version: binary.BigEndian.Uint64(b[8:]), Generation: binary.BigEndian.Uint32(b[16:]),
		Type: scsi.ReservationType(b[20]), Persist: flags&flagPersist != 0, Reserved: flags&flagReserved != 0,
	}
	b = b[snapshotHeader:]
	var err error
	if flags&flagHolder != 0 {
		if p.Holder, b, err = parseNexus(b, 0); err != nil {
			return Snapshot{}, err
		}
		if p.Holder == (Nexus{}) {
			return Snapshot{}, fmt.Errorf("%w: a holder without a name", ErrSnapshot)
		}
	}
	if p.Reserved {
		if p.Owner, b, err = parseNexus(b, 0); err != nil {
			return Snapshot{}, err
		}
	}
	for range n {
		if len(b) < 8 {
			return Snapshot{}, fmt.Errorf("%w: it ends too early", ErrSnapshot)
		}
		r := Registration{Key: binary.BigEndian.Uint64(b)}
		if r, b, err = r.parse(b[8:]); err != nil {
			return Snapshot{}, err
		}
		p.Registrations = append(p.Registrations, r)
	}
	if len(b) != 0 {
		return Snapshot{}, fmt.Errorf("%w: %d bytes too many", ErrSnapshot, len(b))
	}
	if _, err := Restore(p); err != nil {
		return Snapshot{}, err
	}
	return p, nil
}

// parse reads the nexus of r, and on whose account it is, and returns what follows it.
func (r Registration) parse(b []byte) (_ Registration, rest []byte, err error) {
	another := len(b) >= nexusHeader && b[3]&nexusHasOwner != 0
	if r.Nexus, b, err = parseNexus(b, nexusHasOwner); err != nil || !another {
		return r, b, err
	}
	by, b, err := parseNexus(b, 0)
	r.By = by.Owner()
	if err == nil && (by != Nexus{Initiator: r.By.Initiator, User: r.By.User} || r.By == Owner{} || r.By == r.Nexus.Owner()) {
		err = fmt.Errorf("%w: %v is no owner of %v", ErrSnapshot, by.Initiator, r.Initiator)
	}
	return r, b, err
}

// parseNexus reads the nexus at the start of b and returns what follows it; more are flags that it may
// have, which are the caller's.
func parseNexus(b []byte, more byte) (n Nexus, rest []byte, err error) {
	if len(b) < nexusHeader {
		return Nexus{}, nil, fmt.Errorf("%w: it ends too early", ErrSnapshot)
	}
	name, target := int(binary.BigEndian.Uint16(b[26:])), int(binary.BigEndian.Uint16(b[28:]))
	switch {
	case name > scsi.MaxISCSINameLen || target > maxTargetName || len(b) < nexusHeader+name+target:
		return Nexus{}, nil, fmt.Errorf("%w: names of %d and %d bytes", ErrSnapshot, name, target)
	case b[2] > 0xf || b[3]&^(nexusHasISID|nexusHasUser|more) != 0:
		return Nexus{}, nil, fmt.Errorf("%w: an initiator of protocol %#x with flags %#x", ErrSnapshot, b[2], b[3])
	}
	n.Port = binary.BigEndian.Uint16(b)
	n.Initiator = scsi.TransportID{Protocol: scsi.Protocol(b[2]), HasISID: b[3]&nexusHasISID != 0}
	copy(n.Initiator.ISID[:], b[4:])
	copy(n.Initiator.Port[:], b[10:])
	hasUser := b[3]&nexusHasUser != 0
	b = b[nexusHeader:]
	n.Initiator.Name, n.Target = string(b[:name]), string(b[name:name+target])
	if strings.ToLower(n.Initiator.Name) != n.Initiator.Name {
		return Nexus{}, nil, fmt.Errorf("%w: the name %q is not in lower case", ErrSnapshot, n.Initiator.Name)
	}
	if b = b[name+target:]; hasUser {
		n.User, b, err = parseUser(b)
	}
	return n, b, err
}

// parseUser reads the name of a user at the start of b and returns what follows it.
func parseUser(b []byte) (user string, rest []byte, err error) {
	if len(b) < 2 {
		return "", nil, fmt.Errorf("%w: it ends too early", ErrSnapshot)
	}
	n := int(binary.BigEndian.Uint16(b))
	if b = b[2:]; n == 0 || n > maxUserName || len(b) < n {
		return "", nil, fmt.Errorf("%w: a user's name of %d bytes", ErrSnapshot, n)
	}
	return string(b[:n]), b[n:], nil
}
