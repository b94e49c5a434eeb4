package model

import (
	"fmt"
	"strings"

	"pgregory.net/rapid"
)

// A scribe writes documents as people do: in blocks and braces, with quotes of all kinds, and comments.
type scribe struct {
	t        *rapid.T
	b        strings.Builder
	comments map[string]string // where each is: the path of the object that it is in, or of the list
	eol      string
}

func (s *scribe) chance(n int, what string) bool { return rapid.IntRange(0, n-1).Draw(s.t, what) == 0 }

// comment ends the line, perhaps with a comment.
func (s *scribe) comment(path string) {
	if s.chance(3, "comment") {
		s.b.WriteString(" " + s.note(path))
	}
	s.b.WriteString(s.eol)
}

func (s *scribe) note(path string) string {
	text := fmt.Sprintf("# c%d: it's %s", len(s.comments), []string{"{", "}"}[len(s.comments)%2])
	s.comments[text] = path
	return text
}

// between writes lines that are about nothing.
func (s *scribe) between(path, indent string) {
	if s.chance(4, "between") {
		s.b.WriteString(indent + s.note(path) + s.eol)
	}
	if s.chance(5, "empty") {
		s.b.WriteString(s.eol)
	}
}

func (s *scribe) scalar(n *node, flow bool) string {
	if n.form != stringNode {
		return n.text
	}
	switch rapid.IntRange(0, 2).Draw(s.t, "quotes") {
	case 0:
		if !strings.ContainsFunc(n.text, func(r rune) bool { return r < ' ' || r > '~' }) {
			return "'" + strings.ReplaceAll(n.text, "'", "''") + "'"
		}
	case 1:
		return scalarText(n, YAML, flow)
	}
	return quoted(n.text)
}

func (s *scribe) flow(n *node) {
	begin, end := "[", "]"
	switch n.form {
	case fieldsNode:
		begin, end = "{", "}"
	case listNode:
	default:
		s.b.WriteString(s.scalar(n, true))
		return
	}
	s.b.WriteString(begin)
	for i := range n.of {
		if i > 0 {
			s.b.WriteString(", ")
		}
		if n.form == fieldsNode {
			s.b.WriteString(keyText(n.of[i].name, YAML) + ": ")
		}
		s.flow(&n.of[i])
	}
	s.b.WriteString(end)
}

// value writes what is behind a colon or a dash. path is the object that it is in.
func (s *scribe) value(n *node, indent, path string, dash bool) {
	before := " "
	if dash {
		before = ""
	}
	if len(n.of) == 0 || s.chance(3, "flow") {
		s.b.WriteString(before)
		s.flow(n)
		s.comment(path)
		return
	}
	more := strings.Repeat(" ", rapid.IntRange(1, 4).Draw(s.t, "indent"))
	if !dash {
		s.comment(path)
	} else {
		more = "  "
	}
	if n.form == listNode {
		if !dash && s.chance(3, "no indent") && indent == "" {
			more = ""
		}
		for i := range n.of {
			if i > 0 || !dash {
				s.between(path, indent+more)
				s.b.WriteString(indent + more)
			}
			s.b.WriteString("- ")
			s.value(&n.of[i], indent+more, inner(path, i), true)
		}
		return
	}
	for i := range n.of {
		if i > 0 || !dash {
			s.between(path, indent+more)
			s.b.WriteString(indent + more)
		}
		s.b.WriteString(keyText(n.of[i].name, YAML) + ":")
		at := path
		if n.of[i].name == "access" {
			at += ".access"
		}
		s.value(&n.of[i], indent+more, at, false)
	}
}

// inner is the object of an element, if the list is one of objects.
func inner(path string, i int) string {
	switch path {
	case "users", "units", "targets", "portals":
		return path + indexed(i)
	}
	if strings.HasSuffix(path, ".access") {
		return path + indexed(i)
	}
	return path
}

// document writes a whole document.
func (s *scribe) document(root *node) string {
	s.eol = rapid.SampledFrom([]string{"\n", "\n", "\r\n"}).Draw(s.t, "line break")
	for i := range root.of {
		s.between("", "")
		s.b.WriteString(root.of[i].name + ":")
		s.value(&root.of[i], "", root.of[i].name, false)
	}
	s.between("", "")
	return s.b.String()
}

// oddTexts are strings that are easily taken for something else.
var oddTexts = []string{"a", "it's", `say "x"`, "true", "null", "~", "1e3", "0x1f", "010", "1.5", "-", "- a", "a: b", "a #b", "#a", "{", "[a]", "ü€😀", " a ", "*a", "&a", "!a", "|", ">", "%", "@a", "`", "\\", "a\\nb", "1_000", ".inf", "2026-11-01", "12:30", "=", "<<", "yes", "\u2028", "\u0085", "\ufeff", "a:", ":a", "?", "? a", ",", "a,b", "1K", "iqn.x:y", "é"}

func str(t *rapid.T, what string) node { return textNode(rapid.SampledFrom(oddTexts).Draw(t, what)) }

func num(i int) node { return node{form: numberNode, text: fmt.Sprint(i)} }

func listed(of ...node) node { return node{form: listNode, of: of} }

