package encryption_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lunette-io/lunette/device/tape/encryption"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// A drive has keys, and notes what it tells of them.
type drive struct {
	*testing.T
	*encryption.Keys
	told     []string
	reserved map[*target.ITL]bool
}

func newDrive(t *testing.T) *drive {
	d := &drive{T: t, reserved: map[*target.ITL]bool{}}
	d.Keys = encryption.New(encryption.Config{
		Algorithm: page.AlgorithmAES256GCM, UKAD: 32, AKAD: 12,
		Announce: func(a scsi.ASC, _ *target.ITL) { d.told = append(d.told, fmt.Sprintf("%04x", uint16(a))) },
		Reserved: func(x *target.ITL) bool { return d.reserved[x] },
	})
	return d
}

// key is a key whose bytes are easy to find.
func key(n byte) []byte {
	k := []byte("a secret that nobody but us knows")[:32]
	k[31] = n
	return k
}

// set is a page that turns encryption on with the key n, for all.
func set(n byte) page.EncryptionSet {
	return page.EncryptionSet{Scope: 2, Encryption: 2, Decryption: 3, Index: 1, Key: key(n)}
}

func (d *drive) put(x *target.ITL, s page.EncryptionSet) {
	d.Helper()
	if err := d.Out(x, page.EncryptionSetPage, s.Append(nil)); err != nil {
		d.Fatal(err)
	}
}

// seal is plain as x writes it: with the header that is kept with it, nil in the clear.
func (d *drive) seal(x *target.ITL, plain string) (sealed, header []byte) {
	d.Helper()
	c, err := d.Cipher(x)
	if err != nil {
		d.Fatal(err)
	}
	if c == nil {
		return []byte(plain), nil
	}
	sealed = c.Seal(nil, []byte(plain))
	if len(sealed) != len(plain)+c.Overhead() {
		d.Errorf("%d bytes become %d, with an overhead of %d", len(plain), len(sealed), c.Overhead())
	}
	if len(c.Header()) > 255 {
		d.Errorf("a header of %d bytes", len(c.Header()))
	}
	return sealed, slices.Clone(c.Header())
}

// open is what x reads, or why it cannot, as a code.
func (d *drive) open(x *target.ITL, sealed, header []byte) (string, scsi.ASC) {
	d.Helper()
	o := medium.Object{Kind: medium.Block, Len: int64(len(sealed)), Sealed: header != nil, Header: header}
	refused := d.Refuses(x, o)
	if header == nil {
		return string(sealed), refused.ASC
	}
	plain, err := d.Opener(x).Open(nil, sealed, header)
	sense := scsi.Sense{}
	if err != nil {
		sense = scsi.SenseOf(err)
		if !errors.Is(err, medium.ErrKey) || sense.Key != scsi.KeyDataProtect {
			d.Errorf("%v is no error of a key", err)
		}
	}
	if refused.ASC != sense.ASC && sense.ASC != scsi.ASCSecurityError {
		d.Errorf("refused for %v, but the block for %v", refused, sense)
	}
	return string(plain), sense.ASC
}

const text = "the quick brown fox jumps over the lazy dog"

