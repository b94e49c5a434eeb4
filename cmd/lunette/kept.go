package main

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/state"
	"github.com/lunette-io/lunette/daemon/plugin"
)

// file is the document that a reload applies; empty: there is none, or it could be read once at most.
func (c *serveCmd) file() string {
	if info, err := os.Stat(c.Config); c.Config == "-" || err == nil && !info.Mode().IsRegular() {
		return ""
	}
	return c.Config
}

// lasting is a path of the command line as the document has it: absolute if that is kept, since the next start
// may be in another directory, where a file of the name would be another one, or be made.
func (c *serveCmd) lasting(path string) string {
	if c.State == "" || path == "" {
		return path
	}
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// kept opens the directory of --state; nil: there is none. What a change had made that was not committed,
// since the daemon ended in the middle of it, is taken back.
func (c *serveCmd) kept(log *slog.Logger) (*state.Dir, error) {
	if c.State == "" {
		return nil, nil
	}
	kept, err := state.Open(c.State, state.Options{})
	if err != nil {
		return nil, err
	}
	for _, w := range kept.Warnings() {
		log.Warn(w)
	}
	unfinished := kept.Unfinished()
	for _, m := range unfinished {
		if err := state.TakeBack(m); err != nil {
			log.Warn("a change was not finished, and something that it had made stays", "path", m.Path, "error", err)
			continue
		}
		log.Info("a change was not finished: what it had made was taken back", "path", m.Path)
	}
	if len(unfinished) > 0 {
		if err := kept.Cleared(); err != nil {
			return nil, errors.Join(err, kept.Close())
		}
	}
	return kept, nil
}

// first is the document of the start: the current generation of the state, or else what the flags say.
func (c *serveCmd) first(kept *state.Dir, schema model.Schema, stores []plugin.Store, log *slog.Logger) (*model.Document, error) {
	if kept == nil {
		return c.document(schema, stores)
	}
	if stored, ok := kept.Current(); ok {
		log.Info("this is the document", "generation", stored.Generation, "time", stored.Time, "author", stored.Author, "state", kept.Path())
		c.tellOther(stored, log)
	}
	return apply.Load(kept, schema, func() (*model.Document, error) { return c.document(schema, stores) })
}

// tellOther tells who gives another document than the one that is kept that it is left alone.
func (c *serveCmd) tellOther(stored state.Stored, log *slog.Logger) {
	if c.Config == "" {
		if len(c.File)+len(c.Memory)+len(c.Null)+len(c.Passthrough) > 0 {
			log.Warn("the units of the command line are left alone: they are the first document of a state, and this one has another", "generation", stored.Generation)
		}
		return
	}
	if c.file() == "" {
		return
	}
	if text, err := model.FileText(c.Config); err == nil && !bytes.Equal(text, stored.Text) {
		log.Warn("the file of --config is not the document that is kept, and is left alone: \"lunette reload\" applies it", "file", c.Config, "generation", stored.Generation)
	}
}

// sweep removes what units have kept that are not in the document: a crash has left it.
func sweep(kept *state.Dir, doc *model.Document, log *slog.Logger) {
	if kept == nil {
		return
	}
	var names []string
	for _, u := range doc.Units {
		names = append(append(names, u.Name), u.Names...)
	}
	if err := kept.SweepUnits(names); err != nil {
		log.Warn("what removed units have kept is still there", "error", err)
	}
}
