package encryption

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// What is kept with a frame in the clear, big endian: version (1 byte), KAD format (1), salt (16), check value (8), and then
// the key-associated data: the length of the unauthenticated (1), they, and the rest are the authenticated ones.
//
// Each set of parameters has a salt of 128 random bits. The key that encrypts, and the check value, are derived from the
// initiator's key and the salt, each with a label of its own: so the check value says nothing of either key, cartridges
// that were written with the same key are not known by it, and nonces, which count from 0 for each salt, are never used twice.
const (
	headerVersion = 1
	saltAt        = 2
	saltSize      = 16
	checkAt       = saltAt + saltSize
	checkSize     = 8
	kadAt         = checkAt + checkSize
	maxHeader     = 255

	labelBlocks = "lunette tape encryption v1: blocks"
	labelCheck  = "lunette tape encryption v1: check value"
)

// What sealed text has more than plain text: its nonce before it, and behind it what authenticates it.
const (
	nonceSize = 12
	overhead  = nonceSize + 16
)

// A secret is a key. It is behind a pointer so that no formatting verb shows it.
type secret struct{ bytes *[KeySize]byte }

// parameters are a set of data encryption parameters that was set at once. What is kept with frames is made of them once.
type parameters struct {
	set      page.EncryptionSet // its Key is nil
	by       *target.ITL        // who has set them; nil when that nexus is gone. Keys.mu guards it
	instance uint32             // KEY INSTANCE COUNTER

	seal *sealer

	mu   sync.Mutex
	key  secret                      // nil when it is wiped
	last atomic.Pointer[derivedKeys] // those that opened a block last
}

// newParameters returns what set says, nil if it turns encryption and decryption off. It keeps nothing of set.
func newParameters(random io.Reader, set page.EncryptionSet, by *target.ITL) (*parameters, error) {
	if set.Scope == public || set.Encryption == off && set.Decryption == off {
		return nil, nil
	}
	p := &parameters{set: set, by: by, key: secret{new([KeySize]byte)}}
	copy(p.key.bytes[:], set.Key)
	p.set.Key, p.set.KADs = nil, nil
	for _, d := range set.KADs {
		p.set.KADs = append(p.set.KADs, page.KAD{Type: d.Type, Data: bytes.Clone(d.Data)})
	}
	header := make([]byte, kadAt, maxHeader)
	header[0], header[1] = headerVersion, set.KADFormat
	if _, err := io.ReadFull(random, header[saltAt:checkAt]); err != nil {
		p.wipe()
		return nil, scsi.InternalTargetFailure()
	}
	d, err := derive(p.key.bytes, [saltSize]byte(header[saltAt:]))
	if err != nil {
		p.wipe()
		return nil, err
	}
	copy(header[checkAt:], d.check[:])
	u, a := kad(p.set.KADs, page.KADUnauthenticated), kad(p.set.KADs, page.KADAuthenticated)
	header = append(append(append(header, byte(len(u))), u...), a...)
	p.seal = &sealer{header: slices.Clip(header), aead: d.aead}
	p.last.Store(d)
	return p, nil
}

// kad are the data of a type among all.
func kad(all []page.KAD, kind uint8) []byte {
	for _, d := range all {
		if d.Type == kind {
			return d.Data
		}
	}
	return nil
}

// wipe overwrites the key.
func (p *parameters) wipe() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.key.bytes != nil {
		clear(p.key.bytes[:])
		p.key.bytes = nil
	}
	p.last.Store(nil)
}

// derivedKeys are what a key becomes with a salt.
type derivedKeys struct {
	salt  [saltSize]byte
	check [checkSize]byte
	aead  cipher.AEAD
}

