package personality

import (
	"encoding/json"
	"reflect"
)

// object is a part of a JSON Schema.
type object = map[string]any

// JSONSchema is the JSON Schema (draft 2020-12) of files of personalities. What it takes may still be wrong as a whole: names that
// are not there, addresses that overlap.
func JSONSchema() ([]byte, error) {
	properties := object{}
	for name, t := range map[string]reflect.Type{
		keyLibraries: reflect.TypeFor[Library](), keyDrives: reflect.TypeFor[Drive](), keyFormats: reflect.TypeFor[Format](),
	} {
		one := schemaOf(t, name)
		own, _ := one["properties"].(object)
		own[keyLike] = object{"type": "string", "description": "The name of another, whose values count where this says nothing."}
		must := one["required"]
		delete(one, "required")
		// What is like another needs nothing but a name.
		one["anyOf"] = []object{{"required": []string{"name", keyLike}}, {"required": must}}
		properties[name] = object{"type": "array", "items": one}
	}
	return json.MarshalIndent(object{
		"$schema":              "https://json-schema.org/draft/2020-12/schema",
		"title":                "Personalities of tape libraries, drives and media",
		"type":                 "object",
		"properties":           properties,
		"additionalProperties": false,
	}, "", "  ")
}

// schemaOf is that of a structure, whose values have the rules of a sort.
func schemaOf(t reflect.Type, sort string) object {
	properties, rules := object{}, rulesOf(sort)
	for i := range t.NumField() {
		name, _ := key(t.Field(i))
		properties[name] = schemaOfValue(t.Field(i).Type, name, rules[name])
	}
	return object{"type": "object", "properties": properties, "additionalProperties": false, "required": required(t)}
}

func schemaOfValue(t reflect.Type, name string, r rule) object {
	s := object{}
	switch t.Kind() {
	case reflect.String:
		s["type"] = "string"
		switch {
		case len(r.words) > 0:
			s["enum"] = r.words
		case r.pattern != "":
			s["pattern"] = r.pattern
		default:
			s["minLength"], s["maxLength"] = r.least, r.most
			s["pattern"] = "^[!-~]([ -~]*[!-~])?$"
		}
	case reflect.Bool:
		s["type"] = "boolean"
	case reflect.Slice:
		s["type"], s["minItems"], s["maxItems"] = "array", r.least, r.most
		if e := t.Elem(); e.Kind() == reflect.Struct {
			s["items"] = schemaOf(e, name+"[]")
		} else {
			s["items"] = object{"type": "integer", "enum": []int{1, 2}}
		}
	case reflect.Struct:
		s = schemaOf(t, name)
		delete(s, "required") // what is like another may say some of them
	default:
		s["type"], s["minimum"] = "integer", r.least
		if r.most > 0 {
			s["maximum"] = r.most
		}
	}
	if r.help != "" {
		s["description"] = r.help
	}
	return s
}
