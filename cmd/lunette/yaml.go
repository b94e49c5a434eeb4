package main

import (
	"encoding/json"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// writeYAML writes a value of [readTree] as YAML 1.2 that readers of 1.1 understand as well.
func writeYAML(w io.Writer, v any) error {
	var b strings.Builder
	yamlBlock(&b, v, 0)
	_, err := io.WriteString(w, b.String())
	return err
}

// yamlBlock writes v from the beginning of a line on.
func yamlBlock(b *strings.Builder, v any, indent int) {
	pad := strings.Repeat("  ", indent)
	switch v := v.(type) {
	case fields:
		for _, f := range v {
			b.WriteString(pad)
			yamlField(b, f, indent)
		}
		if len(v) == 0 {
			b.WriteString(pad + "{}\n")
		}
	case []any:
		for _, x := range v {
			b.WriteString(pad + "-")
			if inner, ok := x.([]any); !ok || len(inner) == 0 {
				b.WriteByte(' ')
			}
			if of, ok := x.(fields); ok && len(of) > 0 {
				for i, f := range of {
					if i > 0 {
						b.WriteString(pad + "  ")
					}
					yamlField(b, f, indent+1)
				}
				continue
			}
			yamlNested(b, x, indent+1)
		}
		if len(v) == 0 {
			b.WriteString(pad + "[]\n")
		}
	default:
		b.WriteString(pad + yamlScalar(v) + "\n")
	}
}

// yamlField writes a key, behind what its line begins with, and its value.
func yamlField(b *strings.Builder, f field, indent int) {
	b.WriteString(yamlKey(f.name) + ":")
	switch v := f.value.(type) {
	case fields:
		if len(v) > 0 {
			b.WriteByte('\n')
			yamlBlock(b, v, indent+1)
			return
		}
	case []any:
		if len(v) > 0 {
			b.WriteByte('\n')
			yamlBlock(b, v, indent+1)
			return
		}
	}
	b.WriteByte(' ')
	yamlNested(b, f.value, indent)
}

// yamlNested writes a value that stands behind something on its line.
func yamlNested(b *strings.Builder, v any, indent int) {
	switch x := v.(type) {
	case fields:
		b.WriteString("{}\n")
	case []any:
		if len(x) == 0 {
			b.WriteString("[]\n")
			return
		}
		b.WriteByte('\n')
		yamlBlock(b, x, indent)
	default:
		b.WriteString(yamlScalar(v) + "\n")
	}
}

func yamlScalar(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		return v.String()
	case string:
		return yamlText(v)
	}
	return "null" // readTree gives nothing else
}

// yamlKey is a key: digits alone are one without quotes, as those of LUNs.
func yamlKey(name string) string {
	if name != "" && strings.Trim(name, "0123456789") == "" {
		return name
	}
	return yamlText(name)
}

// yamlText is a string: in quotes, which the escapes of Go are right for, unless nobody can take it for something else.
func yamlText(text string) string {
	switch strings.ToLower(text) {
	case "null", "true", "false", "yes", "no", "on", "off", "y", "n":
		return strconv.Quote(text)
	}
	if plainYAML.MatchString(text) && !strings.Contains(text, ": ") && !strings.HasSuffix(text, ":") && !strings.HasSuffix(text, " ") {
		return text
	}
	return strconv.Quote(text)
}

// plainYAML are strings that are none of numbers, dates, indicators and comments.
var plainYAML = regexp.MustCompile(`^([A-Za-z_/][A-Za-z0-9_./:@+=*? ();'"-]*|[0-9]+[KMGTPE](i?B)?)$`)
