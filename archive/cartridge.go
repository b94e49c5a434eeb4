package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/tape/medium"
)

// IsCartridge reports that path is the directory of a cartridge.
func IsCartridge(path string) bool {
	info, err := os.Stat(filepath.Join(path, "label.json"))
	return err == nil && info.Mode().IsRegular()
}

// inUse says what a cartridge in use means to who wants it.
func inUse(dir string, err error) error {
	if errors.Is(err, medium.ErrLocked) {
		return fmt.Errorf("%s: %w: it is in a drive of a daemon, or another command has it: take it out of the drive first (lunette vtl unload)", dir, err)
	}
	return err
}

// A Cartridge is a cartridge that is read. It is a Source.
type Cartridge struct {
	tape  medium.Tape
	about About
	// Lengths: blocks are not read, and have their length alone.
	Lengths bool
	// Sealed: blocks that are encrypted have their length alone as well, and are none that cannot be read.
	Sealed bool
	mem    []byte
	into   *buffer.Lease // of mem
}

// OpenCartridge opens the cartridge in a directory to read it. One that a drive has is refused.
func OpenCartridge(dir string) (*Cartridge, error) {
	t, err := medium.Open(dir, medium.Options{ReadOnly: true})
	if err != nil {
		return nil, inUse(dir, err)
	}
	c := FromTape(t)
	if info, err := medium.Inspect(dir); err == nil { // which one that is read alone does not say
		c.about.WriteProtect = info.Label.WriteProtect
	}
	return c, nil
}

// FromTape reads a cartridge that is open, and closes it at the end.
func FromTape(t medium.Tape) *Cartridge {
	l := t.Label()
	a := About{Barcode: l.Barcode, Serial: l.Serial, Format: l.Format, Maker: l.Maker, Type: l.Type, Capacity: l.Capacity, WriteProtect: l.WriteProtect}
	for n := range t.Partitions() {
		p := Partition{Capacity: t.Head(n).Room().Capacity}
		for _, x := range t.Attributes(n) {
			p.Attributes = append(p.Attributes, Attribute(x))
		}
		a.Partitions = append(a.Partitions, p)
	}
	mem := make([]byte, MaxBlock)
	return &Cartridge{tape: t, about: a, mem: mem, into: buffer.Of(mem)}
}

// About implements [Source].
func (c *Cartridge) About() About { return c.about }

// Recovered is what was found when the cartridge was opened that nobody had closed.
func (c *Cartridge) Recovered() []medium.Recovered { return c.tape.Recovered() }

// Close implements [Source].
func (c *Cartridge) Close() error {
	c.into.Release()
	return c.tape.Close()
}

// Reader implements [Source].
func (c *Cartridge) Reader(ctx context.Context, partition int) (Reader, error) {
	return c.File(ctx, partition, 0)
}

// File reads a partition from the beginning of a file on; io.EOF: it has no such file.
func (c *Cartridge) File(ctx context.Context, partition int, file uint64) (Reader, error) {
	if partition < 0 || partition >= len(c.about.Partitions) {
		return nil, fmt.Errorf("there is no partition %d: %s has %d", partition, c.about.Barcode, len(c.about.Partitions))
	}
	h := c.tape.Head(partition)
	err := h.LocateFile(ctx, file)
	if errors.Is(err, medium.ErrEndOfData) && file > 0 {
		return nil, io.EOF
	}
	if err != nil && !errors.Is(err, medium.ErrEndOfData) {
		return nil, err
	}
	return &cartridgeReader{Cartridge: c, head: h, partition: partition}, nil
}

// A cartridgeReader reads a partition of a cartridge.
type cartridgeReader struct {
	*Cartridge
	head      medium.Head
	partition int
}

