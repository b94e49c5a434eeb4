package encryption

import (
	"io"

	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// Next is what a drive tells of the block that comes next.
type Next struct {
	Loaded bool          // there is a medium that can be used
	Object medium.Object // what comes next
	Number uint64        // of it
	Known  bool          // Object and Number can be told now
}

// Cipher is what encrypts what x writes from now on; nil: it is written in the clear. The error is a [scsi.Sense]: x has
// asked not to write with other parameters than its own (LOCK), and others are set.
func (k *Keys) Cipher(x *target.ITL) (medium.Cipher, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p, _ := k.of(x)
	if err := k.locked(x); err != nil {
		return nil, err
	}
	if p == nil || p.set.Encryption != encrypting {
		return nil, nil
	}
	return p.seal, nil
}

// locked refuses x if it is locked to parameters that do not hold any more. k.mu is held.
func (k *Keys) locked(x *target.ITL) error {
	var now uint32
	if k.shared != nil {
		now = k.shared.instance
	}
	if c := k.own[x]; c != nil && c.locked && c.scope != local && c.to != now {
		return scsi.DataProtect(scsi.ASCDataEncryptionKeyCounterChanged)
	}
	return nil
}

// Opener is what decrypts what x reads from now on. It is never nil: where nothing can be decrypted it says so.
func (k *Keys) Opener(x *target.ITL) medium.Opener {
	k.mu.Lock()
	defer k.mu.Unlock()
	p, _ := k.of(x)
	return opener{p}
}

// Overhead is how many bytes longer than it was a sealed block is.
func (k *Keys) Overhead(*target.ITL) int64 { return overhead }

// Refuses says why x may not read the object that comes next; the zero sense: it may. What is no block is never refused.
func (k *Keys) Refuses(x *target.ITL, o medium.Object) scsi.Sense {
	if o.Kind != medium.Block {
		return scsi.Sense{}
	}
	k.mu.Lock()
	p, _ := k.of(x)
	k.mu.Unlock()
	reading := p != nil && p.set.Decryption != off
	switch {
	case !o.Sealed && reading && p.set.Decryption == decrypting:
		return scsi.DataProtect(scsi.ASCUnencryptedDataWhileDecrypting)
	case !o.Sealed:
	case !reading:
		return scsi.DataProtect(scsi.ASCUnableToDecryptData)
	default:
		if _, ok := p.with(o.Header); !ok {
			return scsi.DataProtect(scsi.ASCIncorrectDataEncryptionKey)
		}
	}
	return scsi.Sense{}
}

// In is SECURITY PROTOCOL IN of x, protocol 20h, with the page that code names. next is asked for what page 0021h, and whether a
// medium is loaded, need; it is called with no lock held.
func (k *Keys) In(x *target.ITL, code uint16, next func() (Next, error)) ([]byte, error) {
	switch code {
	case page.EncryptionInList:
		return page.AppendEncryptionCodes(nil, code, page.EncryptionInList, page.EncryptionOutList, page.EncryptionCapability,
			page.EncryptionKeyFormats, page.EncryptionManagement, page.EncryptionStatusPage, page.EncryptionNextBlock,
			page.EncryptionRandom), nil
	case page.EncryptionOutList:
		return page.AppendEncryptionCodes(nil, code, page.EncryptionSetPage), nil
	case page.EncryptionCapability:
		n, err := next()
		return k.capabilities(err == nil && n.Loaded).Append(nil), nil
	case page.EncryptionKeyFormats:
		return page.AppendEncryptionBytes(nil, code, 0), nil // plain text
	case page.EncryptionManagement:
		reservations := k.cfg.Reserved != nil
		return page.EncryptionManagementCapabilities{
			Lock: true, OnDemount: true, OnPreempt: reservations, OnLoss: reservations, AllNexus: true, Local: true, Open: true,
		}.Append(nil), nil
	case page.EncryptionStatusPage:
		return k.status(x).Append(nil), nil
	case page.EncryptionNextBlock:
		n, err := next()
		if err != nil {
			return nil, err
		}
		return k.nextBlock(x, n).Append(nil), nil
	case page.EncryptionRandom:
		var b [32]byte
		if _, err := io.ReadFull(k.cfg.Random, b[:]); err != nil {
			return nil, scsi.InternalTargetFailure()
		}
		return page.AppendEncryptionBytes(nil, code, b[:]...), nil
	}
	return nil, scsi.InvalidFieldInCDB(2, -1)
}

func (k *Keys) capabilities(loaded bool) page.EncryptionCapabilities {
	return page.EncryptionCapabilities{
		ConfigurePrevent: 1, ExternalControl: 1, Index: algorithmIndex, Loaded: loaded, MACs: true, Distinguish: true, Decrypt: 2, Encrypt: 2,
		Nonce: 1, KADFormats: true, MaxU: uint16(k.cfg.UKAD), MaxA: uint16(k.cfg.AKAD), KeySize: KeySize,
		DecryptKAD: 3, ExternalMode: 1, Raw: 1, Algorithm: k.cfg.Algorithm,
	}
}

func (k *Keys) status(x *target.ITL) page.EncryptionStatus {
	k.mu.Lock()
	defer k.mu.Unlock()
	p, scope := k.of(x)
	s := page.EncryptionStatus{KeyScope: scope, Instance: k.counter, Control: 1}
	if c := k.own[x]; c != nil {
		s.NexusScope = c.scope
	}
	if p == nil {
		return s
	}
	s.Encryption, s.Decryption, s.Index, s.Instance = p.set.Encryption, p.set.Decryption, algorithmIndex, p.instance
	s.RawDisabled, s.KADFormat, s.KADs = p.set.Raw == 3, p.set.KADFormat, p.set.KADs
	return s
}

func (k *Keys) nextBlock(x *target.ITL, n Next) page.EncryptionBlock {
	b := page.EncryptionBlock{Object: n.Number}
	switch {
	case !n.Known:
		b.State = page.BlockUnableNow
		return b
	case n.Object.Kind != medium.Block:
		b.State = page.BlockNone
		return b
	case !n.Object.Sealed:
		b.State = page.BlockClear
		return b
	}
	k.mu.Lock()
	p, _ := k.of(x)
	k.mu.Unlock()
	b.State, b.Index, b.RawDisabled = page.BlockUndecryptable, algorithmIndex, true
	if p != nil && p.set.Decryption != off {
		if _, ok := p.with(n.Object.Header); ok {
			b.State = page.BlockDecryptable
		}
	}
	b.KADFormat, b.KADs = kadsOf(n.Object.Header, 1)
	return b
}
