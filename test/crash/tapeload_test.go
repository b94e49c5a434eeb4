//go:build crash

package crash

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
)

const (
	minBlock = 16
	maxBlock = 64 << 10

	// longTape is how many objects a tape has when it is written from further in front again.
	longTape = 80
)

// errGone: what was in the drive is not there any more, or is another.
var errGone = errors.New("the cartridge has gone")

// A tapeWriter is an initiator that uses a drive.
type tapeWriter struct {
	vault   *vault
	place   string // of the drive
	lun     scsi.LUN
	conn    *initiator.Conn
	rand    *rand.Rand
	numbers *atomic.Uint64 // of blocks
	sure    *atomic.Int64  // objects that were acknowledged as durable

	barcode string
	tape    *tapeLedger // what is in the drive; nil: it is not known
	turn    int
	at      int // the position; where data follows what is written truncates
}

// do runs a command. [errGone]: it was not done, since there is another cartridge, or none.
func (w *tapeWriter) do(c, out, in []byte) (*initiator.Result, error) {
	r, err := w.conn.Do(w.lun, c, out, in)
	if err != nil {
		return nil, err
	}
	s := r.Sense()
	if r.Status == scsi.CheckCondition && (s.Key == scsi.KeyUnitAttention || s.Key == scsi.KeyNotReady) {
		return r, errGone
	}
	return r, nil
}

// must runs a command that has to end with GOOD.
func (w *tapeWriter) must(c, out, in []byte) error {
	r, err := w.do(c, out, in)
	if err == nil && r.Status != scsi.Good {
		return wrongf("%s with %s: %v ended with %v, %v", w.place, w.barcode, scsi.Opcode(c[0]), r.Status, r.Sense())
	}
	return err
}

// A wrongError is one that does not come from the daemon's death.
type wrongError struct{ error }

func wrongf(format string, args ...any) error { return wrongError{fmt.Errorf(format, args...)} }

// look finds out what is in the drive, reads all of it, and compares it with what has to be there.
func (w *tapeWriter) look() error {
	w.tape = nil
	in := make([]byte, 512)
	if err := w.must(make([]byte, 6), nil, nil); err != nil {
		return err
	}
	if err := w.must(cdb.ReadAttribute{First: 0x401, Allocation: uint32(len(in))}.Append(nil), nil, in); err != nil {
		return err
	}
	serial := strings.TrimRight(string(in[9:9+32]), " \x00")
	barcode, tape, err := w.vault.tape(serial)
	if err != nil {
		return wrongf("%s has the cartridge %q: %w", w.place, serial, err)
	}
	w.barcode = barcode
	all, err := w.read()
	if err != nil {
		return err
	}
	if w.turn, err = tape.found(all); err != nil {
		return wrongf("%s in %s: %w", w.barcode, w.place, err)
	}
	w.tape, w.at = tape, len(all)
	return nil
}

// read reads the tape to its end.
func (w *tapeWriter) read() (all []tapeObject, err error) {
	if err := w.must([]byte{byte(scsi.OpRewind), 0, 0, 0, 0, 0}, nil, nil); err != nil {
		return nil, err
	}
	in := make([]byte, 2*maxBlock)
	read := cdb.Transfer{Opcode: scsi.OpRead6, SILI: true, Length: uint32(len(in))}.Append(nil)
	for {
		r, err := w.do(read, nil, in)
		if err != nil {
			return nil, err
		}
		s := r.Sense()
		switch {
		case r.Status == scsi.Good:
			o, err := objectOf(in[:r.Received])
			if err != nil {
				return nil, wrongf("%s in %s, object %d: %w", w.barcode, w.place, len(all), err)
			}
			all = append(all, o)
		case s.Filemark:
			all = append(all, tapeObject{})
		case s.Key == scsi.KeyBlankCheck:
			return all, nil
		default:
			return nil, wrongf("%s in %s: object %d cannot be read: %v, %v", w.barcode, w.place, len(all), r.Status, s)
		}
	}
}

// run writes until the connection ends.
func (w *tapeWriter) run() error {
	for {
		var err error
		if w.tape == nil {
			err = w.look()
		} else {
			err = w.step()
		}
		wrong := wrongError{}
		switch {
		case errors.Is(err, errGone):
			w.tape = nil
			time.Sleep(time.Millisecond)
		case errors.As(err, &wrong), errors.Is(err, initiator.ErrProtocol):
			return err
		case err != nil:
			return nil // the daemon is dead
		}
	}
}