func TestSealedBlocks(t *testing.T) {
	d := newDrive(t)
	x, y := new(target.ITL), new(target.ITL)
	if plain, header := d.seal(x, text); string(plain) != text || header != nil {
		t.Error("encrypted without a key")
	}
	s := set(1)
	s.KADs = []page.KAD{{Type: 0, Data: []byte("unauthenticated")}, {Type: 1, Data: []byte("authentic")}}
	d.put(x, s)
	sealed, header := d.seal(x, text)
	again, header2 := d.seal(y, text) // the key is for all
	if bytes.Contains(sealed, []byte(text)[:8]) || bytes.Contains(header, key(1)[:8]) || bytes.Equal(sealed, again) || !bytes.Equal(header, header2) {
		t.Errorf("sealed %x, again %x, header %x", sealed, again, header)
	}
	for name, c := range map[string]struct {
		set  *page.EncryptionSet
		want scsi.ASC
	}{
		"the same key":        {nil, 0},
		"the same, set again": {&s, 0},
		"another key":         {ptr(set(2)), scsi.ASCIncorrectDataEncryptionKey},
		"none":                {&page.EncryptionSet{Scope: 2}, scsi.ASCUnableToDecryptData},
		"only to write":       {&page.EncryptionSet{Scope: 2, Encryption: 2, Index: 1, Key: key(1)}, scsi.ASCUnableToDecryptData},
		"only to read":        {&page.EncryptionSet{Scope: 2, Decryption: 2, Index: 1, Key: key(1)}, 0},
		"without its KADs":    {ptr(set(1)), 0},
	} {
		if c.set != nil {
			d.put(x, *c.set)
		}
		plain, asc := d.open(y, sealed, header)
		if asc != c.want || asc == 0 && plain != text {
			t.Errorf("%s: %q, %v", name, plain, asc)
		}
		d.put(x, s)
	}
	// What was changed since it was sealed is not opened, its header is authentic too, and half a block is no panic.
	for i := range sealed {
		bad := slices.Clone(sealed)
		bad[i] ^= 1
		if plain, asc := d.open(x, bad, header); asc != scsi.ASCSecurityError {
			t.Fatalf("byte %d changed: %q, %v", i, plain, asc)
		}
	}
	for i := range header {
		bad := slices.Clone(header)
		bad[i] ^= 1
		if plain, asc := d.open(x, sealed, bad); asc != scsi.ASCSecurityError && asc != scsi.ASCIncorrectDataEncryptionKey {
			t.Fatalf("byte %d of the header changed: %q, %v", i, plain, asc)
		}
		if _, err := d.Opener(x).Open(nil, sealed, header[:i]); err == nil {
			t.Fatalf("header of %d bytes", i)
		}
	}
	for i := range sealed {
		if _, err := d.Opener(x).Open(nil, sealed[:i], header); err == nil {
			t.Fatalf("%d bytes were opened", i)
		}
	}
}

func ptr[T any](v T) *T { return &v }

// No nonce is used twice: neither by several goroutines, nor by keys that are set again, nor by another drive.
func TestNoncesAreNeverUsedTwice(t *testing.T) {
	seen := map[string]bool{}
	var mu sync.Mutex
	for range 3 {
		d, x := newDrive(t), new(target.ITL)
		for range 2 {
			d.put(x, set(1))
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					for range 100 {
						c, _ := d.Cipher(x)
						sealed := c.Seal(nil, []byte("x"))
						id := hex.EncodeToString(c.Header()[2:18]) + hex.EncodeToString(sealed[:12])
						mu.Lock()
						if seen[id] {
							t.Errorf("nonce %s is used twice", id)
						}
						seen[id] = true
						mu.Unlock()
					}
				})
			}
			all.Wait()
		}
	}
}

// Modes say what of clear and encrypted blocks is read.
func TestClearBlocks(t *testing.T) {
	d, x := newDrive(t), new(target.ITL)
	for mode, want := range map[uint8]scsi.ASC{2: scsi.ASCUnencryptedDataWhileDecrypting, 3: 0} {
		s := set(1)
		s.Decryption = mode
		d.put(x, s)
		if _, asc := d.open(x, []byte(text), nil); asc != want {
			t.Errorf("mode %d: %v", mode, asc)
		}
	}
	if why := d.Refuses(x, medium.Object{Kind: medium.Filemark}); why != (scsi.Sense{}) {
		t.Errorf("a filemark: %v", why)
	}
}

