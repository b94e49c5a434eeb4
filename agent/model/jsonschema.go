package model

import (
	"encoding/json"
	"slices"
	"strconv"
)

// Patterns of values that are written as strings.
const (
	sizePattern     = `^[0-9]+(\.[0-9]+)?(B|[KMGTPEkmgtpe](iB|B)?)?$`
	durationPattern = `^[-+]?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$`
	numberPattern   = `^[-+]?[0-9]+$`
	namePattern     = `^[A-Za-z0-9._-]{1,64}$`
	lunPattern      = `^[0-9]+$`
)

// object is a part of a JSON Schema.
type object = map[string]any

// JSONSchema is the JSON Schema (draft 2020-12) of documents. What it takes may still be wrong as a whole: names that
// are not there, two of one name, sizes out of bounds that are written as strings.
func (s Schema) JSONSchema() ([]byte, error) {
	root := schemaOfKeys(slices.Concat(DocumentOptions(), s.Document), func(o Option) object {
		return schemaOf(o, true)
	})
	properties, _ := root["properties"].(object)
	properties["units"] = listSchema("units", object{"$ref": "#/$defs/unit"})
	properties["targets"] = listSchema("targets", object{"$ref": "#/$defs/target"})
	properties["portals"] = listSchema("portals", object{"$ref": "#/$defs/portal"})
	defs := object{"unit": s.unitSchema(), "target": s.targetSchema(), "portal": s.portalSchema()}
	for _, axis := range []string{"store", "filter", "device"} {
		defs[axis] = s.kindSchema(axis, nil)
	}
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "A document of lunette"
	root["$defs"] = defs
	return json.MarshalIndent(root, "", "  ")
}

// part is one of [DocumentOptions].
func part(name string) Option {
	all := DocumentOptions()
	return all[slices.IndexFunc(all, func(o Option) bool { return o.Name == name })]
}

// listSchema is a list of the document.
func listSchema(name string, items object) object {
	return object{"type": "array", "description": part(name).Help, "items": items}
}

// schemaOfKeys is an object whose keys are options.
func schemaOfKeys(options []Option, of func(Option) object) object {
	properties := object{}
	var required []string
	for _, o := range options {
		properties[o.Name] = of(o)
		if o.Required {
			required = append(required, o.Name)
		}
	}
	made := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		made["required"] = required
	}
	return made
}

// unitSchema is a unit: its stores are those that its device wants.
func (s Schema) unitSchema() object {
	made := schemaOfKeys(part("units").Options, func(o Option) object {
		switch o.Name {
		case "store", "device":
			return object{"$ref": "#/$defs/" + o.Name, "description": o.Help}
		case "filters":
			return object{"type": "array", "description": o.Help, "items": object{"$ref": "#/$defs/filter"}}
		case "stores":
			return object{"type": "object", "description": o.Help, "propertyNames": object{"pattern": namePattern}, "additionalProperties": object{"$ref": "#/$defs/store"}}
		}
		return named64(schemaOf(o, true), o)
	})
	var rules []any
	for _, name := range s.Names("device") {
		k, _ := s.Find("device", name)
		then := object{}
		switch k.Stores {
		case OneStore:
			then = object{"required": []string{"store"}, "properties": object{"stores": false}}
		case OptionalStore:
			then = object{"properties": object{"stores": false}}
		case NoStore:
			then = object{"properties": object{"store": false, "stores": false, "filters": object{"maxItems": 0}}}
		case ManyStores:
			then = object{"required": []string{"stores"}, "properties": object{"store": false}}
		}
		test := s.isKind("device", name)
		when := object{"properties": object{"device": test}}
		if test["required"] != nil {
			when["required"] = []string{"device"}
		}
		rules = append(rules, object{"if": when, "then": then})
	}
	made["allOf"] = rules
	return made
}

// named64 is a name as objects of the document have them.
func named64(made object, o Option) object {
	if o.Name == "name" {
		made["pattern"] = namePattern
	}
	return made
}

// targetSchema is a target, with what transports have in each.
func (s Schema) targetSchema() object {
	return schemaOfKeys(slices.Concat(part("targets").Options, s.Target), func(o Option) object {
		switch o.Name {
		case "maintenance":
			made := schemaOfKeys(o.Options, func(in Option) object { return schemaOf(in, true) })
			return object{"description": o.Help, "anyOf": []any{boolSchema(), made}}
		case "access":
			made := schemaOfKeys(o.Options, func(in Option) object { return named64(schemaOf(in, true), in) })
			return object{"type": "array", "description": o.Help, "items": made}
		}
		return schemaOf(o, true)
	})
}

// portalSchema is a portal: an address, or keys and values.
func (s Schema) portalSchema() object {
	return object{"anyOf": []any{object{"type": "string"}, s.kindSchema("transport", part("portals").Options)}}
}

