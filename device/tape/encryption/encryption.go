// Package encryption is what a tape drive does for tape data encryption (SSC-4 4.2.21, 8.5): the keys that initiators set
// with SECURITY PROTOCOL OUT, and the encryption of blocks with them, AES-256-GCM.
//
// A key lives in the memory of this process alone: it is written nowhere, no formatting verb shows it, and it is overwritten
// when it is not to be used any more. What Go's crypto packages have made of it, and pages of memory that the system has
// swapped out, are beyond this package's reach.
package encryption

import (
	"crypto/rand"
	"fmt"
	"io"
	"sync"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// KeySize is how long keys are.
const KeySize = 32

// algorithmIndex is that of the one algorithm that there is.
const algorithmIndex = 1

// Scopes of a key (SSC-4 8.5.3.2.2).
const (
	public   = 0 // what others have set for all
	local    = 1 // for the I_T nexus that sets it
	allNexus = 2
)

// Modes of encryption and of decryption (SSC-4 8.5.3.2.2).
const (
	off        = 0
	encrypting = 2
	decrypting = 2
	mixed      = 3 // blocks that are not encrypted are read too
)

// Config is what a drive lets its initiators do.
type Config struct {
	Algorithm  uint32 // SECURITY ALGORITHM CODE under which AES-256-GCM is known to initiators
	UKAD, AKAD int    // the most bytes of unauthenticated and of authenticated key-associated data; together 200 at most
	// Announce establishes a unit attention condition for all I_T nexuses but that of x.
	Announce func(a scsi.ASC, x *target.ITL)
	// Reserved reports that x holds a reservation, which CKORP and CKORL are about; nil: nobody ever does.
	Reserved func(x *target.ITL) bool
	// Random is where salts and random numbers come from; nil: [rand.Reader].
	Random io.Reader
}

// Keys are the data encryption parameters of a drive: those for all I_T nexuses, and those that a nexus has for itself. Its methods may be
// called by many goroutines.
type Keys struct {
	cfg Config

	mu      sync.Mutex
	counter uint32                  // KEY INSTANCE COUNTER
	shared  *parameters             // nil: none are set for all
	own     map[*target.ITL]*choice // of those that have set something; guarded by mu
}

// A choice is what the initiator of a nexus has set.
type choice struct {
	scope  uint8
	local  *parameters // with scope local
	locked bool        // to the shared parameters of the instance
	to     uint32      // which is this; 0: none were set for all
}

// New returns the keys of a drive: none.
func New(cfg Config) *Keys {
	if cfg.Random == nil {
		cfg.Random = rand.Reader
	}
	return &Keys{cfg: cfg, own: make(map[*target.ITL]*choice)}
}

// Format implements [fmt.Formatter]: keys are not for people.
func (k *Keys) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "encryption.Keys") }

// of are the parameters that hold for x, and the scope that they have; nil: none do. k.mu is held.
func (k *Keys) of(x *target.ITL) (p *parameters, scope uint8) {
	if c := k.own[x]; c != nil && c.scope == local {
		k.expire(&c.local, x)
		return c.local, local
	}
	k.expire(&k.shared, nil)
	if k.shared != nil {
		return k.shared, allNexus
	}
	return nil, public
}

// expire clears parameters that end with the reservation of who has set them, if it holds none any more. k.mu is held.
func (k *Keys) expire(p **parameters, x *target.ITL) {
	if *p == nil || !(*p).set.OnLoss && !(*p).set.OnPreempt {
		return
	}
	if x == nil {
		x = (*p).by
	}
	if x != nil && k.reserved(x) {
		return
	}
	k.clear(p)
}

func (k *Keys) reserved(x *target.ITL) bool { return k.cfg.Reserved != nil && k.cfg.Reserved(x) }

// clear forgets parameters. k.mu is held.
func (k *Keys) clear(p **parameters) {
	if *p != nil {
		(*p).wipe()
		*p = nil
		k.counter++
	}
}

// Demounted forgets the keys that end when the cartridge goes (CKOD).
func (k *Keys) Demounted() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.shared != nil && k.shared.set.OnDemount {
		k.clear(&k.shared)
	}
	for _, c := range k.own {
		if c.local != nil && c.local.set.OnDemount {
			k.clear(&c.local)
			c.scope = public
		}
	}
}