// A key is for its scope, and goes with what it is bound to.
func TestScopes(t *testing.T) {
	d := newDrive(t)
	a, b, c := new(target.ITL), new(target.ITL), new(target.ITL)
	d.put(a, set(1))
	own := set(2)
	own.Scope = 1
	d.put(b, own)
	if !slices.Equal(d.told, []string{"2a11"}) {
		t.Errorf("told %v", d.told)
	}
	sealed := func(x *target.ITL) ([]byte, []byte) { return d.seal(x, text) }
	forA, headerA := sealed(a)
	forB, headerB := sealed(b)
	for _, q := range []struct {
		x              *target.ITL
		sealed, header []byte
		want           scsi.ASC
	}{
		{c, forA, headerA, 0}, {c, forB, headerB, scsi.ASCIncorrectDataEncryptionKey},
		{b, forB, headerB, 0}, {b, forA, headerA, scsi.ASCIncorrectDataEncryptionKey},
	} {
		if _, asc := d.open(q.x, q.sealed, q.header); asc != q.want {
			t.Errorf("%v, want %v", asc, q.want)
		}
	}
	d.Detached(b)
	if _, header := sealed(b); !bytes.Equal(header, headerA) {
		t.Error("the key of a nexus outlives it")
	}
	d.put(b, own)
	d.put(b, page.EncryptionSet{}) // scope public
	if _, header := sealed(b); !bytes.Equal(header, headerA) {
		t.Error("a nexus that gives up its own key has not that of all")
	}
	d.Demounted()
	if _, header := sealed(a); header == nil {
		t.Error("the key is gone with the cartridge, unasked")
	}
	bound := set(1)
	bound.OnDemount = true
	d.put(a, bound)
	bound.Scope = 1
	d.put(b, bound)
	d.Demounted()
	for name, x := range map[string]*target.ITL{"all": a, "one": b} {
		if _, header := sealed(x); header != nil {
			t.Errorf("the key of %s is not gone with the cartridge", name)
		}
	}
	d.put(a, set(1))
	d.put(b, own)
	d.Reset()
	for _, x := range []*target.ITL{a, b, c} {
		if _, header := sealed(x); header != nil {
			t.Error("a key outlives a reset")
		}
	}
}

// A key that is bound to a reservation goes with it; who has none cannot bind one.
func TestReservations(t *testing.T) {
	for _, c := range []struct {
		flag func(*page.EncryptionSet)
		bit  int
	}{{func(s *page.EncryptionSet) { s.OnPreempt = true }, 1}, {func(s *page.EncryptionSet) { s.OnLoss = true }, 0}} {
		for _, scope := range []uint8{1, 2} {
			d, x := newDrive(t), new(target.ITL)
			s := set(1)
			c.flag(&s)
			s.Scope = scope
			if err := d.Out(x, page.EncryptionSetPage, s.Append(nil)); err != scsi.InvalidFieldInParameterList(5, c.bit) {
				t.Error(err)
			}
			d.reserved[x] = true
			d.put(x, s)
			if _, header := d.seal(x, text); header == nil {
				t.Error("no key")
			}
			d.reserved[x] = false
			if _, header := d.seal(x, text); header != nil {
				t.Error("the key outlives the reservation")
			}
		}
	}
}

// Who is locked to a key writes nothing with another one.
func TestLock(t *testing.T) {
	d := newDrive(t)
	a, b := new(target.ITL), new(target.ITL)
	s := set(1)
	s.Lock = true
	d.put(a, s)
	if _, err := d.Cipher(a); err != nil {
		t.Error(err)
	}
	d.put(b, set(2))
	if _, err := d.Cipher(a); scsi.SenseOf(err) != scsi.DataProtect(scsi.ASCDataEncryptionKeyCounterChanged) {
		t.Error(err)
	}
	if _, err := d.Cipher(b); err != nil {
		t.Error(err)
	}
	d.put(a, page.EncryptionSet{})
	if _, err := d.Cipher(a); err != nil {
		t.Error(err)
	}
}

