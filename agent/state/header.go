package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"time"
)

// The file of a generation is a header of comment lines, each once and in this order, and then the
// text, byte for byte:
//
//	# lunette generation, format 1
//	# generation: 42
//	# parent: 41
//	# schema: 1
//	# time: 2026-11-29T21:51:08.123456789Z
//	# author: "root"
//	# comment: "more room"
//	# size: 353081
//	# sha256: 37b128c5…
//	# header: 1a2b3c4d
//
// Strings are quoted as in Go. The last line is the CRC32C of the lines before it. A header is right
// if writing what was read from it gives the same bytes.
const (
	generationFormat = 1
	generationMagic  = "# lunette generation, format "

	// maxHeader is more than any header has: quoting makes four bytes of one, at most.
	maxHeader = 4*(maxAuthor+maxComment) + 1024
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func encodeHeader(m Meta) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s%d\n", generationMagic, generationFormat)
	fmt.Fprintf(&b, "# generation: %d\n# parent: %d\n# schema: %d\n", m.Generation, m.Parent, m.Schema)
	fmt.Fprintf(&b, "# time: %s\n", m.Time.UTC().Format(time.RFC3339Nano))
	fmt.Fprintf(&b, "# author: %s\n# comment: %s\n", strconv.Quote(m.Author), strconv.Quote(m.Comment))
	fmt.Fprintf(&b, "# size: %d\n# sha256: %s\n", m.Size, m.Digest)
	fmt.Fprintf(&b, "# header: %08x\n", crc32.Checksum(b.Bytes(), castagnoli))
	return b.Bytes()
}

// encodeGeneration is the file of a generation.
func encodeGeneration(m Meta, text []byte) []byte { return append(encodeHeader(m), text...) }

// decodeHeader reads the header at the start of b, the first bytes of a file of size bytes, and
// returns how long it is.
func decodeHeader(b []byte, size int64) (m Meta, length int, err error) {
	if err := checkMagic(b, generationMagic, generationFormat, "a generation"); err != nil {
		return Meta{}, 0, err
	}
	_, rest, _ := bytes.Cut(b, []byte("\n"))
	field := func(name string) (value string) {
		line, after, ok := bytes.Cut(rest, []byte("\n"))
		value, found := strings.CutPrefix(string(line), "# "+name+": ")
		if err == nil && !ok {
			err = wrongf("it ends in its header")
		} else if err == nil && !found {
			err = wrongf("its header has no %s where it should be", name)
		}
		rest = after
		return value
	}
	number := func(name string, bits int) uint64 {
		n, e := strconv.ParseUint(field(name), 10, bits)
		if e != nil && err == nil {
			err = wrongf("the %s in its header is not a number", name)
		}
		return n
	}
	quoted := func(name string) string {
		s, e := strconv.Unquote(field(name))
		if e != nil && err == nil {
			err = wrongf("the %s in its header is not a string", name)
		}
		return s
	}
	m.Generation, m.Parent, m.Schema = number("generation", 64), number("parent", 64), int(number("schema", 31))
	at := field("time")
	m.Author, m.Comment = quoted("author"), quoted("comment")
	m.Size, m.Digest = int(number("size", 31)), field("sha256")
	field("header")
	if err != nil {
		return Meta{}, 0, err
	}
	if m.Time, err = time.Parse(time.RFC3339Nano, at); err != nil {
		return Meta{}, 0, wrongf("the time in its header is not a time")
	}
	m.Time = m.Time.UTC()
	header := encodeHeader(m)
	switch {
	case !bytes.HasPrefix(b, header):
		return Meta{}, 0, wrongf("the checksum of its header is wrong")
	case m.Generation == 0 || m.Size > maxText || len(m.Digest) != 2*sha256.Size:
		return Meta{}, 0, wrongf("its header does not make sense")
	}
	switch is, want := size, int64(len(header)+m.Size); {
	case is < want:
		return Meta{}, 0, wrongf("it has been cut off: it has %d bytes, of %d", is, want)
	case is > want:
		return Meta{}, 0, wrongf("it has %d bytes too many", is-want)
	}
	return m, len(header), nil
}

// decodeGeneration reads a whole file. The text refers to b.
func decodeGeneration(b []byte) (Stored, error) {
	m, n, err := decodeHeader(b, int64(len(b)))
	if err != nil {
		return Stored{}, err
	}
	if sum := sha256.Sum256(b[n:]); hex.EncodeToString(sum[:]) != m.Digest {
		return Stored{}, wrongf("the checksum of its text is wrong")
	}
	return Stored{Meta: m, Text: b[n:]}, nil
}

// checkMagic checks that b starts with a line of magic and format.
func checkMagic(b []byte, magic string, format int, what string) error {
	line, _, whole := bytes.Cut(b, []byte("\n"))
	n, isOurs := strings.CutPrefix(string(line[:min(len(line), 100)]), magic)
	switch {
	case len(b) == 0:
		return wrongf("it is empty")
	case !whole && strings.HasPrefix(magic+strconv.Itoa(format), string(line[:min(len(line), 100)])):
		return wrongf("it has been cut off: it has %d bytes", len(b))
	case !isOurs:
		return wrongf("it does not start as %s does", what)
	case n == strconv.Itoa(format) && whole:
		return nil
	}
	if v, err := strconv.ParseUint(n, 10, 32); err == nil && v > uint64(format) {
		return newerFormat(v, format)
	}
	return wrongf("its first line is wrong")
}

// fileName is the name of a generation's file.
func fileName(generation uint64) string { return fmt.Sprintf("%08d.yaml", generation) }

// generationOf is the generation of the file of this name; 0 if it is no such name.
func generationOf(name string) uint64 {
	digits, ok := strings.CutSuffix(name, ".yaml")
	n, err := strconv.ParseUint(digits, 10, 64)
	if !ok || err != nil || fileName(n) != name {
		return 0
	}
	return n
}
