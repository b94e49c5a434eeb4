package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/client"
	"github.com/lunette-io/lunette/agent/model"
)

// editCmd lets people write the document, or an object of it, in their editor.
type editCmd struct {
	Kind string `arg:"" optional:"" complete:"kind" help:"user, unit, target, access, portal or section; the whole document without it."`
	Name string `arg:"" optional:"" complete:"object" help:"The object."`
	changing
}

// remark begins the lines that the editor shows and nobody sends.
const remark = "# lunette: "

// Run opens the editor until the text is right, or is left as it was.
func (c *editCmd) Run(e *env) error {
	k := model.Key{}
	if c.Kind != "" {
		kind, err := kindNamed(c.Kind)
		if err != nil {
			return usageError{err}
		}
		if k = (model.Key{Kind: kind, Name: c.Name}); c.Name == "" {
			return usageError{fmt.Errorf("name the %s as well, or leave both out to edit the whole document", kind)}
		}
	}
	text, etag, err := c.current(e, k)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "lunette-edit-") // for this user alone
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "lunette.yaml")
	kept, err := c.edit(e, k, path, text, etag)
	if kept {
		fmt.Fprintf(e.stderr, "lunette: what was written is in %s\n", printable(path))
		return err
	}
	return errors.Join(err, os.RemoveAll(dir))
}

// current is what is to be edited, with its ETag.
func (c *editCmd) current(e *env, k model.Key) ([]byte, string, error) {
	if k.Kind == "" {
		return e.daemon(c.Socket).Config(e.ctx, model.YAML)
	}
	return e.daemon(c.Socket).Object(e.ctx, k, model.YAML)
}

// edit edits the file at path, which begins with text. With kept the file is to stay, since what is in it
// was not taken.
func (c *editCmd) edit(e *env, k model.Key, path string, text []byte, etag string) (kept bool, err error) {
	was, name := text, "the document"
	if k.Kind != "" {
		name = objectName(k)
	}
	var said []string
	for {
		written, err := c.write(e, path, text, said)
		if err != nil {
			return false, err
		}
		switch {
		case bytes.Equal(written, was):
			_, err := fmt.Fprintln(e.stdout, "Nothing was changed.")
			return false, err
		case bytes.Equal(written, text):
			return true, usageError{fmt.Errorf("%s still has the same problems: nothing was changed", name)}
		}
		text = written
		err = c.send(e, k, text, etag)
		if err == nil {
			return false, nil
		}
		if !errors.As(err, new(*client.ProblemsError)) || !e.terminal {
			return true, inDocument(name, err)
		}
		said = below(err)
	}
}

// below are the lines of an error about a text that they stand above.
func below(err error) []string {
	var p *client.ProblemsError
	if errors.As(err, &p) {
		moved := *p
		moved.Problems = slices.Clone(p.Problems)
		by := len(lines(p))
		for i := range moved.Problems {
			if moved.Problems[i].Line > 0 {
				moved.Problems[i].Line += by
			}
		}
		err = &moved
	}
	return lines(err)
}

// send makes the text what counts: of the whole document the plan is shown before.
func (c *editCmd) send(e *env, k model.Key, text []byte, etag string) error {
	send := func(ctx context.Context, o client.Options) (*apply.Result, error) {
		o.Match = etag
		if k.Kind == "" {
			return e.daemon(c.Socket).Apply(ctx, client.ApplyRequest{Text: text, Options: o})
		}
		return e.daemon(c.Socket).PutObject(ctx, k, text, o)
	}
	dry := c.options()
	dry.DryRun, dry.Try = true, 0
	result, err := send(e.ctx, dry)
	if err != nil {
		return err
	}
	if c.DryRun {
		return c.outcome(e, result, true)
	}
	return c.shown(e, result.Plan, send)
}

// write has people edit text, with what is wrong with it above, and returns what they have written.
func (c *editCmd) write(e *env, path string, text []byte, said []string) ([]byte, error) {
	var b bytes.Buffer
	for _, line := range said {
		fmt.Fprintf(&b, "%s%s\n", remark, line)
	}
	b.Write(text)
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		return nil, err
	}
	words := strings.Fields(cmp.Or(os.Getenv("VISUAL"), os.Getenv("EDITOR"), "vi"))
	if len(words) == 0 {
		words = []string{"vi"}
	}
	editor := exec.CommandContext(e.ctx, words[0], append(words[1:], path)...)
	editor.Stdin, editor.Stdout, editor.Stderr = e.stdin, e.stdout, e.stderr
	if err := editor.Run(); err != nil {
		return nil, fmt.Errorf("the editor %s: %w: set VISUAL or EDITOR to another", words[0], err)
	}
	written, err := readText(path)
	if err != nil {
		return nil, err
	}
	for bytes.HasPrefix(written, []byte(remark)) {
		_, written, _ = bytes.Cut(written, []byte("\n"))
	}
	return written, nil
}