// kindSchema is a plugin: a kind with its options, and keys that all have.
func (s Schema) kindSchema(axis string, common []Option) object {
	var names, rules []any
	for _, name := range s.Names(axis) {
		k, _ := s.Find(axis, name)
		names = append(names, spellings(name)...)
		then := schemaOfKeys(slices.Concat(common, k.Options), func(o Option) object {
			if slices.ContainsFunc(common, func(c Option) bool { return c.Name == o.Name }) {
				return named64(schemaOf(o, true), o)
			}
			return schemaOf(o, false)
		})
		properties, _ := then["properties"].(object)
		properties["kind"] = object{"description": k.Help}
		rules = append(rules, object{"if": s.isKind(axis, name), "then": then})
	}
	made := object{"type": "object", "properties": object{"kind": object{"enum": names}}, "allOf": rules}
	if axis == "store" || axis == "filter" {
		made["required"] = []string{"kind"}
	}
	return made
}

// isKind is of what is of a kind, which nothing need say of the one that is meant where none is written.
func (s Schema) isKind(axis, name string) object {
	made := object{"properties": object{"kind": object{"enum": spellings(name)}}}
	if name != s.Default(axis) || axis == "store" || axis == "filter" {
		made["required"] = []string{"kind"}
	}
	return made
}

// spellings are the values that mean a text: the string, and what YAML and JSON make of it without quotes.
func spellings(text string) []any {
	all := []any{text}
	switch {
	case text == "true" || text == "false":
		all = append(all, text == "true")
	case text == "null":
		all = append(all, nil)
	case wholeNumber(text):
		all = append(all, json.Number(text))
	}
	return all
}

func boolSchema() object { return object{"enum": []any{true, false, "true", "false"}} }

// schemaOf is an option. strict: strings that look like numbers stand in quotes.
func schemaOf(o Option, strict bool) object {
	made := valueSchema(o, strict)
	if o.Help != "" {
		made["description"] = o.Help
	}
	if o.Default != "" && !o.List {
		made["default"] = o.Default
		if all := spellings(o.Default); o.Type != String && o.Type != Path {
			made["default"] = all[len(all)-1]
		}
	}
	return made
}

func valueSchema(o Option, strict bool) object {
	of := func(in Option) object { return schemaOf(in, strict) }
	switch {
	case o.List:
		one := o
		one.List, one.Help, one.Default = false, "", ""
		made := object{"type": "array", "items": of(one)}
		if o.Empty != "" {
			made["minItems"] = 1
		}
		return made
	case o.Type == Map:
		made := object{"type": "object"}
		if len(o.Options) > 0 {
			made["additionalProperties"] = of(o.Options[0])
		}
		if o.Name == "luns" {
			made["propertyNames"] = object{"pattern": lunPattern}
		}
		return made
	case o.Type == Group:
		made := schemaOfKeys(o.Options, of)
		if i := slices.IndexFunc(o.Options, func(in Option) bool { return in.Name == o.Short }); i >= 0 {
			return object{"anyOf": []any{valueSchema(o.Options[i], strict), made}}
		}
		return made
	}
	return scalarSchema(o, strict)
}

// scalarSchema is an option with a single value.
func scalarSchema(o Option, strict bool) object {
	var words []any
	for _, w := range o.Words {
		words = append(words, spellings(w)...)
	}
	if strict && o.Default != "" {
		words = append(words, "") // which means the default
	}
	if len(o.Values) > 0 {
		for _, v := range o.Values {
			if strict && (o.Type == String || o.Type == Path) {
				words = append(words, v)
				continue
			}
			words = append(words, spellings(v)...)
		}
		return object{"enum": words}
	}
	var all []any
	switch o.Type {
	case Bool:
		all = append(all, boolSchema())
	case Int:
		all = append(all, bounded(o), object{"type": "string", "pattern": numberPattern})
	case Bytes:
		all = append(all, bounded(o), object{"type": "string", "pattern": sizePattern})
	case Duration:
		all = append(all, object{"const": 0}, object{"type": "string", "pattern": durationPattern})
	default:
		one := object{"type": "string"}
		if !strict {
			one["type"] = []string{"string", "number", "boolean"}
		}
		if o.Required {
			one["minLength"] = 1
		}
		all = append(all, one)
	}
	if len(words) > 0 {
		all = append(all, object{"enum": words})
	}
	if len(all) == 1 {
		made, _ := all[0].(object)
		return made
	}
	return object{"anyOf": all}
}

// bounded is a whole number in the bounds of an option.
func bounded(o Option) object {
	made := object{"type": "integer", "minimum": json.Number(strconv.FormatInt(o.Min, 10))}
	if o.Max > 0 {
		made["maximum"] = json.Number(strconv.FormatInt(o.Max, 10))
	}
	if o.Multiple > 0 {
		made["multipleOf"] = o.Multiple
	}
	return made
}
