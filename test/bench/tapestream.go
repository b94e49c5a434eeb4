package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/scsi"
)

// tapeDrives is how many drives the library has that is measured.
const tapeDrives = 4

// tapeStream measures what drives take over iSCSI on loopback, beside a unit that is a plain file; and whether a long stream stays
// as fast, and the daemon as small, as at its beginning.
func tapeStream(ctx context.Context, w io.Writer, o options) error {
	for _, codec := range []string{"off", "fast"} {
		if err := tapeDaemon(ctx, w, o, codec); err != nil {
			return fmt.Errorf("compression %s: %w", codec, err)
		}
	}
	return nil
}

func tapeDaemon(ctx context.Context, w io.Writer, o options, codec string) error {
	dir, err := os.MkdirTemp(o.dir, "lunette-tape-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p := &peer{name: "tape"}
	if p.addr, err = freeAddr(); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), tapeDocument(dir, p.addr, codec), 0o600); err != nil {
		return err
	}
	program, err := filepath.Abs(o.program)
	if err != nil {
		return err
	}
	made := exec.CommandContext(ctx, program, "vtl", "create", "backup", "--library", "ibm-ts3500", "--drives", fmt.Sprintf("%dxlto8", tapeDrives), "--slots", fmt.Sprint(tapeDrives),
		"--cartridges", fmt.Sprintf("%d:L8", tapeDrives), "--size", fmt.Sprint(tapeCapacity), "--barcode-prefix", "B", "--store", filepath.Join(dir, "store"))
	if text, err := made.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, text)
	}
	if err := p.launch(dir, nil, program, "serve", "--config", "config.yaml", "--socket", "sock", "--log-level", "error"); err != nil {
		return err
	}
	defer p.stop()
	fmt.Fprintf(w, "over iSCSI on loopback, one command at a time for each drive, blocks of 256 KiB, compression %s; %s\n", codec, machine())
	// One logs in for each measurement: who is silent in between would be taken for dead.
	with := func(n int, do func(h *tapeHost) error) error {
		h, err := dialTape(ctx, p.addr, n)
		if err != nil {
			return err
		}
		return errors.Join(do(h), h.conn.Close())
	}
	for i := range tapeDrives {
		if err := with(i, func(h *tapeHost) error { return h.load(i) }); err != nil {
			return err
		}
	}
	tell := func(what string, bytes int64, took, cpu time.Duration) {
		fmt.Fprintf(w, "%-44s %6.0f MB/s %8.2f processor s/GB\n", what, float64(bytes)/1e6/took.Seconds(), cpu.Seconds()/(float64(bytes)/1e9))
	}
	measure := func(what string, bytes int64, do func() error) error {
		if !o.only.MatchString(what) {
			return nil
		}
		cpu, began := processTime(p.cmd.Process.Pid), time.Now()
		if err := do(); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		tell(what, bytes, time.Since(began), processTime(p.cmd.Process.Pid)-cpu)
		return nil
	}
	short := min(o.flat, 8<<30)
	blocks := int(short / tapeBlock)
	pools := tapePools()
	if err := measure("plain file, random, write", short, func() error {
		return with(8, func(h *tapeHost) error { return h.fileWriting(pools[0], blocks) })
	}); err != nil {
		return err
	}
	for _, data := range pools {
		if err := measure("tape, "+data.name+", write", short, func() error {
			return with(0, func(h *tapeHost) error { return tapeWriting(h.do, data, blocks) })
		}); err != nil {
			return err
		}
		if err := measure("tape, "+data.name+", read back (what fits)", min(short, tapeBack(blocks)), func() error {
			return with(0, func(h *tapeHost) error { return tapeReading(h.do, data, blocks) })
		}); err != nil {
			return err
		}
		if err := measure(fmt.Sprintf("%d tapes, %s, write", tapeDrives, data.name), short, func() error {
			var all sync.WaitGroup
			var errs [tapeDrives]error
			for i := range errs {
				all.Go(func() {
					errs[i] = with(i, func(h *tapeHost) error { return tapeWriting(h.do, data, blocks/tapeDrives) })
				})
			}
			all.Wait()
			return errors.Join(errs[:]...)
		}); err != nil {
			return err
		}
	}
	for _, c := range []struct {
		what    string
		on, off func(*tapeHost) error
	}{{"encryption", (*tapeHost).encrypt, (*tapeHost).clear}, {"logical block protection (CRC32C)", (*tapeHost).protect, (*tapeHost).trust}} {
		if err := with(1, func(h *tapeHost) error {
			if err := errors.Join(h.do(tapeCDB(0x01, 0), nil, nil), c.on(h)); err != nil {
				return err
			}
			if err := measure("tape, random, with "+c.what+", write", short, func() error { return tapeWriting(h.guarded(), pools[0], blocks) }); err != nil {
				return err
			}
			return c.off(h)
		}); err != nil {
			return fmt.Errorf("%s: %w", c.what, err)
		}
	}
	if codec != "off" || !o.only.MatchString("stream") {
		return nil
	}
	return with(2, func(h *tapeHost) error { return tapeFlat(w, o, p, h, pools[0]) })
}