func derive(key *[KeySize]byte, salt [saltSize]byte) (*derivedKeys, error) {
	label := func(text string) []byte {
		m := hmac.New(sha256.New, key[:])
		m.Write([]byte(text))
		m.Write(salt[:])
		return m.Sum(nil)
	}
	blocks := label(labelBlocks)
	defer clear(blocks)
	b, err := aes.NewCipher(blocks)
	if err != nil {
		return nil, scsi.InternalTargetFailure()
	}
	d := &derivedKeys{salt: salt, check: [checkSize]byte(label(labelCheck))}
	if d.aead, err = cipher.NewGCM(b); err != nil {
		return nil, scsi.InternalTargetFailure()
	}
	return d, nil
}

// with are the keys of a header; ok is false if it is that of another key, or of none.
func (p *parameters) with(header []byte) (d *derivedKeys, ok bool) {
	if len(header) <= kadAt || header[0] != headerVersion {
		return nil, false
	}
	salt := [saltSize]byte(header[saltAt:])
	if d = p.last.Load(); d == nil || d.salt != salt {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.key.bytes == nil {
			return nil, false
		}
		var err error
		if d, err = derive(p.key.bytes, salt); err != nil {
			return nil, false
		}
		p.last.Store(d)
	}
	return d, hmac.Equal(d.check[:], header[checkAt:kadAt])
}

// kadsOf are the key-associated data in the header of a frame.
func kadsOf(header []byte, authenticated uint8) (format uint8, all []page.KAD) {
	if len(header) <= kadAt || header[0] != headerVersion || int(header[kadAt]) > len(header)-kadAt-1 {
		return 0, nil
	}
	u, a := header[kadAt+1:][:header[kadAt]], header[kadAt+1:][header[kadAt]:]
	if len(u) > 0 {
		all = append(all, page.KAD{Type: page.KADUnauthenticated, Authenticated: 1, Data: u})
	}
	if len(a) > 0 {
		all = append(all, page.KAD{Type: page.KADAuthenticated, Authenticated: authenticated, Data: a})
	}
	return header[1], all
}

// A sealer is the [medium.Cipher] of parameters. Unlike others it may be used by many goroutines at a time.
type sealer struct {
	header []byte
	aead   cipher.AEAD
	count  atomic.Uint64 // of nonces that were used
}

func (s *sealer) Overhead() int  { return overhead }
func (s *sealer) Header() []byte { return s.header }

// Seal implements [medium.Cipher]. The header is authenticated with the text.
func (s *sealer) Seal(dst, plain []byte) []byte {
	at := len(dst)
	dst = binary.BigEndian.AppendUint64(append(dst, 0, 0, 0, 0), s.count.Add(1))
	nonce := dst[at : at+nonceSize]
	return s.aead.Seal(dst, nonce, plain, s.header)
}

var _ medium.Cipher = (*sealer)(nil)

// An Error says why a block is not decrypted. It is a [medium.ErrKey], and has the sense for the initiator.
type Error struct{ Sense scsi.Sense }

func (e *Error) Error() string { return e.Sense.Error() }

// Unwrap says what the error is: the sense, and ErrKey.
func (e *Error) Unwrap() []error { return []error{e.Sense, medium.ErrKey} }

func refused(asc scsi.ASC) *Error { return &Error{scsi.DataProtect(asc)} }

// An opener is the [medium.Opener] of parameters; of none, if they are nil.
type opener struct{ p *parameters }

var errDamaged = errors.New("encrypted block is too short")

// Open implements [medium.Opener].
func (o opener) Open(dst, sealed, header []byte) ([]byte, error) {
	if o.p == nil || o.p.set.Decryption == off {
		return nil, refused(scsi.ASCUnableToDecryptData)
	}
	d, ok := o.p.with(header)
	if !ok {
		return nil, refused(scsi.ASCIncorrectDataEncryptionKey)
	}
	if len(sealed) < overhead {
		return nil, errDamaged
	}
	out, err := d.aead.Open(dst, sealed[:nonceSize], sealed[nonceSize:], header)
	if err != nil {
		return nil, refused(scsi.ASCSecurityError) // it was changed since it was sealed
	}
	return out, nil
}
