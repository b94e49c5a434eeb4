package personality

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// parse returns the one value of a file; nil: it has none.
func parse(file string, text []byte) (root ast.Node, at place, err error) {
	at.file = file
	if line := tooDeep(text); line > 0 {
		return nil, place{file, line, 1}, errors.New("values are nested too deep")
	}
	defer func() { // the parser is not ours, and the text is anybody's
		if recover() != nil {
			root, err = nil, errors.New("this is not YAML")
		}
	}()
	parsed, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		var e interface {
			GetMessage() string
			GetToken() *token.Token
		}
		message := err.Error()
		if errors.As(err, &e) {
			message = e.GetMessage()
			if t := e.GetToken(); t != nil && t.Position != nil {
				at.line, at.column = t.Position.Line, t.Position.Column
			}
		}
		message, _, _ = strings.Cut(message, "\n")
		return nil, at, fmt.Errorf("this is not YAML: %s", message)
	}
	for _, doc := range parsed.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		if root != nil {
			return nil, placeOf(file, doc.Body), errors.New("a second document starts here: there is one in a file")
		}
		root = doc.Body
	}
	return root, at, nil
}

// tooDeep returns the line on which nesting goes deeper than a file of personalities ever does; 0: on none. It looks at
// characters alone.
func tooDeep(text []byte) int {
	const most = 32
	line, depth, lead, leading := 1, 0, 0, true
	for _, c := range text {
		switch c {
		case '\n':
			line++
			lead, leading = 0, true
		case '[', '{':
			depth++
		case ']', '}':
			depth = max(depth-1, 0)
		case '-', '?', '!', '&', '|', '>', ':':
			if leading {
				lead++
			}
		case ' ', '\t', '\r':
		default:
			leading = false
		}
		if depth > most || lead > most {
			return line
		}
	}
	return 0
}

// form is what a value looks like, in words.
func form(n ast.Node) string {
	switch n.(type) {
	case *ast.NullNode, nil:
		return "nothing"
	case *ast.StringNode, *ast.LiteralNode:
		return "a string"
	case *ast.BoolNode:
		return "true or false"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.SequenceNode:
		return "a list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "keys and values"
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		return "an anchor, alias, merge or tag, which are not taken here"
	}
	return "something else"
}

// quoted says how a scalar would be a string.
func quoted(n ast.Node) string {
	switch n.(type) {
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode:
		return fmt.Sprintf(" (in quotes: %.40q)", n.GetToken().Value)
	}
	return ""
}

// placeOf is where a value stands; that of keys and values is where the first key does.
func placeOf(file string, n ast.Node) place {
	at := place{file: file}
	switch m := n.(type) {
	case nil:
		return at
	case *ast.MappingNode:
		if len(m.Values) > 0 && !m.IsFlowStyle {
			return placeOf(file, m.Values[0])
		}
	case *ast.MappingValueNode:
		n = m.Key
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		at.line, at.column = t.Position.Line, t.Position.Column
	}
	return at
}