// tapeBack is how many bytes of so many blocks are on the cartridge at the end.
func tapeBack(blocks int) int64 {
	const perTape = tapeCapacity/tapeBlock*9/10 - 16
	return int64(blocks-(blocks-1)/perTape*perTape) * tapeBlock
}

// tapeFlat writes a long stream, and tells its speed and the daemon's memory tenth by tenth.
func tapeFlat(w io.Writer, o options, p *peer, h *tapeHost, data tapeData) error {
	fmt.Fprintf(w, "a stream of %d GiB over one cartridge again and again:\n", o.flat>>30)
	tenth := o.flat / 10
	for i := range 10 {
		began := time.Now()
		if err := tapeWriting(h.do, data, int(tenth/tapeBlock)); err != nil {
			return err
		}
		fmt.Fprintf(w, "  tenth %2d %6.0f MB/s, resident %d MiB\n", i+1, float64(tenth)/1e6/time.Since(began).Seconds(), residentMiB(p.cmd.Process.Pid))
	}
	return nil
}

func tapeDocument(dir, addr, codec string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "version: 1\nunits:\n")
	fmt.Fprintf(&b, "- {name: backup, device: {kind: library, store: %q, library: ibm-ts3500, drives: [%dxlto8], slots: %d, compression: %q}}\n", filepath.Join(dir, "store"), tapeDrives, tapeDrives, codec)
	fmt.Fprintf(&b, "- {name: plain, store: {kind: file, path: %q, size: 8G}}\n", filepath.Join(dir, "plain.img"))
	fmt.Fprintf(&b, "targets:\n- name: %s\n  luns: {0: backup/changer", targetName)
	for i := range tapeDrives {
		fmt.Fprintf(&b, ", %d: backup/drive%d", i+1, i)
	}
	fmt.Fprintf(&b, ", 9: plain}\nportals: [%q]\n", addr)
	return []byte(b.String())
}

// A tapeHost is an initiator with one drive, and a cartridge loaded in it.
type tapeHost struct {
	conn  *iscsi.Conn
	lun   scsi.LUN
	guard bool
	room  []byte
}

// dialTape logs in, for the unit at LUN n+1.
func dialTape(ctx context.Context, addr string, n int) (*tapeHost, error) {
	c, err := iscsi.Dial(ctx, addr, iscsi.Config{InitiatorName: fmt.Sprintf("iqn.2026-11.io.lunette.test:tape%d", n), TargetName: targetName})
	if err != nil {
		return nil, err
	}
	return &tapeHost{conn: c, lun: scsi.LUN(uint64(n+1) << 48)}, nil
}

// load moves the cartridge of the first full slot into drive n.
func (h *tapeHost) load(n int) error {
	robot := &tapeHost{conn: h.conn}
	full, err := robot.elements(2, true)
	if err != nil {
		return err
	}
	drives, err := robot.elements(4, false)
	if err != nil {
		return err
	}
	if len(full) == 0 || n >= len(drives) {
		return errors.New("the library has no cartridge in a slot, or too few drives")
	}
	if err := robot.do([]byte{0xa5, 0, 0, 0, byte(full[0] >> 8), byte(full[0]), byte(drives[n] >> 8), byte(drives[n]), 0, 0, 0, 0}, nil, nil); err != nil {
		return fmt.Errorf("MOVE MEDIUM: %w", err)
	}
	return h.do(make([]byte, 6), nil, nil)
}