// Next implements [Reader].
func (r *cartridgeReader) Next(ctx context.Context) (Object, error) {
	at := r.head.Position().Object
	next, err := r.head.Next(ctx)
	switch {
	case err != nil:
		return Object{}, r.passed(ctx, at, err)
	case next.Kind == medium.EndOfData:
		return Object{}, io.EOF
	case next.Kind == medium.Filemark:
		_, err = r.head.SpaceFilemarks(ctx, 1)
		return Object{Filemark: true}, err
	case r.Lengths:
		x := Object{Len: next.Len, Sealed: next.Sealed}
		_, err = r.head.Space(ctx, 1)
		return x, err
	case r.Sealed && next.Sealed:
		x := Object{Len: next.Len, Sealed: true}
		if _, err = r.head.Raw(ctx, r.into, 0, int64(len(r.mem))); err != nil {
			return Object{}, r.passed(ctx, at, err)
		}
		return x, nil
	}
	n, err := r.head.Read(ctx, r.into, 0, int64(len(r.mem)), nil)
	if err != nil {
		return Object{}, r.passed(ctx, at, err)
	}
	return Object{Data: r.mem[:n]}, nil
}

// passed goes past what cannot be read.
func (r *cartridgeReader) passed(ctx context.Context, at uint64, err error) error {
	if ctx.Err() != nil {
		return err
	}
	lost := &LostError{Partition: r.partition, Object: at, Err: err}
	if errors.Is(err, medium.ErrKey) {
		lost.Err = fmt.Errorf("it is encrypted, and can be read only through a drive that has the key: %w", err)
	}
	if _, moving := r.head.Space(ctx, 1); moving == nil || errors.Is(moving, medium.ErrFilemark) {
		lost.Count = r.head.Position().Object - at
	}
	return lost
}

// A CartridgeSink writes a cartridge: a new one, or one that is there.
type CartridgeSink struct {
	// Spec says what to make of a tape of which that is known; nil: the cartridge is there.
	Spec func(About) (medium.Spec, error)
	// Overwrite: what is on a cartridge that is there may go.
	Overwrite bool
	// Codec is how blocks are kept.
	Codec medium.Codec

	dir   string
	tape  medium.Tape
	made  bool
	about About
	out   *cartridgeWriter
}

// ToCartridge writes to the cartridge in a directory.
func ToCartridge(dir string) *CartridgeSink { return &CartridgeSink{dir: dir, Codec: medium.Fast} }

// Begin implements [Sink].
func (s *CartridgeSink) Begin(ctx context.Context, about About) error {
	if err := about.check(); err != nil {
		return err
	}
	s.about = about
	if s.Spec != nil {
		spec, err := s.Spec(about)
		if err != nil {
			return err
		}
		if err := medium.Create(s.dir, spec); err != nil {
			return err
		}
		s.made = true
	}
	t, err := medium.Open(s.dir, medium.Options{})
	if err != nil {
		return inUse(s.dir, err)
	}
	s.tape = t
	return s.empty(ctx)
}

// empty makes the cartridge one with nothing on it, and the partitions that are wanted.

func (s *CartridgeSink) empty(ctx context.Context) error {
	l := s.tape.Label()
	blank := s.tape.Partitions() == 1 && s.tape.Head(0).Room().Data == 0
	switch {
	case l.Type == medium.Cleaning && !s.made:
		return fmt.Errorf("%s is a cleaning cartridge", l.Barcode)
	case blank && len(s.about.Partitions) == 1:
		return nil
	case !blank && l.WriteProtect:
		return fmt.Errorf("%s is write protected: lunette vtl unlock takes that away", l.Barcode)
	case !blank && l.Type == medium.WORM:
		return fmt.Errorf("%s has something on it, and is a WORM cartridge: %w", l.Barcode, medium.ErrWORM)
	case !blank && !s.Overwrite:
		return &OverwriteError{l.Barcode}
	}
	return s.tape.Format(ctx, s.sizes(l.Capacity))
}

// sizes are those of partitions: as they were, if they fit and all are known; else parts as large as each other.
func (s *CartridgeSink) sizes(capacity int64) []int64 {
	all := make([]int64, len(s.about.Partitions))
	var sum int64
	known := true
	for i, p := range s.about.Partitions {
		all[i] = p.Capacity
		known = known && p.Capacity > 0 && p.Capacity <= capacity-sum
		sum += p.Capacity
	}
	if known && len(all) > 1 {
		return all
	}
	for i := range all {
		all[i] = capacity / int64(len(all))
	}
	return all
}