// genUnit makes a unit of a name.
func genUnit(t *rapid.T, name string) node {
	n := fieldsOf(named("name", textNode(name)))
	switch rapid.IntRange(0, 2).Draw(t, "unit") {
	case 0:
		n.of = append(n.of, named("store", fieldsOf(named("kind", textNode("memory")), named("size", rapid.SampledFrom([]node{num(1024), textNode("1M"), textNode("1.5K")}).Draw(t, "size")))))
	case 1:
		path := textNode("/" + name + rapid.SampledFrom(oddTexts).Draw(t, "path"))
		n.of = append(n.of, named("store", fieldsOf(named("kind", textNode("file")), named("path", path))), named("filters", listed(fieldsOf(named("kind", textNode("delay")), named("read", textNode("2ms"))))),
			named("optional", node{form: boolNode, text: "true"}))
	default:
		n.of = append(n.of, named("stores", fieldsOf(named("a", fieldsOf(named("kind", textNode("memory")), named("size", textNode("1M")))))),
			named("device", fieldsOf(named("kind", textNode("library")), named("drives", num(1)), named("slots", fieldsOf(named("x", fieldsOf(named("label", str(t, "label")), named("sizes", listed(textNode("1K"), num(7))))))))))
	}
	return n
}

// genLUNs maps some units.
func genLUNs(t *rapid.T, units []string) node {
	n := node{form: fieldsNode}
	for i, u := range units {
		switch rapid.IntRange(0, 2).Draw(t, "lun") {
		case 0:
			n.of = append(n.of, named(fmt.Sprint(i), textNode(u)))
		case 1:
			n.of = append(n.of, named(fmt.Sprint(i*3), fieldsOf(named("unit", textNode(u)), named("read-only", node{form: boolNode, text: "true"}))))
			return n
		}
	}
	return n
}

func genAccess(t *rapid.T, name string, units []string) node {
	n := fieldsOf(named("name", textNode(name)))
	if rapid.Bool().Draw(t, "initiators") {
		n.of = append(n.of, named("initiators", listed(textNode("iqn.2026-11.io.x:a*"), textNode("*"))))
	}
	if rapid.Bool().Draw(t, "addresses") {
		n.of = append(n.of, named("addresses", listed(textNode("192.0.2.0/24"), textNode("2001:db8::1"))))
	}
	n.of = append(n.of, named("luns", genLUNs(t, units)))
	return n
}

func genTarget(t *rapid.T, name string, units []string) node {
	n := fieldsOf(named("name", textNode(name)), named("alias", str(t, "alias")), named("luns", genLUNs(t, units)))
	if rapid.Bool().Draw(t, "access") {
		l := listed()
		for _, a := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"x", "y", "z"}), 0, 3, rapid.ID).Draw(t, "accesses") {
			l.of = append(l.of, genAccess(t, a, units))
		}
		n.of = append(n.of, named("access", l))
	}
	if rapid.Bool().Draw(t, "maintenance") {
		n.of = append(n.of, named("maintenance", fieldsOf(named("redirect", textNode("192.0.2.1")))))
	}
	return n
}

func genPortal(t *rapid.T, name string) node {
	i := int(name[0]-'p') + 1
	if rapid.Bool().Draw(t, "short") {
		return textNode(fmt.Sprintf("127.0.0.%d:3260", i))
	}
	return fieldsOf(named("name", textNode(name)), named("address", textNode(fmt.Sprintf("[::1]:%d", 3260+i))), named("tag", num(i)))
}

// genDocument makes a document that is right.
func genDocument(t *rapid.T) node {
	root := fieldsOf(named("version", num(1)))
	names := func(all ...string) []string {
		return rapid.SliceOfNDistinct(rapid.SampledFrom(all), 0, len(all), rapid.ID).Draw(t, "names")
	}
	add := func(key string, l node) {
		if len(l.of) > 0 || rapid.Bool().Draw(t, "an empty "+key) {
			root.of = append(root.of, named(key, l))
		}
	}
	users, units, targets, portals := listed(), listed(), listed(), listed()
	for _, name := range names("alice", "bob") {
		users.of = append(users.of, fieldsOf(named("name", textNode(name)), named("secret-file", str(t, "file"))))
	}
	have := names("a", "b", "c.d", "1e5")
	for _, name := range have {
		units.of = append(units.of, genUnit(t, name))
	}
	for _, name := range names("t", "u", "v") {
		targets.of = append(targets.of, genTarget(t, "iqn.2026-11.io.x:"+name, have))
	}
	for _, name := range names("p", "q") {
		portals.of = append(portals.of, genPortal(t, name))
	}
	add("users", users)
	add("units", units)
	if rapid.Bool().Draw(t, "limits") {
		root.of = append(root.of, named("limits", fieldsOf(named("memory", textNode("256M")), named("logins", num(7)))))
	}
	add("targets", targets)
	add("portals", portals)
	if rapid.Bool().Draw(t, "network") {
		root.of = append(root.of, named("network", fieldsOf(named("engine", textNode("auto")), named("iwarp", fieldsOf(named("max-fpdu", num(9000)))))))
	}
	return root
}
