package archive

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"
)

// A tape as files is the same in a directory and in a tar file:
//
//	tape.json            what it is
//	p0/00000000.blocks   how file 0 of partition 0 is made of blocks: a line "65536*16" is 16 blocks of 65536 bytes, "512" is
//	                     one, "filemark" the filemark that ends it (of the last file it may be missing), "sha256 …" of the data
//	p0/00000000.data     the data of its blocks, one behind the other
//
// So what backup software has written, such as a tar of its own, lies there as a file that can be read with no program of ours.

// manifestName is the name of what says what the tape is.
const manifestName = "tape.json"

// maxManifest is how large that may be, in bytes.
const maxManifest = 16 << 20

// manifestVersion is the version of the layout.
const manifestVersion = 1

// manifest is what stands in tape.json.
type manifest struct {
	Version int `json:"version"`
	About
}

func partName(partition, file int) string { return fmt.Sprintf("p%d/%08d", partition, file) }

func encodeManifest(a About) ([]byte, error) {
	text, err := json.MarshalIndent(manifest{manifestVersion, a}, "", "  ")
	return append(text, '\n'), err
}

func decodeManifest(r io.Reader) (About, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxManifest+1))
	if err != nil {
		return About{}, err
	}
	if len(text) > maxManifest {
		return About{}, fmt.Errorf("%s is larger than %d bytes", manifestName, maxManifest)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var m manifest
	if err := d.Decode(&m); err != nil {
		return About{}, fmt.Errorf("%s: %w", manifestName, err)
	}
	if m.Version != manifestVersion {
		return About{}, fmt.Errorf("%s is of version %d: this program knows version %d", manifestName, m.Version, manifestVersion)
	}
	return m.About, m.check()
}

// A part is a file of a tape that is being written.
type part struct {
	data, blocks *bufio.Writer
	sum          hash.Hash
	length       int    // of the blocks that are not written down yet
	count        uint64 // how many
	done         func() error
}

func newPart(data, blocks io.Writer, done func() error) *part {
	return &part{data: bufio.NewWriterSize(data, 64<<10), blocks: bufio.NewWriter(blocks), sum: sha256.New(), done: done}
}

func (p *part) block(b []byte) error {
	if p.count > 0 && p.length != len(b) {
		if err := p.note(); err != nil {
			return err
		}
	}
	p.length = len(b)
	p.count++
	_, _ = p.sum.Write(b) // which never fails
	_, err := p.data.Write(b)
	return err
}

// note writes down the blocks that came last.
func (p *part) note() error {
	var err error
	switch p.count {
	case 0:
	case 1:
		_, err = fmt.Fprintln(p.blocks, p.length)
	default:
		_, err = fmt.Fprintf(p.blocks, "%d*%d\n", p.length, p.count)
	}
	p.count = 0
	return err
}

// end ends the file of the tape.
func (p *part) end(filemark bool) error {
	err := p.note()
	if filemark && err == nil {
		_, err = p.blocks.WriteString("filemark\n")
	}
	if err == nil {
		_, err = fmt.Fprintf(p.blocks, "sha256 %x\n", p.sum.Sum(nil))
	}
	return errors.Join(err, p.blocks.Flush(), p.data.Flush(), p.done())
}

// A splitter is a Writer that makes a part of each file of a partition.
type splitter struct {
	open func(file int) (*part, error)
	file int
	part *part // nil: nothing of the file is there yet
}

func (s *splitter) current() (*part, error) {
	if s.part == nil {
		p, err := s.open(s.file)
		if err != nil {
			return nil, err
		}
		s.part = p
	}
	return s.part, nil
}

// Block implements [Writer].
func (s *splitter) Block(_ context.Context, data []byte) error {
	p, err := s.current()
	if err != nil {
		return err
	}
	return p.block(data)
}

// Filemark implements [Writer].
func (s *splitter) Filemark(context.Context) error {
	p, err := s.current()
	if err != nil {
		return err
	}
	s.part = nil
	s.file++
	return p.end(true)
}

