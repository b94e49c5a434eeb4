package state

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"strconv"
	"strings"
)

// The journal says what a transaction is about to make: it is written and durable before that is made.
// All that is written at a time is one line:
//
//	6c1d2a3b lunette journal, format 1; generation 43; made "/srv/a.img"
//	91b2c3d4 grown 1073741824 "/srv/b.img"; made "/srv/c.img"
//	5d6e7f80 renames "old" "new"
//
// Each starts with the CRC32C of the rest of it. A line at the end that is not right was torn by a
// crash: nobody was told that it is durable, so what it is about was not made. A line that is wrong
// before one that is right is damage.
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

// journalLine is a line with its checksum. Generation is of a first line, and 0 in all others.
func journalLine(generation uint64, all []noted) []byte {
	var parts []string
	if generation != 0 {
		parts = append(parts, fmt.Sprint(journalMagic, journalFormat), fmt.Sprint("generation ", generation))
	}
	for _, n := range all {
		parts = append(parts, n.String())
	}
	text := strings.Join(parts, "; ")
	return fmt.Appendf(nil, "%08x %s\n", crc32.Checksum([]byte(text), castagnoli), text)
}

// lineText is what a line says; false: it is not whole and right.
func lineText(line []byte, whole bool) (string, bool) {
	sum, text, _ := strings.Cut(string(line), " ")
	return text, whole && sum == fmt.Sprintf("%08x", crc32.Checksum([]byte(text), castagnoli))
}

// parseNoted reads what a line says but for its head.
func parseNoted(text string) (all []noted, ok bool) {
	for rest := text; rest != ""; {
		var n noted
		var verb string
		verb, rest, _ = strings.Cut(rest, " ")
		quoted := func() (value string) {
			q, err := strconv.QuotedPrefix(rest)
			if err == nil {
				value, _ = strconv.Unquote(q)
			}
			rest = strings.TrimPrefix(rest[len(q):], " ")
			return value
		}
		switch verb {
		case "made":
			n.made.Path = quoted()
		case "grown":
			var size string
			size, rest, _ = strings.Cut(rest, " ")
			n.made.Grown = true
			n.made.Size, _ = strconv.ParseInt(size, 10, 64)
			n.made.Path = quoted()
		case "renames":
			n.old = quoted()
			n.new = quoted()
		}
		if n.check() != nil {
			return nil, false
		}
		all = append(all, n)
		rest = strings.TrimPrefix(rest, "; ")
	}
	_, again, _ := strings.Cut(strings.TrimSuffix(string(journalLine(0, all)), "\n"), " ")
	return all, again == text
}

// decodeJournal reads a journal. Generation 0: it never came as far as to say anything.
func decodeJournal(b []byte) (generation uint64, all []noted, err error) {
	line, rest, whole := bytes.Cut(b, []byte("\n"))
	text, right := lineText(line, whole)
	if !right {
		if anyRight(rest) || !tornHead(b) {
			return 0, nil, wrongf("its first line is wrong")
		}
		return 0, nil, nil
	}
	head, text, _ := strings.Cut(text, "; ")
	if err := checkMagic([]byte(head+"\n"), journalMagic, journalFormat, "a journal"); err != nil {
		return 0, nil, err
	}
	number, text, _ := strings.Cut(text, "; ")
	number, ok := strings.CutPrefix(number, "generation ")
	if generation, err = strconv.ParseUint(number, 10, 64); !ok || err != nil || generation == 0 {
		return 0, nil, wrongf("it does not say of which generation it is")
	}
	for n := 1; ; n++ {
		some, ok := parseNoted(text)
		if !ok {
			return 0, nil, wrongf("its line %d does not make sense", n)
		}
		all = append(all, some...)
		line, rest, whole = bytes.Cut(rest, []byte("\n"))
		if text, right = lineText(line, whole); right {
			continue
		}
		if anyRight(rest) {
			return 0, nil, wrongf("the checksum of its line %d is wrong", n+1)
		}
		return generation, all, nil
	}
}

// tornHead reports that b may be a part of the first line of a journal, and zeros: all that a crash
// has left of the first write.
func tornHead(b []byte) bool {
	start := bytes.TrimRight(b, "\x00")
	if len(start) == 0 || b[0] == 0 {
		return true
	}
	sum := min(len(start), 8)
	if bytes.Trim(start[:sum], "0123456789abcdef") != nil {
		return false
	}
	start = bytes.TrimPrefix(start[sum:], []byte(" "))
	return bytes.HasPrefix(start, []byte(journalMagic)) || bytes.HasPrefix([]byte(journalMagic), start)
}

// anyRight reports that there is a line in b that is whole and right.
func anyRight(b []byte) bool {
	for len(b) > 0 {
		line, rest, whole := bytes.Cut(b, []byte("\n"))
		if _, right := lineText(line, whole); right {
			return true
		}
		b = rest
	}
	return false
}
