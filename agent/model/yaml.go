package model

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// parseYAML returns the one value of text, which has been through [encoded], or where it cannot be read.
// Lines are counted from line on.
func parseYAML(text []byte, line int) (root node, p *Problem) {
	fail := func(at Position, format string, args ...any) (node, *Problem) {
		if at.Line > 0 {
			at.Line += line - 1
		}
		return node{}, &Problem{At: at, Err: fmt.Errorf(format, args...)}
	}
	if line := tooDeep(text); line > 0 {
		return fail(Position{line, 1}, "values are nested deeper than %d, brackets in texts counted", maxDepth)
	}
	defer func() { // the parser is not ours, and the text is anybody's
		if r := recover(); r != nil {
			root, p = fail(Position{}, "this is neither YAML nor JSON")
		}
	}()
	file, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		at, message := said(err)
		return fail(at, "%s", inWords(message))
	}
	var body ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		if body != nil {
			return fail(position(doc.Body), "a second document starts here: there is one in a file")
		}
		body = doc.Body
	}
	if body == nil {
		return node{form: nullNode}, nil
	}
	if n := astray(body); n != nil {
		return fail(position(n), "this is no element of the list above it: an element stands behind its dash, or is indented more than the dash")
	}
	return fromYAML(body, line-1), nil
}

// astray finds what the parser takes for the element of a dash with nothing behind it, though it begins in the dash's column or before it (YAML 1.2.2, 8.2.1): it is the next key of what
// is around the list. nil: there is nothing of the kind.
func astray(n ast.Node) ast.Node {
	switch s := n.(type) {
	case *ast.SequenceNode:
		for _, v := range s.Values {
			at := position(v)
			if _, none := v.(*ast.NullNode); !none && !s.IsFlowStyle && s.Start != nil && at.Line > 0 && at.Column <= s.Start.Position.Column {
				return v
			}
			if a := astray(v); a != nil {
				return a
			}
		}
	case *ast.MappingNode:
		for _, v := range s.Values {
			if a := astray(v.Value); a != nil {
				return a
			}
		}
	case *ast.MappingValueNode:
		return astray(s.Value)
	}
	return nil
}

// said takes an error of the parser apart. Its text shows the surroundings, whose making takes long.
func said(err error) (at Position, message string) {
	var e interface {
		GetMessage() string
		GetToken() *token.Token
	}
	if !errors.As(err, &e) {
		message, _, _ = strings.Cut(err.Error(), "\n")
		return at, message
	}
	if t := e.GetToken(); t != nil && t.Position != nil {
		at = Position{t.Position.Line, t.Position.Column}
	}
	message, _, _ = strings.Cut(e.GetMessage(), "\n")
	return at, message
}

// fromYAML makes a node of a syntax tree; its lines begin after others.
func fromYAML(n ast.Node, lines int) node {
	made := node{at: position(n)}
	if made.at.Line > 0 {
		made.at.Line += lines
	}
	switch s := n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		made.form = takenNode
	case *ast.NullNode:
		made.form = nullNode
		if t := n.GetToken(); t != nil && t.Type == token.NullType {
			made.text = t.Value
		}
	case *ast.StringNode:
		made.form, made.text = stringNode, s.Value
	case *ast.LiteralNode:
		made.form = blockNode
	case *ast.IntegerNode, *ast.FloatNode:
		made.form, made.text = numberNode, n.GetToken().Value
	case *ast.InfinityNode, *ast.NanNode:
		made.form = floatNode
	case *ast.BoolNode:
		made.form, made.text = boolNode, n.GetToken().Value
	case *ast.SequenceNode:
		made.form = listNode
		made.of = make([]node, 0, len(s.Values))
		for _, v := range s.Values {
			made.of = append(made.of, fromYAML(v, lines))
		}
	case *ast.MappingNode:
		made.form = fieldsNode
		made.of = make([]node, 0, len(s.Values))
		for _, v := range s.Values {
			made.of = append(made.of, fieldOf(v, lines))
		}
	case *ast.MappingValueNode:
		made.form, made.of = fieldsNode, []node{fieldOf(s, lines)}
	}
	return made
}

// fieldOf makes a node of a key and its value.
func fieldOf(e *ast.MappingValueNode, lines int) node {
	v := fromYAML(e.Value, lines)
	if v.keyAt = position(e.Key); v.keyAt.Line > 0 {
		v.keyAt.Line += lines
	}
	switch k := e.Key.(type) {
	case *ast.StringNode:
		v.name, v.keyForm = k.Value, stringNode
	case *ast.IntegerNode:
		v.name, v.keyForm = k.GetToken().Value, stringNode
	default:
		v.keyForm = fromYAML(k, 0).form
		if v.keyForm == stringNode {
			v.keyForm = otherNode
		}
	}
	return v
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
