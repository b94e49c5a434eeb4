package model

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Bounds of what is given to the parser: its work grows with the square of the depth.
const (
	maxDocument = 256 << 10
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

// ReadFrom reads and validates the document that r gives; name is for errors.
func ReadFrom(name string, r io.Reader, schema Schema) (*Document, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err != nil {
		return nil, err
	}
	return Read(name, text, schema)
}

// Read reads and validates a document; name is the file's, for errors.
func Read(name string, text []byte, schema Schema) (*Document, error) {
	d := &Document{source: source{name: name, text: text, at: make(map[string]Position), keys: make(map[string]Position)}}
	root, p := parse(name, text)
	if p != nil {
		return nil, Problems{p}
	}
	dec := decoder{source: &d.source}
	dec.value(root, valueOf(d), "")
	all := dec.problems
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

// parse returns the one document of text.
func parse(name string, text []byte) (root ast.Node, p *Problem) {
	fail := func(at Position, format string, args ...any) (ast.Node, *Problem) {
		return nil, &Problem{Source: name, At: at, Err: fmt.Errorf(format, args...)}
	}
	if len(text) > maxDocument {
		return fail(Position{}, "the document is longer than %v", Size(maxDocument))
	}
	text, at, err := encoded(text)
	if err != nil {
		return fail(at, "%w", err)
	}
	if line := tooDeep(text); line > 0 {
		return fail(Position{line, 1}, "values are nested deeper than %d", maxDepth)
	}
	defer func() { // the parser is not ours, and the text is anybody's
		if r := recover(); r != nil {
			root, p = fail(Position{}, "this is neither YAML nor JSON")
		}
	}()
	file, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		at, message := splitPosition(err.Error())
		return fail(at, "%s", inWords(message))
	}
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		if root != nil {
			return fail(position(doc.Body), "a second document starts here: there is one in a file")
		}
		root = doc.Body
	}
	if root == nil {
		return fail(Position{}, "the document is empty: it starts with \"version: %d\"", Version)
	}
	return root, nil
}

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

// splitPosition takes "[line:column] message\n…" apart.
func splitPosition(text string) (Position, string) {
	text, _, _ = strings.Cut(text, "\n")
	var at Position
	if where, rest, ok := strings.Cut(text, "] "); ok && strings.HasPrefix(where, "[") {
		line, column, _ := strings.Cut(where[1:], ":")
		l, err1 := strconv.Atoi(line)
		c, err2 := strconv.Atoi(column)
		if err1 == nil && err2 == nil {
			return Position{l, c}, rest
		}
	}
	return at, text
}

// position of keys and values is that of the first key: their own token is a colon.
func position(n ast.Node) Position {
	switch m := n.(type) {
	case *ast.MappingNode:
		if len(m.Values) > 0 && !m.IsFlowStyle {
			return position(m.Values[0])
		}
	case *ast.MappingValueNode:
		n = m.Key
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return Position{t.Position.Line, t.Position.Column}
	}
	return Position{}
}
