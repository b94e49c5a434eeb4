package transporttest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"path/filepath"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/disk"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/file"
	"github.com/lunette-io/lunette/store/memory"
	"github.com/lunette-io/lunette/target"
)

// An Initiator is one I_T nexus, by whatever transport.
type Initiator interface {
	// Do executes a command and waits for its end. In has room for in bytes of data-in.
	Do(lun scsi.LUN, cdb, out []byte, in int) (Outcome, error)
	// Manage performs a task management function on a unit. ErrNoFunction: the transport does not
	// have it.
	Manage(f target.Function, lun scsi.LUN) (target.FunctionResult, error)
	Close() error
}

// ErrNoFunction is a task management function that a transport has no code for.
var ErrNoFunction = errors.New("the transport does not have this function")

// An Outcome is how a command ended.
type Outcome struct {
	Status   scsi.Status
	Sense    scsi.Sense
	In       []byte // what came
	Residual int64  // >0 underflow, <0 overflow
	// NoOverflow: the transport has no field for how much an overflow was, of which Residual says nothing; of a command that is GOOD it says that there was one (Overrun).
	NoOverflow, Overrun bool
}

// left reports that a residual is what it has to be, as far as the transport can say so.
func (o *Outcome) left(residual int64) bool {
	if residual < 0 && o.NoOverflow {
		return o.Residual == 0 && o.Overrun == (o.Status == scsi.Good)
	}
	return o.Residual == residual && !o.Overrun
}

// ScriptTarget makes the target that Script runs on: a disk of 16 MiB at LUN 0. What it
// returns besides closes it, after everybody has logged out.
func ScriptTarget(tb testing.TB, a *buffer.Arena) (*target.Target, func()) {
	tb.Helper()
	store, err := memory.Open(memory.Config{Size: 16 << 20})
	if err != nil {
		tb.Fatal(err)
	}
	t, done := scriptTarget(tb, a, store)
	return t, func() {
		done()
		if n := store.Outstanding(); n != 0 {
			tb.Errorf("%d leases of the store are out", n)
		}
		_ = store.Close()
	}
}

// ScriptTargetInFile is ScriptTarget with a file for its disk, past the page cache or through it.
func ScriptTargetInFile(tb testing.TB, a *buffer.Arena, direct bool) (*target.Target, func()) {
	tb.Helper()
	return scriptTargetAt(tb, a, filepath.Join(tb.TempDir(), "disk"), direct)
}

// ScriptTargetAt is ScriptTarget with its disk at a path, which may be there already.
func ScriptTargetAt(tb testing.TB, a *buffer.Arena, path string) (*target.Target, func()) {
	tb.Helper()
	return scriptTargetAt(tb, a, path, false)
}

func scriptTargetAt(tb testing.TB, a *buffer.Arena, path string, direct bool) (*target.Target, func()) {
	tb.Helper()
	store, err := file.Open(file.Config{Path: path, Size: 16 << 20, Direct: direct})
	if err != nil {
		tb.Fatal(err)
	}
	t, done := scriptTarget(tb, a, store)
	return t, func() {
		done()
		if err := store.Close(); err != nil {
			tb.Error(err)
		}
	}
}

func scriptTarget(tb testing.TB, a *buffer.Arena, store store.Store) (*target.Target, func()) {
	tb.Helper()
	d, err := disk.New(disk.Config{Store: store, Arena: a, Identity: scsi.Identity{
		Vendor: "lunette", Product: "disk", Revision: "1", Serial: "script",
		NAA: scsi.NAA{0x60, 1, 2, 3, 4, 5, 6, 7},
	}})
	if err != nil {
		tb.Fatal(err)
	}
	u := target.NewUnit("script", d)
	t, err := target.NewTarget(TargetName, target.Mapping{LUN: 0, Unit: u})
	if err != nil {
		tb.Fatal(err)
	}
	return t, func() {
		if err := u.Close(); err != nil {
			tb.Error(err)
		}
	}
}

