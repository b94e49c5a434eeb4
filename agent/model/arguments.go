package model

// Arguments reads keys and values, YAML or JSON, that options say all about; an empty text, or null, has none. Errors are [Problems].
func Arguments(text []byte, options []Option) (Values, error) {
	text, p := checked("", text)
	if p != nil {
		return nil, Problems{p}
	}
	d := &Document{source: source{text: text}}
	root := node{form: fieldsNode}
	if len(text) > 0 {
		if root, p = parseWhole(text); p != nil {
			return nil, Problems{p}
		}
	}
	if root.form == nullNode {
		root = node{form: fieldsNode}
	}
	d.source.whole = &root
	dec := &decoder{source: &d.source}
	given, _ := dec.given(&root, "", "")
	if len(dec.problems) > 0 {
		return nil, dec.problems
	}
	c := checker{doc: d}
	if given.Form != Fields {
		c.fail("", "%s is %s: keys and values are wanted", given.excerpt(), given.form())
		return nil, c.problems
	}
	v := converter{checker: &c, strict: true}.group("", Option{Options: options}, given)
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	return v, nil
}