// elements are the addresses of those of a type (READ ELEMENT STATUS).
func (h *tapeHost) elements(kind byte, full bool) (all []uint16, err error) {
	in := make([]byte, 64<<10)
	if err := h.do([]byte{0xb8, kind, 0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0}, nil, in); err != nil {
		return nil, fmt.Errorf("READ ELEMENT STATUS: %w", err)
	}
	size := int(in[10])<<8 | int(in[11])
	count := int(in[2])<<8 | int(in[3])
	for i := 0; i < count && size > 0 && 16+(i+1)*size <= len(in); i++ {
		if d := in[16+i*size:]; d[2]&1 != 0 == full || !full {
			all = append(all, uint16(d[0])<<8|uint16(d[1]))
		}
	}
	return all, nil
}

// do runs a command, past unit attentions.
func (h *tapeHost) do(cdb, out, in []byte) error {
	for range 8 {
		r, err := h.conn.Do(h.lun, cdb, out, in)
		switch {
		case err != nil:
			return err
		case r.Status == scsi.Good:
			return nil
		case r.Sense().Key == scsi.KeyUnitAttention:
		case r.Status == scsi.CheckCondition:
			return r.Sense()
		default:
			return fmt.Errorf("status %v", r.Status)
		}
	}
	return errors.New("unit attentions without end")
}

// guarded is do, with a guard behind the data of WRITE where the drive expects one.
func (h *tapeHost) guarded() func(cdb, out, in []byte) error {
	if !h.guard {
		return h.do
	}
	return func(cdb, out, in []byte) error {
		if cdb[0] != 0x0a {
			return h.do(cdb, out, in)
		}
		h.room = append(append(h.room[:0], out...), tapeGuard(out)...)
		return h.do(tapeCDB(0x0a, len(h.room)), h.room, nil)
	}
}

// encrypt sets a key that is made for this run (SECURITY PROTOCOL OUT, Set Data Encryption).
func (h *tapeHost) encrypt() error {
	list := make([]byte, 20+32)
	list[1], list[3] = 0x10, byte(len(list)-4)
	list[4], list[6], list[7], list[8] = 0x40, 2, 2, 1 // all I_T nexuses; encrypt, decrypt; the algorithm with the index 1
	list[19] = 32
	_, _ = rand.Read(list[20:]) // never fails
	return h.do([]byte{0xb5, 0x20, 0, 0x10, 0, 0, 0, 0, 0, byte(len(list)), 0, 0}, list, nil)
}

// clear takes the key back.
func (h *tapeHost) clear() error {
	list := make([]byte, 20)
	list[1], list[3], list[4] = 0x10, 16, 0x40
	return h.do([]byte{0xb5, 0x20, 0, 0x10, 0, 0, 0, 0, 0, byte(len(list)), 0, 0}, list, nil)
}

// protect turns logical block protection on (mode page 0Ah/F0h), and trust off.
func (h *tapeHost) protect() error { h.guard = true; return h.protection(2, 4, 0xc0) }

func (h *tapeHost) trust() error { return h.protection(0, 0, 0) }

func (h *tapeHost) protection(method, length, directions byte) error {
	list := make([]byte, 8+32)
	list[3] = 0x10 // buffered mode, as it was
	page := list[8:]
	page[0], page[1], page[3] = 0x4a, 0xf0, 0x1c
	page[4], page[5], page[6] = method, length, directions
	return h.do([]byte{0x55, 0x10, 0, 0, 0, 0, 0, 0, byte(len(list)), 0}, list, nil)
}

// tapeGuard is the CRC32C of a block, its least significant byte first.
func tapeGuard(block []byte) []byte {
	return binary.LittleEndian.AppendUint32(nil, crc32.Checksum(block, crc32.MakeTable(crc32.Castagnoli)))
}

// fileWriting writes to a disk what tapeWriting writes to a tape, one command at a time, and flushes.
func (h *tapeHost) fileWriting(data tapeData, blocks int) error {
	const each = tapeBlock / blockSize
	for i := range blocks {
		lba := uint32(i % (8 << 30 / tapeBlock) * each)
		cdb := []byte{0x2a, 0, byte(lba >> 24), byte(lba >> 16), byte(lba >> 8), byte(lba), 0, each >> 8, each & 0xff, 0}
		if err := h.do(cdb, data.block(i), nil); err != nil {
			return err
		}
	}
	return h.do([]byte{0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0}, nil, nil)
}
