package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/personality"
	"github.com/lunette-io/lunette/device/tape"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// What tapes are measured with.
const (
	tapeBlock    = 256 << 10 // bytes of a block, as Proxmox Backup and NetBackup write them
	tapeCapacity = 4 << 30   // of a scaled cartridge
)

// tapeData is what is written: a pool of blocks, so large that they do not stay in a processor's cache.
type tapeData struct {
	name string
	pool []byte
}

func (d tapeData) block(i int) []byte {
	n := len(d.pool) / tapeBlock
	return d.pool[i%n*tapeBlock:][:tapeBlock]
}

// tapePools are data that does not shrink, data that shrinks to half, and lines of a log.
func tapePools() []tapeData {
	const size = 64 << 20
	noise := make([]byte, size)
	_, _ = rand.Read(noise) // never fails
	half := make([]byte, size)
	for at := 0; at < size; at += 4096 {
		copy(half[at:at+2048], noise[at:])
	}
	var text []byte
	for i := 0; len(text) < size; i++ {
		text = fmt.Appendf(text, "2026-11-30T%02d:%02d:%02d.%06dZ host%02d app[%d]: request %x took %d us, status %d\n",
			i/3600%24, i/60%60, i%60, binary.LittleEndian.Uint16(noise[i*8:]), noise[i*8+2]%40, 1000+i%17, noise[i*8+3:i*8+7], binary.LittleEndian.Uint16(noise[i*8+4:]), 200+int(noise[i*8+6]%4)*100)
	}
	return []tapeData{{"random", noise}, {"half", half}, {"text", text[:size]}}
}