// Script runs the same commands over any transport: what they move, their residuals, their
// sense and task management. login makes nexuses with a ScriptTarget.
func Script(t *testing.T, login func(t *testing.T, n int) Initiator) {
	i := login(t, 1)
	defer i.Close()
	do := func(cdb, out []byte, in int) Outcome {
		t.Helper()
		o, err := i.Do(0, cdb, out, in)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	good := func(cdb, out []byte, in int, residual int64) []byte {
		t.Helper()
		o := do(cdb, out, in)
		if o.Status != scsi.Good || !o.left(residual) {
			t.Fatalf("%x: %v, %v, residual %d instead of %d", cdb, o.Status, o.Sense, o.Residual, residual)
		}
		return o.In
	}
	fails := func(cdb, out []byte, in int, key scsi.SenseKey, asc scsi.ASC) {
		t.Helper()
		o := do(cdb, out, in)
		if o.Status != scsi.CheckCondition || o.Sense.Key != key || o.Sense.ASC != asc || len(o.In) != 0 {
			t.Fatalf("%x: %v, %v, %d bytes", cdb, o.Status, o.Sense, len(o.In))
		}
	}
	tur := make([]byte, 6)
	if o := do(tur, nil, 0); o.Sense.Key != scsi.KeyUnitAttention {
		t.Fatalf("a new nexus: %v, %v", o.Status, o.Sense)
	}
	good(tur, nil, 0, 0)
	if b := good([]byte{0x12, 0, 0, 0, 255, 0}, nil, 255, 255-96); len(b) != 96 || string(b[8:15]) != "lunette" {
		t.Errorf("INQUIRY: %q", b)
	}
	if b := good([]byte{0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0}, nil, 256, 240); len(b) != 16 || b[3] != 8 {
		t.Errorf("REPORT LUNS: %x", b)
	}
	if b := good([]byte{0x25, 9: 0}, nil, 8, 0); !bytes.Equal(b, []byte{0, 0, 0x7f, 0xff, 0, 0, 2, 0}) {
		t.Errorf("READ CAPACITY: %x", b)
	}
	for _, n := range []int{512, 4096, 64 << 10, 1 << 20, 3<<20 + 512} {
		data := make([]byte, n)
		for k := range data {
			data[k] = byte(k*7 + k>>9 + n)
		}
		w := CDB10(scsi.OpWrite10, 5, uint16(n/512), 0)
		r := CDB10(scsi.OpRead10, 5, uint16(n/512), 0)
		good(w, data, 0, 0)
		if !bytes.Equal(good(r, nil, n, 0), data) {
			t.Fatalf("%d bytes came back wrong", n)
		}
		if b := good(r, nil, n+1024, 1024); !bytes.Equal(b, data) {
			t.Fatalf("%d bytes came back wrong, with room for more", n)
		}
		if b := good(r, nil, n-512, -512); !bytes.Equal(b, data[:n-512]) {
			t.Fatalf("%d bytes came back wrong, with room for less", n)
		}
		good(w, append(data, make([]byte, 512)...), 0, 512)
		good(w, data[:n-512], 0, -512)
	}
	partBlocks(t, do)
	good([]byte{0x35, 9: 0}, nil, 0, 0)
	block := bytes.Repeat([]byte{0xa5}, 512)
	same := make([]byte, 16)
	same[0] = 0x93
	binary.BigEndian.PutUint32(same[10:], 64)
	good(same, block, 0, 0)
	if b := good(CDB10(scsi.OpRead10, 63, 1, 0), nil, 512, 0); !bytes.Equal(b, block) {
		t.Error("WRITE SAME has not written")
	}
	caw := make([]byte, 16)
	caw[0], caw[13] = 0x89, 1
	good(caw, append(bytes.Clone(block), make([]byte, 512)...), 0, 0)
	fails(caw, append(bytes.Clone(block), make([]byte, 512)...), 0, scsi.KeyMiscompare, scsi.ASCMiscompareDuringVerify)
	fails(CDB10(scsi.OpRead10, 32768, 1, 0), nil, 512, scsi.KeyIllegalRequest, scsi.ASCLBAOutOfRange)
	fails(CDB10(scsi.OpWrite10, 32767, 2, 0), make([]byte, 1024), 0, scsi.KeyIllegalRequest, scsi.ASCLBAOutOfRange)
	fails([]byte{0xff, 15: 0}, nil, 512, scsi.KeyIllegalRequest, scsi.ASCInvalidOpcode)
	fails([]byte{0xff, 15: 0}, make([]byte, 100<<10), 0, scsi.KeyIllegalRequest, scsi.ASCInvalidOpcode)
	if o, err := i.Do(3<<48, tur, nil, 0); err != nil || o.Sense != scsi.LogicalUnitNotSupported() {
		t.Errorf("a LUN without a unit: %v, %v", o.Sense, err)
	}

	j := login(t, 2)
	defer j.Close()
	for _, o := range []bool{true, false} {
		if got, err := j.Do(0, tur, nil, 0); err != nil || (got.Status == scsi.CheckCondition) != o {
			t.Fatal(got, err)
		}
	}
	if r, err := i.Manage(target.ResetLogicalUnit, 0); err != nil || r != target.FunctionComplete {
		t.Fatal(r, err)
	}
	if got, err := j.Do(0, tur, nil, 0); err != nil || got.Sense.Key != scsi.KeyUnitAttention || got.Sense.ASC>>8 != 0x29 {
		t.Fatalf("after a reset: %v, %v", got.Sense, err)
	}
	do(tur, nil, 0)
	for f, want := range map[target.Function]target.FunctionResult{
		target.AbortTaskSet: target.FunctionComplete, target.ClearTaskSet: target.FunctionComplete,
		target.ClearACA: target.FunctionUnsupported, target.QueryTaskSet: target.FunctionComplete,
	} {
		if r, err := i.Manage(f, 0); errors.Is(err, ErrNoFunction) {
			t.Logf("function %d: %v", f, err)
			continue
		} else if err != nil || r != want {
			t.Errorf("function %d: %v, %v", f, r, err)
		}
		if r, err := i.Manage(f, 3<<48); err != nil || r != target.IncorrectLUN {
			t.Errorf("function %d, no unit: %v, %v", f, r, err)
		}
	}
	good(tur, nil, 0, 0)
}