func TestRefusedSets(t *testing.T) {
	d, x := newDrive(t), new(target.ITL)
	field := scsi.InvalidFieldInParameterList
	for name, c := range map[string]struct {
		change func(*page.EncryptionSet)
		want   scsi.Sense
	}{
		"scope 3":              {func(s *page.EncryptionSet) { s.Scope = 3 }, field(4, 7)},
		"external check":       {func(s *page.EncryptionSet) { s.CheckExternal = 2 }, field(5, 7)},
		"reserved raw control": {func(s *page.EncryptionSet) { s.Raw = 1 }, field(5, 5)},
		"supplemental keys":    {func(s *page.EncryptionSet) { s.Supplemental = true }, field(5, 3)},
		"external encryption":  {func(s *page.EncryptionSet) { s.Encryption = 1 }, field(6, -1)},
		"raw decryption":       {func(s *page.EncryptionSet) { s.Decryption = 1 }, field(7, -1)},
		"decryption mode 4":    {func(s *page.EncryptionSet) { s.Decryption = 4 }, field(7, -1)},
		"another algorithm":    {func(s *page.EncryptionSet) { s.Index = 0 }, field(8, -1)},
		"a wrapped key":        {func(s *page.EncryptionSet) { s.KeyFormat = 2 }, field(9, -1)},
		"format of KADs":       {func(s *page.EncryptionSet) { s.KADFormat = 3 }, field(10, -1)},
		"short key":            {func(s *page.EncryptionSet) { s.Key = s.Key[:16] }, field(18, -1)},
		"no key":               {func(s *page.EncryptionSet) { s.Key = nil }, field(18, -1)},
		"long UKAD":            {func(s *page.EncryptionSet) { s.KADs = []page.KAD{{Data: make([]byte, 33)}} }, field(54, -1)},
		"long AKAD": {func(s *page.EncryptionSet) {
			s.KADs = []page.KAD{{Data: []byte("u")}, {Type: 1, Data: make([]byte, 13)}}
		}, field(59, -1)},
		"a nonce of the host's": {func(s *page.EncryptionSet) { s.KADs = []page.KAD{{Type: 2}} }, field(52, -1)},
	} {
		s := set(1)
		c.change(&s)
		if err := d.Out(x, page.EncryptionSetPage, s.Append(nil)); err != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if err := d.Out(x, 0x11, set(1).Append(nil)); err != scsi.InvalidFieldInCDB(2, -1) {
		t.Error(err)
	}
	if _, header := d.seal(x, text); header != nil || d.told != nil {
		t.Errorf("a set that was refused did something: %v", d.told)
	}
}

func TestIn(t *testing.T) {
	d, x := newDrive(t), new(target.ITL)
	next := encryption.Next{Loaded: true, Number: 7, Known: true, Object: medium.Object{Kind: medium.Block}}
	in := func(code uint16) []byte {
		t.Helper()
		b, err := d.In(x, code, func() (encryption.Next, error) { return next, nil })
		if err != nil {
			t.Fatalf("%04x: %v", code, err)
		}
		if int(b[0])<<8|int(b[1]) != int(code) || int(b[2])<<8|int(b[3]) != len(b)-4 {
			t.Errorf("page %04x: %x", code, b)
		}
		return b
	}
	list := in(0)
	for at := 4; at < len(list); at += 2 {
		in(uint16(list[at])<<8 | uint16(list[at+1]))
	}
	for code, want := range map[uint16]string{
		0x0000: "0000 0010 0000 0001 0010 0011 0012 0020 0021 0030",
		0x0001: "0001 0002 0010",
		0x0010: "0010 0028 05 000000000000000000000000000000 01 00 0014 ba 98 0020 000c 0020 d2 00 000000000000 00010014",
		0x0011: "0011 0001 00",
		0x0012: "0012 000c 01 07 00 07 0000000000000000",
		0x0020: "0020 0014 00 00 00 00 00000000 10 00 00000000000000000000",
		0x0021: "0021 000c 0000000000000007 03 00 00 00",
	} {
		want, _ := hex.DecodeString(strings.ReplaceAll(want, " ", ""))
		if got := in(code); !bytes.Equal(got, want) {
			t.Errorf("%04x:\n got %x\nwant %x", code, got, want)
		}
	}
	if a, b := in(0x30), in(0x30); len(a) != 36 || bytes.Equal(a, b) {
		t.Errorf("random numbers %x and %x", a, b)
	}
	if _, err := d.In(x, 0x31, nil); err != scsi.InvalidFieldInCDB(2, -1) {
		t.Error(err)
	}
	s := set(1)
	s.KADFormat, s.KADs = 2, []page.KAD{{Type: 0, Data: []byte("U")}, {Type: 1, Data: []byte("AB")}}
	d.put(x, s)
	want, _ := hex.DecodeString("0020001f" + "42020301" + "00000001" + "1002" + "00000000000000000000" + "0000000155" + "010000024142")
	if got := in(0x20); !bytes.Equal(got, want) {
		t.Errorf("status:\n got %x\nwant %x", got, want)
	}
	_, header := d.seal(x, text)
	next.Object = medium.Object{Kind: medium.Block, Sealed: true, Header: header}
	kads := "0001000155" + "010100024142"
	block := func(state, index, tail string) {
		t.Helper()
		want, _ := hex.DecodeString("0000000000000007" + state + index + tail)
		if got := in(0x21); !bytes.Equal(got[4:], want) {
			t.Errorf("next block:\n got %x\nwant %x", got[4:], want)
		}
	}
	block("05", "01", "0102"+kads)
	d.put(x, set(2))
	block("06", "01", "0102"+kads)
	next.Object = medium.Object{Kind: medium.Filemark}
	block("02", "00", "0000")
	next.Known = false
	block("01", "00", "0000")
}

// A key is seen by nobody: not by formatting verbs, and not by a log.
func TestKeysAreNotShown(t *testing.T) {
	d, x := newDrive(t), new(target.ITL)
	d.put(x, set(1))
	own := set(3)
	own.Scope = 1
	d.put(new(target.ITL), own)
	c, _ := d.Cipher(x)
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	logger.Info("all", "keys", d.Keys, "cipher", c, "opener", d.Opener(x))
	for _, v := range []any{d.Keys, *ptr(d.Keys), c, d.Opener(x), struct{ k any }{d.Keys}, struct {
		k *encryption.Keys
		o medium.Opener
	}{d.Keys, d.Opener(x)}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
			fmt.Fprintf(&log, verb+"\n", v)
		}
	}
	shown := log.String()
	for _, n := range []byte{1, 3} {
		k := key(n)[:8]
		for _, form := range []string{string(k), hex.EncodeToString(k), strings.Trim(fmt.Sprint(k), "[]"), fmt.Sprintf("%#v", k)[7:20]} {
			if strings.Contains(shown, form) {
				t.Errorf("the key is shown as %q", form)
			}
		}
	}
}

func FuzzOut(f *testing.F) {
	f.Add(set(1).Append(nil), []byte("header"), []byte("sealed"))
	f.Fuzz(func(t *testing.T, list, header, sealed []byte) {
		k, x := encryption.New(encryption.Config{UKAD: 32, AKAD: 12}), new(target.ITL)
		_ = k.Out(x, page.EncryptionSetPage, list)
		_, _ = k.Opener(x).Open(nil, sealed, header)
		o := medium.Object{Kind: medium.Block, Sealed: true, Header: header}
		k.Refuses(x, o)
		for _, code := range []uint16{0x20, 0x21} {
			if _, err := k.In(x, code, func() (encryption.Next, error) { return encryption.Next{Known: true, Object: o}, nil }); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	k, x := encryption.New(encryption.Config{}), new(target.ITL)
	if err := k.Out(x, page.EncryptionSetPage, set(1).Append(nil)); err != nil {
		b.Fatal(err)
	}
	plain := make([]byte, 256<<10)
	dst := make([]byte, 0, len(plain)+64)
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	for b.Loop() {
		c, _ := k.Cipher(x)
		c.Seal(dst, plain)
	}
}
