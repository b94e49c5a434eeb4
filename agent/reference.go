package agent

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/lunette-io/lunette/agent/model"
)

// WriteReference writes the reference page of the kinds of an axis, as Markdown.
func WriteReference(w io.Writer, title, intro string, s model.Schema) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n<!-- Made by \"go test ./daemon -run Reference -update\" from daemon/builtin.go. -->\n\n%s\n", title, intro)
	for _, k := range s {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", k.Name, k.Help)
		if len(k.Options) == 0 {
			continue
		}
		b.WriteString("\n| option | value | default | |\n|---|---|---|---|\n")
		for _, o := range k.Options {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", o.Name, describe(o), byDefault(o), o.Help)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func describe(o model.Option) string {
	if len(o.Values) > 0 {
		return "`" + strings.Join(o.Values, "`, `") + "`"
	}
	text := o.Type.String()
	show := func(n int64) string { return fmt.Sprint(n) }
	switch o.Type {
	case model.Bytes:
		show = func(n int64) string { return model.Size(n).String() }
	case model.Duration:
		show = func(n int64) string { return time.Duration(n).String() }
	}
	if o.Min != 0 {
		text += ", from " + show(o.Min)
	}
	if o.Max != 0 {
		text += ", up to " + show(o.Max)
	}
	if o.Multiple != 0 {
		text += fmt.Sprintf(", a multiple of %d", o.Multiple)
	}
	return text
}

func byDefault(o model.Option) string {
	switch {
	case o.Required:
		return "(required)"
	case o.Default != "":
		return "`" + o.Default + "`"
	case o.Type == model.Bool:
		return "`false`"
	}
	return ""
}