// end ends the partition.
func (s *splitter) end() error {
	if s == nil || s.part == nil {
		return nil
	}
	p := s.part
	s.part = nil
	return p.end(false)
}

// A joiner is a Reader of the parts of a partition.
type joiner struct {
	// open opens those of a file; io.EOF: there is none, and it was all.
	open func(file int) (blocks, data io.Reader, err error)

	file         int
	blocks, data *bufio.Reader
	sum          hash.Hash
	length       int
	count        uint64 // blocks of that length to come
	last         bool   // the file had no filemark: none may come behind it
	buf          []byte
}

// Next implements [Reader].
func (j *joiner) Next(context.Context) (Object, error) {
	for {
		if j.count > 0 {
			return j.block()
		}
		if j.blocks == nil {
			blocks, data, err := j.open(j.file)
			if err != nil {
				return Object{}, err
			}
			if j.last {
				return Object{}, fmt.Errorf("%s: there is a file behind one that no filemark ends", j.name())
			}
			j.blocks, j.data, j.sum = bufio.NewReader(blocks), bufio.NewReaderSize(data, 64<<10), sha256.New()
		}
		filemark, err := j.line()
		if err != nil {
			return Object{}, fmt.Errorf("%s: %w", j.name(), err)
		}
		if filemark {
			return Object{Filemark: true}, nil
		}
	}
}

func (j *joiner) name() string { return fmt.Sprintf("file %d", j.file) }

func (j *joiner) block() (Object, error) {
	if cap(j.buf) < j.length {
		j.buf = make([]byte, j.length)
	}
	b := j.buf[:j.length]
	if _, err := io.ReadFull(j.data, b); err != nil {
		return Object{}, fmt.Errorf("%s: its data ends before its blocks do: %w", j.name(), err)
	}
	_, _ = j.sum.Write(b)
	j.count--
	return Object{Data: b}, nil
}

// line reads a line of the list of blocks.
func (j *joiner) line() (filemark bool, err error) {
	text, err := readLine(j.blocks)
	if err != nil {
		return false, err
	}
	if text == "filemark" {
		if text, err = readLine(j.blocks); err != nil {
			return false, err
		}
		return true, j.end(text, true)
	}
	if strings.HasPrefix(text, "sha256 ") {
		return false, j.end(text, false)
	}
	length, count, several := strings.Cut(text, "*")
	n, err := strconv.ParseInt(length, 10, 32)
	if err != nil || n < 1 || n > MaxBlock {
		return false, fmt.Errorf("%q is no length of a block: 1 to %d", text, int64(MaxBlock))
	}
	j.length, j.count = int(n), 1
	if several {
		if j.count, err = strconv.ParseUint(count, 10, 63); err != nil || j.count == 0 {
			return false, fmt.Errorf("%q is no number of blocks", text)
		}
	}
	return false, nil
}

// end reads the line with the checksum, the last one of a file.
func (j *joiner) end(text string, filemark bool) error {
	is, ok := strings.CutPrefix(text, "sha256 ")
	want, err := hex.DecodeString(is)
	if !ok || err != nil || len(want) != sha256.Size {
		return fmt.Errorf("%q is no checksum", text)
	}
	if _, err := j.blocks.ReadByte(); !errors.Is(err, io.EOF) {
		return errors.New("there is something behind the checksum")
	}
	if _, err := j.data.ReadByte(); !errors.Is(err, io.EOF) {
		return errors.New("its data goes on behind its blocks")
	}
	if !bytes.Equal(j.sum.Sum(nil), want) {
		return errors.New("its data is not what was written: the checksum is another one")
	}
	j.blocks, j.data, j.last = nil, nil, !filemark
	j.file++
	return nil
}

// readLine reads a short line.
func readLine(r *bufio.Reader) (string, error) {
	var line []byte
	for {
		c, err := r.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return "", errors.New("its list of blocks has no end: it was not written whole")
		case err != nil:
			return "", err
		case c == '\n':
			return string(line), nil
		case len(line) == 80:
			return "", fmt.Errorf("%q… is too long for a line", line)
		}
		line = append(line, c)
	}
}