// tapes measures what a tape drive takes and gives: in this process, with no network.
func tapes(ctx context.Context, w io.Writer, o options) error {
	dir, err := os.MkdirTemp(o.dir, "lunette-tape-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Fprintf(w, "tape drives in process; blocks of 256 KiB, %d GiB each, in %s; %s\n", o.tape>>30, dir, machine())
	fmt.Fprintf(w, "%-8s %-12s %7s  %12s %12s %9s  %12s\n", "data", "codec", "drives", "write MB/s", "read MB/s", "kept", "processor s/GB")
	for _, data := range tapePools() {
		for _, codec := range []struct {
			name  string
			codec medium.Codec
		}{{"off", medium.Plain}, {"fast", medium.Fast}, {"zstd", medium.Zstd}} {
			if !o.only.MatchString(data.name + "/" + codec.name) {
				continue
			}
			for _, drives := range []int{1, 4} {
				if err := tapeRun(ctx, w, o, dir, data, codec.name, codec.codec, drives); err != nil {
					return fmt.Errorf("%s, %s: %w", data.name, codec.name, err)
				}
			}
		}
	}
	return nil
}

// A tapeBed is a drive with a cartridge, and an initiator in this process.
type tapeBed struct {
	drive   *tape.Drive
	session *loopback.Session
	arena   *buffer.Arena
}

func newTapeBed(dir string, codec medium.Codec) (*tapeBed, error) {
	set, err := personality.Builtin()
	if err != nil {
		return nil, err
	}
	model, err := set.Drive("ibm-lto8")
	if err != nil {
		return nil, err
	}
	formats, err := set.FormatsOf(model)
	if err != nil {
		return nil, err
	}
	if err := medium.Create(dir, medium.Spec{Barcode: "BENCH1L8", Format: "L8", Capacity: tapeCapacity}); err != nil {
		return nil, err
	}
	c, err := medium.Open(dir, medium.Options{})
	if err != nil {
		return nil, err
	}
	b := &tapeBed{arena: buffer.NewArena(1 << 30)}
	id := scsi.Identity{Vendor: model.Vendor, Product: model.Product, Revision: model.Revision, Serial: "BENCH00001", NAA: scsi.NAA6(dir)}
	if b.drive, err = tape.New(tape.Config{Model: model, Formats: formats, Identity: id, Arena: b.arena, Compression: codec}); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if err := b.drive.Load(context.Background(), c); err != nil {
		return nil, errors.Join(err, b.drive.Close())
	}
	t, err := target.NewTarget("iqn.2026-11.io.lunette:bench", target.Mapping{LUN: 0, Unit: target.NewUnit("bench", b.drive)})
	if err != nil {
		return nil, err
	}
	port, err := t.AddPort(target.PortConfig{Protocol: scsi.ProtocolISCSI, Name: "bench"})
	if err != nil {
		return nil, err
	}
	b.session = loopback.Login(port, target.Initiator{Name: "bench"}, loopback.Options{Arena: b.arena})
	return b, b.do([]byte{0, 0, 0, 0, 0, 0}, nil, nil)
}

func (b *tapeBed) close() error {
	err := b.session.Close()
	c, err2 := b.drive.Unload(context.Background(), true)
	if c != nil {
		err2 = errors.Join(err2, c.Close())
	}
	return errors.Join(err, err2, b.drive.Close())
}

// do runs a command, past unit attentions.
func (b *tapeBed) do(cdb, out, in []byte) error {
	for range 4 {
		r, err := b.session.Run(loopback.Command{CDB: cdb, Out: out, In: in})
		if err != nil {
			return err
		}
		if r.Sense.Key != scsi.KeyUnitAttention {
			return r.Err()
		}
	}
	return errors.New("unit attentions without end")
}

// tapeCDBs: READ(6) and WRITE(6) of one block, REWIND, and WRITE FILEMARKS(6) that waits.
func tapeCDB(op byte, n int) []byte { return []byte{op, 0, byte(n >> 16), byte(n >> 8), byte(n), 0} }

// tapeWriting writes blocks through do, over and over the cartridge, and makes them durable.
func tapeWriting(do func(cdb, out, in []byte) error, data tapeData, blocks int) error {
	const perTape = tapeCapacity/tapeBlock*9/10 - 16
	cdb, mark := tapeCDB(0x0a, tapeBlock), tapeCDB(0x10, 0)
	for i := range blocks {
		if i%perTape == 0 {
			if err := do(tapeCDB(0x01, 0), nil, nil); err != nil {
				return fmt.Errorf("REWIND: %w", err)
			}
		}
		if err := do(cdb, data.block(i), nil); err != nil {
			return fmt.Errorf("WRITE %d: %w", i, err)
		}
	}
	return do(mark, nil, nil)
}

// tapeReading reads what the last writing has left on the cartridge.
func tapeReading(do func(cdb, out, in []byte) error, data tapeData, blocks int) error {
	const perTape = tapeCapacity/tapeBlock*9/10 - 16
	first := (blocks - 1) / perTape * perTape
	cdb, in := tapeCDB(0x08, tapeBlock), make([]byte, tapeBlock)
	for i := first; i < blocks; i++ {
		if i == first {
			if err := do(tapeCDB(0x01, 0), nil, nil); err != nil {
				return fmt.Errorf("REWIND: %w", err)
			}
		}
		if err := do(cdb, nil, in); err != nil {
			return fmt.Errorf("READ %d: %w", i, err)
		}
		if b := data.block(i); in[0] != b[0] || in[tapeBlock-1] != b[tapeBlock-1] {
			return fmt.Errorf("block %d came back as another", i)
		}
	}
	return nil
}

func tapeRun(ctx context.Context, w io.Writer, o options, dir string, data tapeData, codec string, c medium.Codec, drives int) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	beds := make([]*tapeBed, drives)
	for i := range beds {
		at := filepath.Join(dir, fmt.Sprintf("%s-%s-%d-%d", data.name, codec, drives, i))
		defer os.RemoveAll(at)
		var err error
		if beds[i], err = newTapeBed(at, c); err != nil {
			return err
		}
	}
	blocks := int(o.tape / tapeBlock / int64(drives))
	each := func(f func(func(cdb, out, in []byte) error, tapeData, int) error) (time.Duration, error) {
		runtime.GC()
		errs := make([]error, drives)
		var all sync.WaitGroup
		began := time.Now()
		for i, b := range beds {
			all.Go(func() { errs[i] = f(b.do, data, blocks) })
		}
		all.Wait()
		return time.Since(began), errors.Join(errs...)
	}
	cpu := ownTime()
	write, err := each(tapeWriting)
	if err != nil {
		return err
	}
	cpu = ownTime() - cpu
	read, err := each(tapeReading)
	if err != nil {
		return err
	}
	kept, total := int64(0), int64(blocks)*tapeBlock*int64(drives)
	for _, b := range beds {
		kept += int64(b.drive.Status().Stored)
		if err := b.close(); err != nil {
			return err
		}
	}
	const perTape = tapeCapacity/tapeBlock*9/10 - 16
	back := int64(blocks-(blocks-1)/perTape*perTape) * tapeBlock * int64(drives)
	mb := func(n int64, d time.Duration) float64 { return float64(n) / 1e6 / d.Seconds() }
	fmt.Fprintf(w, "%-8s %-12s %7d  %12.0f %12.0f %8.0f%%  %12.2f\n", data.name, codec, drives, mb(total, write), mb(back, read), 100*float64(kept)/float64(total), cpu.Seconds()/(float64(total)/1e9))
	return nil
}

// ownTime is the processor time of this process.
func ownTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
