package state

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"strconv"
	"strings"
)

// The journal has a line for what a transaction is about to make, written and durable before it is
// made:
//
//	lunette journal, format 1
//	6c1d2a3b generation 43
//	0f5e6d7c made "/srv/a.img"
//	91b2c3d4 grown 1073741824 "/srv/b.img"
//	5d6e7f80 renames "old" "new"
//
// Each line starts with the CRC32C of the rest of it. A line that is not whole at the end is of a
// record that nobody was told is durable: what it is about was not made. A line that is wrong before
// one that is right is damage.
//
// A journal belongs to the transaction that wants to commit its generation. If that generation is
// there, or a later one, it has been committed, and the journal says nothing any more; so the commit
// need not remove it durably.
const (
	journalFormat = 1
	journalMagic  = "lunette journal, format "

	maxJournal = 64 << 20
	maxPath    = 4096
)

// noted is what one line of a journal says: a thing made, or a unit that gets another name.
type noted struct {
	made     Made
	old, new string // if it is a unit
}

func (n noted) String() string {
	switch {
	case n.old != "":
		return "renames " + strconv.Quote(n.old) + " " + strconv.Quote(n.new)
	case n.made.Grown:
		return fmt.Sprintf("grown %d %s", n.made.Size, strconv.Quote(n.made.Path))
	}
	return "made " + strconv.Quote(n.made.Path)
}

func (n noted) check() error {
	switch {
	case n.old != "" || n.new != "":
		if n.old == "" || n.new == "" || len(n.old) > maxUnit || len(n.new) > maxUnit {
			return fmt.Errorf("from %.70q to %.70q: the name of a unit has 1 to %d bytes", n.old, n.new, maxUnit)
		}
	case !filepath.IsAbs(n.made.Path) || len(n.made.Path) > maxPath || strings.Contains(n.made.Path, "\x00"):
		return fmt.Errorf("%.100q is not an absolute path", n.made.Path)
	case n.made.Size < 0 || !n.made.Grown && n.made.Size != 0:
		return fmt.Errorf("%.100q: a size of %d bytes cannot be", n.made.Path, n.made.Size)
	}
	return nil
}

// journalLine is a line with its checksum.
func journalLine(text string) []byte {
	return fmt.Appendf(nil, "%08x %s\n", crc32.Checksum([]byte(text), castagnoli), text)
}

// journalHead are the first two lines.
func journalHead(generation uint64) []byte {
	return append(fmt.Appendf(nil, "%s%d\n", journalMagic, journalFormat), journalLine(fmt.Sprint("generation ", generation))...)
}

// lineText is what a line says, without the line's end; false: it is not whole and right.
func lineText(line []byte) (string, bool) {
	sum, text, ok := strings.Cut(string(line), " ")
	return text, ok && sum == fmt.Sprintf("%08x", crc32.Checksum([]byte(text), castagnoli))
}

func parseNoted(text string) (n noted, ok bool) {
	verb, rest, _ := strings.Cut(text, " ")
	switch verb {
	case "made":
		n.made.Path, _ = strconv.Unquote(rest)
	case "grown":
		size, path, _ := strings.Cut(rest, " ")
		n.made.Grown = true
		n.made.Size, _ = strconv.ParseInt(size, 10, 64)
		n.made.Path, _ = strconv.Unquote(path)
	case "renames":
		old, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return n, false
		}
		n.old, _ = strconv.Unquote(old)
		n.new, _ = strconv.Unquote(strings.TrimPrefix(rest[len(old):], " "))
	}
	return n, n.check() == nil && n.String() == text
}

// decodeJournal reads a journal. Generation 0: it never came as far as to say anything.
func decodeJournal(b []byte) (generation uint64, all []noted, err error) {
	_, rest, whole := bytes.Cut(b, []byte("\n"))
	if err := checkMagic(b, journalMagic, journalFormat, "a journal"); err != nil {
		if w, ok := err.(*wrong); ok && w.newer {
			return 0, nil, err
		}
		// The first write may be torn: what there is of it is a part of the first line, and zeros,
		// and no line after it is right.
		part := bytes.TrimRight(b, "\x00")
		torn := bytes.HasPrefix(b, []byte{0}) || strings.HasPrefix(fmt.Sprint(journalMagic, journalFormat), string(part))
		if torn && !anyRight(rest) {
			return 0, nil, nil
		}
		return 0, nil, err
	}
	for n := 2; whole && len(rest) > 0; n++ {
		var line []byte
		line, rest, whole = bytes.Cut(rest, []byte("\n"))
		text, right := lineText(line)
		if !right || !whole {
			if anyRight(rest) {
				return 0, nil, wrongf("the checksum of its line %d is wrong", n)
			}
			break
		}
		if n == 2 {
			number, ok := strings.CutPrefix(text, "generation ")
			if generation, err = strconv.ParseUint(number, 10, 64); !ok || err != nil || generation == 0 {
				return 0, nil, wrongf("it does not say of which generation it is")
			}
			continue
		}
		what, ok := parseNoted(text)
		if !ok {
			return 0, nil, wrongf("its line %d does not make sense", n)
		}
		all = append(all, what)
	}
	return generation, all, nil
}

// anyRight reports that there is a line in b that is whole and right.
func anyRight(b []byte) bool {
	for len(b) > 0 {
		line, rest, whole := bytes.Cut(b, []byte("\n"))
		if _, right := lineText(line); right && whole {
			return true
		}
		b = rest
	}
	return false
}
