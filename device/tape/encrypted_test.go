package tape_test

import (
	"bytes"
	"testing"

	"github.com/lunette-io/lunette/device/tape"
	"github.com/lunette-io/lunette/device/tape/encryption"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/transport/loopback"
)

// key makes an initiator use a key, or none, for all nexuses.
func (b *bench) key(fill byte, encryption, decryption uint8) {
	b.Helper()
	set := page.EncryptionSet{Scope: 2, Encryption: encryption, Decryption: decryption, Index: 1}
	if encryption|decryption != 0 {
		set.Key = bytes.Repeat([]byte{fill}, 32)
	}
	list := set.Append(nil)
	c := cdb.SecurityProtocol{Opcode: scsi.OpSecurityProtocolOut, Protocol: 0x20, Specific: 0x10, Length: uint32(len(list))}
	b.good(c.Append(nil), list, 0)
	for _, s := range b.all {
		b.calm(s)
	}
}

// Blocks that are encrypted are read with their key alone; what cannot be read is not passed.
func TestEncrypted(t *testing.T) {
	b := loaded(t, 100<<20, func(c *tape.Config) {
		c.Model.Encryption, c.Model.UKAD, c.Model.AKAD = 0x10014, 32, 12
		c.Compression = medium.Fast
	})
	b.d.SetBlockLength(1000)
	const on, off = 2, 0
	b.good(writeCDB(1000), block(0, 1000), 0)
	b.key(1, on, on)
	b.good(writeCDB(1000), block(1, 1000), 0)
	b.good(writeFixed(20), block(2, 20000), 0)
	b.good(writeCDB(3<<20), make([]byte, 3<<20), 0)
	b.key(2, on, on)
	b.good(writeCDB(1000), block(4, 1000), 0)
	b.good(marks(1), nil, 0)
	b.key(0, off, off)
	protect := func(asc scsi.ASC) scsi.Sense { return scsi.DataProtect(asc) }
	b.good(rewind(), nil, 0)
	b.reads(block(0, 1000))
	b.ends(readCDB(1000), nil, 1000, protect(scsi.ASCUnableToDecryptData).WithInfo(1000), 1000)
	b.at(1, 0)
	b.key(1, on, on)
	b.reads(block(1, 1000))
	if got := b.good(readFixed(20), nil, 20000); !bytes.Equal(got, block(2, 20000)) {
		t.Error("other data")
	}
	b.reads(make([]byte, 3<<20))
	b.ends(readCDB(1000), nil, 1000, protect(scsi.ASCIncorrectDataEncryptionKey).WithInfo(1000), 1000)
	b.at(23, 0)
	other := b.login(2, loopback.Options{}) // the key is that of all nexuses
	if r := b.on(other, readCDB(1000), nil, 1000); r.Sense != protect(scsi.ASCIncorrectDataEncryptionKey).WithInfo(1000) {
		t.Error(r.Sense)
	}
	b.key(2, on, on)
	b.reads(block(4, 1000))
	b.ends(readCDB(1000), nil, 1000, mark(1000), 1000)
	b.good(rewind(), nil, 0)
	b.ends(readCDB(1000), nil, 1000, protect(scsi.ASCUnencryptedDataWhileDecrypting).WithInfo(1000), 1000)
	b.at(0, 0)
	b.ends(readFixed(3), nil, 3000, protect(scsi.ASCUnencryptedDataWhileDecrypting).WithInfo(3), 3000)
	b.key(2, on, 3) // mixed
	b.reads(block(0, 1000))
}

// What was changed since it was encrypted is not taken for a block of another key.
func TestEncryptedAndChanged(t *testing.T) {
	b := newBench(t, func(c *tape.Config) { c.Model.Encryption = 0x10014 })
	f := newFaulty(100 << 20)
	b.load(f)
	b.good(writeCDB(100), block(0, 100), 0)
	b.good(rewind(), nil, 0)
	changed := scsi.DataProtect(scsi.ASCSecurityError)
	f.set(on("read", 0, &encryption.Error{Sense: changed}))
	b.ends(readCDB(100), nil, 100, changed.WithInfo(100), 100)
	b.at(0, 0)
}