// An OverwriteError says that a cartridge has something on it.
type OverwriteError struct{ Barcode string }

func (e *OverwriteError) Error() string {
	return fmt.Sprintf("%s has something on it, which would be gone", e.Barcode)
}

// Writer implements [Sink].
func (s *CartridgeSink) Writer(ctx context.Context, partition int) (Writer, error) {
	if err := s.out.end(ctx); err != nil {
		return nil, err
	}
	if set := s.about.Partitions[partition].Attributes; len(set) > 0 {
		all := make([]medium.Attribute, len(set))
		for i, a := range set {
			all[i] = medium.Attribute(a)
		}
		if err := s.tape.SetAttributes(partition, all); err != nil {
			return nil, err
		}
	}
	mem := make([]byte, MaxBlock)
	s.out = &cartridgeWriter{head: s.tape.Head(partition), codec: s.Codec, mem: mem, data: buffer.Of(mem)}
	err := s.out.head.Locate(ctx, 0)
	if errors.Is(err, medium.ErrEndOfData) {
		err = nil
	}
	return s.out, err
}

// A cartridgeWriter writes a partition of a cartridge. Blocks of one length go together, as those of one command do.
type cartridgeWriter struct {
	head   medium.Head
	codec  medium.Codec
	mem    []byte
	data   *buffer.Lease // of mem
	length int           // of the blocks that are waiting
	count  int
}

// Block implements [Writer].
func (w *cartridgeWriter) Block(ctx context.Context, data []byte) error {
	if w.count > 0 && (len(data) != w.length || (w.count+1)*w.length > medium.MaxFrame) {
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	if len(data) == 0 || len(data) > MaxBlock {
		return fmt.Errorf("a block of %d bytes: there are 1 to %d", len(data), int64(MaxBlock))
	}
	copy(w.mem[w.count*len(data):], data)
	w.length = len(data)
	w.count++
	return nil
}

// flush writes the blocks that are waiting.
func (w *cartridgeWriter) flush(ctx context.Context) error {
	if w.count == 0 {
		return nil
	}
	f, err := w.head.Pack(medium.Blocks{Data: w.data, Len: int64(w.length), Count: w.count, Codec: w.codec})
	if err != nil {
		return err
	}
	w.count = 0
	_, err = w.head.Append(ctx, f)
	return full(err)
}

// full says what the end of the partition means to who copies.
func full(err error) error {
	if errors.Is(err, medium.ErrEndOfPartition) {
		return fmt.Errorf("the cartridge is full: take a larger one: %w", err)
	}
	return err
}

// Filemark implements [Writer].
func (w *cartridgeWriter) Filemark(ctx context.Context) error {
	if err := w.flush(ctx); err != nil {
		return err
	}
	_, err := w.head.Filemarks(ctx, 1)
	return full(err)
}

// end ends the partition.
func (w *cartridgeWriter) end(ctx context.Context) error {
	if w == nil || w.data == nil {
		return nil
	}
	err := w.flush(ctx)
	w.data.Release()
	w.data = nil
	return err
}

// End implements [Sink].
func (s *CartridgeSink) End(ctx context.Context) error {
	if err := s.out.end(ctx); err != nil {
		return err
	}
	if err := s.tape.Sync(ctx); err != nil {
		return err
	}
	err := s.tape.Close()
	s.tape = nil
	if err == nil && s.about.WriteProtect {
		err = medium.SetWriteProtect(s.dir, true)
	}
	s.made = s.made && err != nil
	return err
}

// Close implements [Sink]. A cartridge that was made, and not written to the end, is removed.
func (s *CartridgeSink) Close() error {
	var err error
	if s.tape != nil {
		err = s.tape.Close()
	}
	if s.made {
		err = errors.Join(err, medium.Delete(s.dir))
	}
	return err
}

// Erase takes all data off the cartridge in a directory, with all partitions but one.
func Erase(ctx context.Context, dir string) error {
	s := ToCartridge(dir)
	s.Overwrite = true
	err := s.Begin(ctx, About{Partitions: make([]Partition, 1)})
	if err == nil {
		err = s.End(ctx)
	}
	return errors.Join(err, s.Close())
}
