package model

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// Bounds of what is read. The work of the parser of YAML grows with the square of the depth, and it
// takes a hundred times the memory of what it is given at once.
const (
	maxDocument = 16 << 20
	maxPiece    = 512 << 10 // of YAML
	maxValues   = 2 << 20   // in a document
	maxDepth    = 32
)

// ReadFile reads and validates the document in a file, YAML or JSON. Errors are
// [Problems], but for a file that cannot be read.
func ReadFile(path string, schema Schema) (*Document, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ReadFrom(path, f, schema)
}

// FileText is the text of the document in a file, which is read again while it is served: one that is no
// regular file, such as a pipe to which nobody may write, is refused.
func FileText(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: it is no regular file, and can be read once at most", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxDocument+1)) // one that is too long is refused when it is read
}

// ReadFrom reads and validates the document that r gives; name is for errors.
func ReadFrom(name string, r io.Reader, schema Schema) (*Document, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err != nil {
		return nil, err
	}
	return Read(name, text, schema)
}

// Read reads and validates a document; name is the file's, for errors. The document keeps the text.
func Read(name string, text []byte, schema Schema) (*Document, error) {
	text, p := checked(name, text)
	if p != nil {
		return nil, Problems{p}
	}
	d, dec := decoded(name, text)
	all := dec.problems
	if dec.broken {
		return nil, all
	}
	for _, p := range d.validate(schema, all) { // what was read may be wrong as well
		if !p.follows(dec.problems) {
			all = append(all, p)
		}
	}
	if len(all) > 0 {
		return nil, all
	}
	return d, nil
}

// checked returns a text without a byte order mark, and refuses one that no parser gets.
func checked(name string, text []byte) ([]byte, *Problem) {
	fail := func(at Position, format string, args ...any) ([]byte, *Problem) {
		return nil, &Problem{Source: name, At: at, Err: fmt.Errorf(format, args...)}
	}
	if len(text) > maxDocument {
		return fail(Position{}, "the document is longer than %v", Size(maxDocument))
	}
	text, at, err := encoded(text)
	if err != nil {
		return fail(at, "%w", err)
	}
	return text, nil
}

// decoded reads a text in pieces, or, if it cannot be taken in pieces, at once.
func decoded(name string, text []byte) (*Document, *decoder) {
	if o := newOutline(text); o != nil {
		d := &Document{source: source{name: name, text: text, outline: o, recent: new(recent)}}
		dec := &decoder{source: &d.source}
		dec.value(ptr(o.root(text)), valueOf(d), "")
		if !dec.broken || len(text) > maxPiece {
			return d, dec
		}
	}
	d := &Document{source: source{name: name, text: text}}
	dec := &decoder{source: &d.source}
	root, p := parseWhole(text)
	if p != nil {
		p.Source = name
		dec.problems, dec.broken = Problems{p}, true
		return d, dec
	}
	d.source.whole = &root
	dec.value(&root, valueOf(d), "")
	return d, dec
}

func ptr[T any](v T) *T { return &v }

// parseWhole reads a text that is not taken in pieces.
func parseWhole(text []byte) (node, *Problem) {
	if len(text) > maxPiece {
		return node{}, tooLong(Position{})
	}
	root, p := parseYAML(text, 1)
	if p == nil && root.form == nullNode && root.at.Line == 0 {
		p = &Problem{Err: fmt.Errorf("the document is empty: it starts with \"version: %d\"", Version)}
	}
	return root, p
}

func tooLong(at Position) *Problem {
	return &Problem{At: at, Err: fmt.Errorf("this is neither JSON nor YAML whose keys and list elements begin lines, and longer than %v: write it in one of the two ways", Size(maxPiece))}
}

// errPiece is what is wrong with a piece that is right by itself, and not in its place.
var errPiece = errors.New("this does not belong here: look at the indentation")

// tooDeep returns the line on which nesting goes deeper than maxDepth, or 0. It looks at
// characters alone, so that it errs on the side of too deep.
func tooDeep(text []byte) int {
	line, depth := 1, 0
	lead, leading := 0, true
	for _, c := range text {
		switch c {
		case '\n', '\r':
			if c == '\n' {
				line++
			}
			lead, leading = 0, true
			continue
		case '[', '{':
			depth++
		case ']', '}':
			depth = max(depth-1, 0)
		case '-', '?', '!', '&', '|', '>', ':':
			if leading {
				lead++
			}
		case ' ', '\t':
		default:
			leading = false
		}
		if depth > maxDepth || lead > maxDepth {
			return line
		}
	}
	return 0
}
