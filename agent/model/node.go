package model

import (
	"fmt"
	"strconv"
	"strings"
)

// A node is a value of a document as it is written, whichever parser has read it.
type node struct {
	form nodeForm
	// name is the key of the value, if it is one of the keys and values of another.
	name string
	text string // of scalars, and the word of a null
	at   Position
	// keyAt is where the key stands, and keyForm what it is instead of a string or number.
	keyAt   Position
	keyForm nodeForm
	of      []node // the elements of a list, or the keys and values
	// load, of a piece, reads it: see [outline].
	load func() (node, *Problem)
}

// A nodeForm is what a node looks like.
type nodeForm uint8

const (
	otherNode nodeForm = iota
	stringNode
	numberNode
	boolNode
	nullNode
	listNode
	fieldsNode
	blockNode // a block scalar, | or >
	floatNode // infinity, and what is not a number
	takenNode // an anchor, an alias, a tag or a merge
	pieceNode // a value that is not read yet
)

// scalar is the text of a plain or quoted value.
func (n *node) scalar() (string, bool) {
	return n.text, n.form == stringNode || n.form == numberNode || n.form == boolNode
}

// String names what a node of the form is.
func (f nodeForm) String() string {
	switch f {
	case fieldsNode:
		return "keys and values"
	case listNode:
		return "a list"
	case stringNode, blockNode:
		return "a string"
	case numberNode, floatNode:
		return "a number"
	case boolNode:
		return "true or false"
	case nullNode:
		return "nothing"
	}
	return "something else"
}

// excerpt is the beginning of a scalar.
func (n *node) excerpt() string {
	if text, ok := n.scalar(); ok {
		return fmt.Sprintf("%.40q", text)
	}
	return "this"
}

// quoteHint says how a scalar would be a string.
func (n *node) quoteHint() string {
	if text, ok := n.scalar(); ok {
		return fmt.Sprintf(" (in quotes: %.40q)", text)
	}
	return ""
}

// field finds the value of a key.
func (n *node) field(name string) *node {
	if n.form != fieldsNode {
		return nil
	}
	for i := range n.of {
		if n.of[i].name == name && n.of[i].keyForm == stringNode {
			return &n.of[i]
		}
	}
	return nil
}

// put sets the value of a key, in its place or as the last.
func (n *node) put(v node) {
	if old := n.field(v.name); old != nil {
		v.keyAt = old.keyAt
		*old = v
		return
	}
	n.of = append(n.of, v)
}

// follow returns the value at path in n, as deep as it is there, and whether all of it is. Keys may have
// dots in them: the longest that fits counts.
func (n *node) follow(path string) (*node, bool) {
	for path != "" {
		switch n.form {
		case listNode:
			i, rest, ok := cutIndex(path)
			if !ok || i >= len(n.of) {
				return n, false
			}
			n, path = &n.of[i], rest
		case fieldsNode:
			var next *node
			rest := ""
			for i := range n.of {
				f := &n.of[i]
				after, ok := strings.CutPrefix(path, f.name)
				if ok && f.keyForm == stringNode && (next == nil || len(f.name) > len(next.name)) && (after == "" || after[0] == '.' || after[0] == '[') {
					next, rest = f, after
				}
			}
			if next == nil {
				return n, false
			}
			n, path = next, strings.TrimPrefix(rest, ".")
		default:
			return n, false
		}
	}
	return n, true
}

// cutIndex takes [INDEX] and what is behind it apart.
func cutIndex(path string) (index int, rest string, ok bool) {
	text, rest, ok := strings.Cut(path, "]")
	if !ok || !strings.HasPrefix(text, "[") {
		return 0, "", false
	}
	n, err := strconv.ParseUint(text[1:], 10, 31)
	return int(n), strings.TrimPrefix(rest, "."), err == nil
}