// Detached forgets what the initiator of x has set for itself: its nexus is lost.
func (k *Keys) Detached(x *target.ITL) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c := k.own[x]; c != nil {
		k.clear(&c.local)
		delete(k.own, x)
	}
	if k.shared != nil && k.shared.by == x {
		k.shared.by = nil
	}
}

// Reset forgets all keys, as a reset of the logical unit does.
func (k *Keys) Reset() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.clear(&k.shared)
	for x, c := range k.own {
		k.clear(&c.local)
		delete(k.own, x)
	}
}

// Out is SECURITY PROTOCOL OUT of x, protocol 20h, with the page that code names. list is borrowed; the caller overwrites it
// when Out has returned. An error is a [scsi.Sense], and then nothing has changed.
func (k *Keys) Out(x *target.ITL, code uint16, list []byte) error {
	if code != page.EncryptionSetPage {
		return scsi.InvalidFieldInCDB(2, -1)
	}
	set, err := page.ParseEncryptionSet(list)
	if err != nil {
		return err
	}
	if err := k.check(x, set); err != nil {
		return err
	}
	p, err := newParameters(k.cfg.Random, set, x)
	if err != nil {
		return err
	}
	k.mu.Lock()
	told := k.put(x, set, p)
	k.mu.Unlock()
	if told && k.cfg.Announce != nil {
		k.cfg.Announce(scsi.ASCDataEncryptionParametersChanged, x)
	}
	return nil
}

// put makes what x has set hold; p is nil if it has turned all off. It reports that it matters to others. k.mu is held.
func (k *Keys) put(x *target.ITL, set page.EncryptionSet, p *parameters) (told bool) {
	c := k.own[x]
	if c == nil {
		c = &choice{}
		k.own[x] = c
	}
	k.clear(&c.local)
	k.counter++
	switch set.Scope {
	case local:
		c.local = p
	case allNexus:
		k.clear(&k.shared)
		k.shared, told = p, true
	}
	if p != nil {
		p.instance = k.counter
	}
	*c = choice{scope: set.Scope, local: c.local, locked: set.Lock}
	if k.shared != nil {
		c.to = k.shared.instance
	}
	return told
}

// check refuses what a SET DATA ENCRYPTION page must not have (SSC-4 8.5.3.2).
func (k *Keys) check(x *target.ITL, s page.EncryptionSet) error {
	at := func(i, bit int) error { return scsi.InvalidFieldInParameterList(i, bit) }
	switch {
	case s.Scope > allNexus:
		return at(page.EncryptionSetScope, 7)
	case s.CheckExternal > 1: // there is no external encryption that could be meant
		return at(page.EncryptionSetFlags, 7)
	case s.Raw == 1: // reserved
		return at(page.EncryptionSetFlags, 5)
	case s.Supplemental:
		return at(page.EncryptionSetFlags, 3)
	case s.OnPreempt && !k.reserved(x):
		return at(page.EncryptionSetFlags, 1)
	case s.OnLoss && !k.reserved(x):
		return at(page.EncryptionSetFlags, 0)
	case s.Scope == public:
		return nil // the rest means nothing
	case s.Encryption != off && s.Encryption != encrypting:
		return at(page.EncryptionSetEncryption, -1)
	case s.Decryption != off && s.Decryption != decrypting && s.Decryption != mixed:
		return at(page.EncryptionSetDecryption, -1)
	}
	if s.Encryption == off && s.Decryption == off {
		return nil
	}
	switch {
	case s.Index != algorithmIndex:
		return at(page.EncryptionSetIndex, -1)
	case s.KeyFormat != 0:
		return at(page.EncryptionSetKeyFormat, -1)
	case s.KADFormat > 2:
		return at(page.EncryptionSetKADFormat, -1)
	case len(s.Key) != KeySize:
		return at(page.EncryptionSetKeyLength, -1)
	}
	where := page.EncryptionSetKey + len(s.Key)
	for _, d := range s.KADs {
		limit := k.cfg.UKAD
		if d.Type == page.KADAuthenticated {
			limit = k.cfg.AKAD
		}
		switch {
		case d.Type > page.KADAuthenticated:
			return at(where, -1)
		case len(d.Data) > limit:
			return at(where+2, -1)
		}
		where += 4 + len(d.Data)
	}
	return nil
}
