package server

import (
	"bytes"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lunette-io/lunette/agent/api"
)

var update = flag.Bool("update", false, "write the reference of the API anew")

// The reference of the API, for people and for programs, is that of the routes that there are.
func TestReferenceIsCurrent(t *testing.T) {
	s := newService(t.Context(), withTimes(whole(newFake(t))))
	for file, want := range map[string][]byte{"openapi.json": append(bytes.Clone(s.openapi()), '\n'), "api.md": page(t, s)} {
		path := filepath.Join("..", "..", "docs", "reference", file)
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if text, err := os.ReadFile(path); err != nil || !bytes.Equal(text, want) {
			t.Errorf("%s is not current (%v): make reference", path, err)
		}
	}
}

// page is the page for people.
func page(t *testing.T, s *service) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteString(`# The API

<!-- Made by "go test ./agent/server -run Reference -update" from the routes. -->

A daemon has its API on a Unix socket: JSON over HTTP. [openapi.json](openapi.json) describes it for programs (OpenAPI 3.1);
a daemon has the same at ` + "`/v1/openapi.json`" + `. Go programs have a client in ` + "`agent/client`" + `, which the command line uses, and nothing else.

    curl --unix-socket /run/lunette.sock http://lunette/v1/status
    curl --unix-socket /run/lunette.sock http://lunette/v1/config
    curl --unix-socket /run/lunette.sock -T lunette.yaml "http://lunette/v1/config?dry-run=true"

Root and the user of the daemon may do everything. Whoever else has the socket by ` + "`--socket-group`" + ` may look (GET), and
do with units what changes nothing, and no more.

A slash in a NAME may be written as it is, or as ` + "`%2F`" + `. Where two of them follow each other it has to be ` + "`%2F`" + `.

Documents and their objects are sent as YAML or JSON. The answers that show them have an ` + "`ETag`" + `: a change that says it in
` + "`If-Match`" + ` is made only if nothing has changed since then. ` + "`If-None-Match: *`" + ` of a PUT wants that there is nothing yet.
`)
	all := described(t, s)
	var tags []string
	for _, tag := range []string{"what runs", tagDocument, "generations", "operations", "events", "descriptions"} {
		tags = append(tags, tag)
		fmt.Fprintf(&b, "\n## %s\n", strings.ToUpper(tag[:1])+tag[1:])
		if tag == tagDocument {
			var kinds []string
			for _, c := range api.Collections() {
				kinds = append(kinds, "`"+c.Path+"`")
			}
			fmt.Fprintf(&b, "\nKINDS are %s. The name of an entry of `access` is TARGET/NAME, and that of a\nportal is where it listens if it has no other.\n", strings.Join(kinds, ", "))
		}
		fmt.Fprintf(&b, "\n| request | |\n|---|---|\n")
		for _, d := range all {
			if slices.Contains(d.op.Tags, tag) {
				words := d.op.Summary + "."
				if d.op.Description != "" {
					words += " " + d.op.Description
				}
				line := fmt.Sprintf("| `%s %s` | %s |\n", d.method, d.path, words)
				for _, c := range api.Collections() { // all are the same
					line = strings.ReplaceAll(line, "/v1/config/"+c.Path, "/v1/config/KINDS")
					if strings.Contains(line, "KINDS") {
						line = strings.ReplaceAll(strings.ReplaceAll(line, c.Word+" ", "an object "), c.Word+".", "an object.")
						line = strings.ReplaceAll(line, "All "+c.Path, "All objects of a kind")
					}
				}
				if !strings.Contains(b.String(), line) {
					b.WriteString(line)
				}
			}
		}
	}
	for _, d := range all {
		if !slices.Contains(tags, d.op.Tags[0]) {
			t.Errorf("%s %s has the tag %q, which is not on the page", d.method, d.path, d.op.Tags[0])
		}
	}
	b.WriteString("\n## Of every change\n\nWhat can be said in the query and the header of every request that changes the document.\n\n| | |\n|---|---|\n")
	for _, p := range s.api.OpenAPI().Paths["/v1/config"].Put.Parameters {
		fmt.Fprintf(&b, "| %s `%s` | %s |\n", p.In, p.Name, parameter(p))
	}
	b.WriteString("\n## Answers\n\nA success is 200, 201 (something is there that was not), 202 (it goes on behind the answer) or 204 (there is nothing to say). All else has a body with " +
		"`error`, a sentence, and what belongs to the status:\n\n| status | | |\n|---|---|---|\n")
	body := map[int]string{409: "`reason`", 412: "`generation`", 422: "`problems`", 428: "`plan`"}
	for _, status := range []int{400, 403, 404, 405, 409, 412, 413, 415, 422, 428, 503} {
		fmt.Fprintf(&b, "| %d | %s | %s |\n", status, meaning(status), body[status])
		if s.api.OpenAPI().Components.Responses[fmt.Sprint(status)] == nil && status != http.StatusMethodNotAllowed {
			t.Errorf("%d is on the page, and no answer", status)
		}
	}
	return b.Bytes()
}

// parameter says what a parameter is.
func parameter(p *huma.Param) string {
	text := p.Description
	if p.Schema.Items != nil && len(p.Schema.Items.Enum) > 0 {
		text += fmt.Sprintf(" One of %v.", p.Schema.Items.Enum)
	}
	return text
}