// step does one thing.
func (w *tapeWriter) step() error {
	long := w.tape.length() > longTape
	switch kind := w.rand.IntN(100); {
	case long || kind < 4:
		n := w.rand.IntN(min(w.tape.length(), longTape/2) + 1)
		if err := w.must(cdb.Locate{Opcode: scsi.OpLocate10, Identifier: uint64(n)}.Append(nil), nil, nil); err != nil {
			return err
		}
		w.synced()
		w.at = n
		return nil
	case kind == 5 && w.at == 0 || kind == 6 && w.rand.IntN(8) == 0:
		return w.format()
	case kind == 7:
		if err := w.must([]byte{byte(scsi.OpLoadUnload), 0, 0, 0, 0, 0}, nil, nil); err != nil {
			return err
		}
		w.synced()
		if err := w.must([]byte{byte(scsi.OpLoadUnload), 0, 0, 0, 1, 0}, nil, nil); err != nil {
			return err
		}
		return errGone // to be looked at anew
	case kind < 30:
		return w.burst()
	case kind < 48:
		return w.writes([]tapeObject{{}}, true)
	case kind < 55:
		return w.writes([]tapeObject{{}}, false)
	}
	return w.writes([]tapeObject{w.object()}, false)
}

// object is a block to be written.
func (w *tapeWriter) object() tapeObject {
	size := minBlock + w.rand.IntN(4096)
	if w.rand.IntN(4) == 0 {
		size = minBlock + w.rand.IntN(maxBlock-minBlock)
	}
	return tapeObject{w.numbers.Add(1), size}
}

// synced notes that the drive has synchronized.
func (w *tapeWriter) synced() { w.sure.Add(int64(w.tape.synced(w.turn))) }

// format is FORMAT MEDIUM: afterwards the tape is blank.
func (w *tapeWriter) format() error {
	if err := w.must([]byte{byte(scsi.OpRewind), 0, 0, 0, 0, 0}, nil, nil); err != nil {
		return err
	}
	w.synced()
	w.tape.overwrite(w.turn, 0)
	err := w.must([]byte{byte(scsi.OpFormatMedium), 0, 0, 0, 0, 0}, nil, nil)
	switch {
	case errors.Is(err, errGone):
		w.tape.refused(w.turn, 0)
	case err == nil:
		w.tape.blank(w.turn)
		w.at = 0
	}
	return err
}

// burst writes several objects at a time, while nobody takes the cartridge away.
func (w *tapeWriter) burst() error {
	w.vault.mu.Lock()
	claimed := w.vault.claimed[w.place]
	if !claimed {
		w.vault.claimed[w.place] = true
	}
	w.vault.mu.Unlock()
	if claimed {
		return nil
	}
	defer func() {
		w.vault.mu.Lock()
		delete(w.vault.claimed, w.place)
		w.vault.mu.Unlock()
	}()
	if err := w.must(make([]byte, 6), nil, nil); err != nil {
		return err
	}
	all := make([]tapeObject, 2+w.rand.IntN(10))
	for i := range all {
		all[i] = w.object()
	}
	return w.writes(all, w.rand.IntN(2) == 0)
}

// writes writes objects, all sent before the first is answered. durable: they end with a filemark that makes them durable.
func (w *tapeWriter) writes(all []tapeObject, durable bool) error {
	if durable && all[len(all)-1].number != 0 {
		all = append(all, tapeObject{})
	}
	if w.at < w.tape.length() {
		w.tape.overwrite(w.turn, w.at)
	}
	commands := make([]*initiator.Command, len(all))
	for i, o := range all {
		k := &initiator.Command{LUN: w.lun, CDB: cdb.WriteFilemarks{Immed: !durable, Count: 1}.Append(nil)}
		if o.number != 0 {
			k.Out = o.block()
			k.CDB = cdb.Transfer{Opcode: scsi.OpWrite6, Length: uint32(len(k.Out))}.Append(nil)
		}
		w.tape.writes(w.turn, o)
		w.at++
		commands[i] = k
		if err := w.conn.Submit(k); err != nil {
			return err
		}
	}
	for i, k := range commands {
		if err := w.conn.Finish(k); err != nil {
			return err
		}
		s := k.Sense()
		switch {
		case k.Err != nil:
			return wrongf("%s: %v: %w", w.place, scsi.Opcode(k.CDB[0]), k.Err)
		case k.Status == scsi.Good, k.Status == scsi.CheckCondition && s.Key == scsi.KeyNoSense && s.EOM:
			w.tape.good(w.turn, 1)
		case s.Key == scsi.KeyUnitAttention, s.Key == scsi.KeyNotReady:
			if len(all) > 1 { // nobody else can move the cartridge
				return wrongf("%s: %v ended with %v in a burst", w.place, scsi.Opcode(k.CDB[0]), s)
			}
			w.tape.refused(w.turn, 1)
			return errGone
		default:
			return wrongf("%s with %s: object %d, %v ended with %v, %v", w.place, w.barcode, w.at-len(all)+i, scsi.Opcode(k.CDB[0]), k.Status, s)
		}
	}
	if durable {
		w.synced()
	}
	return nil
}
