package main

import (
	"bytes"
	"io"
	"strings"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
)

// signColours are those of the lines of a plan that begin so.
var signColours = map[string]colour{"+ ": green, "~ ": yellow, "> ": yellow, "- ": red, confirmLine: red}

// confirmLine begins the line of a plan that says what it needs.
const confirmLine = "It needs"

// writePlan prints a plan for people, with colours if they are wanted. What it needs is said if it is not given.
func writePlan(w io.Writer, p *plan.Plan, given []plan.Confirm) error {
	var text bytes.Buffer
	if err := p.Write(&text); err != nil {
		return err
	}
	out := page{coloured: coloured(w)}
	for line := range strings.Lines(text.String()) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, confirmLine) && !lacks(p, given) {
			continue
		}
		in := colour("")
		for sign, c := range signColours {
			if strings.HasPrefix(line, sign) {
				in = c
			}
		}
		if in == "" {
			out.write("%s\n", line)
			continue
		}
		out.in(in, "%s", line)
		out.write("\n")
	}
	_, err := io.WriteString(w, out.b.String())
	return err
}

// objectName is an object in words.
func objectName(k model.Key) string { return string(k.Kind) + " " + k.Name }
