package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
)

// completeCmd is what the scripts of [completionCmd] ask.
type completeCmd struct {
	Words []string `arg:"" optional:"" sep:"none" help:"The words of the command line so far, of which the last is to be completed."`
}

// patience is how long a daemon may take to say names: who waits has pressed a key.
const patience = time.Second

// Run prints a word that can stand there a line, and a tab and what it is if that is known; or ":file" or
// ":dir" where the shell knows better. Nothing that fails is said.
func (c *completeCmd) Run(e *env, k *kong.Context) error {
	words := c.Words
	if len(words) == 0 {
		words = []string{""}
	}
	l := commandLine{env: e, node: k.Model.Node, socket: api.DefaultSocket()}
	for _, w := range words[:len(words)-1] {
		l.take(w)
	}
	var b strings.Builder
	for _, x := range l.candidates(words[len(words)-1]) {
		b.WriteString(x.word)
		if x.what != "" {
			b.WriteString("\t" + inCell(x.what))
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(e.stdout, b.String())
	return err
}

// A commandLine is one that is being written.
type commandLine struct {
	*env
	node   *kong.Node // the command so far
	flag   *kong.Flag // whose value comes next; nil: none does
	args   []string   // of the command
	plain  bool       // "--" was there: no flags come
	lost   bool       // there is no such command
	socket string
	store  string // of a library that no daemon serves
}

// A candidate is a word that can stand where the cursor is.
type candidate struct{ word, what string }

// take takes a word that is written.
func (l *commandLine) take(word string) {
	switch name, value, has := strings.Cut(word, "="); {
	case l.flag != nil:
		l.given(l.flag, word)
		l.flag = nil
	case word == "--":
		l.plain = true
	case !l.plain && strings.HasPrefix(word, "-") && word != "-":
		f := l.named(name)
		switch {
		case f == nil || f.IsBool():
		case has:
			l.given(f, value)
		default:
			l.flag = f
		}
	default:
		if i := slices.IndexFunc(l.node.Children, func(n *kong.Node) bool { return n.Name == word }); i >= 0 {
			l.node = l.node.Children[i]
			return
		}
		l.args = append(l.args, word)
		l.lost = l.lost || len(l.node.Children) > 0
	}
}

func (l *commandLine) given(f *kong.Flag, value string) {
	switch f.Name {
	case "socket":
		l.socket = value
	case "store":
		l.store = value
	}
}

// named is the flag that is written so; nil: there is none.
func (l *commandLine) named(text string) *kong.Flag {
	for _, f := range l.flags() {
		if text == "--"+f.Name || f.Short != 0 && text == "-"+string(f.Short) {
			return f
		}
	}
	return nil
}

func (l *commandLine) flags() []*kong.Flag { return slices.Concat(l.node.AllFlags(true)...) }

// candidates are the words that begin with what is written of one.
func (l *commandLine) candidates(begun string) []candidate {
	var all []candidate
	name, _, has := strings.Cut(begun, "=")
	switch {
	case l.lost:
	case l.flag != nil:
		all = l.values(l.flag.Value)
	case !l.plain && strings.HasPrefix(begun, "--") && has:
		if f := l.named(name); f != nil {
			for _, x := range l.values(f.Value) {
				if !strings.HasPrefix(x.word, ":") {
					x.word = name + "=" + x.word
				}
				all = append(all, x)
			}
		}
	case !l.plain && strings.HasPrefix(begun, "-"):
		for _, f := range l.flags() {
			if !f.Hidden {
				all = append(all, candidate{"--" + f.Name, f.Help})
			}
		}
	case len(l.node.Children) > 0:
		for _, n := range l.node.Children {
			if !n.Hidden {
				all = append(all, candidate{n.Name, n.Help})
			}
		}
	case len(l.node.Positional) > 0:
		i := min(len(l.args), len(l.node.Positional)-1)
		if p := l.node.Positional[i]; i == len(l.args) || p.IsCumulative() {
			all = l.values(p)
		}
	}
	return slices.DeleteFunc(all, func(x candidate) bool {
		return !strings.HasPrefix(x.word, begun) && !strings.HasPrefix(x.word, ":")
	})
}

// values are what a flag or an argument can be.
func (l *commandLine) values(v *kong.Value) []candidate {
	if v.Enum != "" {
		var all []candidate
		for _, word := range v.EnumSlice() {
			if word != "" {
				all = append(all, candidate{word: word})
			}
		}
		return all
	}
	ctx, cancel := context.WithTimeout(l.ctx, patience)
	defer cancel()
	switch what := v.Tag.Get("complete"); what {
	case "":
		return nil
	case "file", "dir":
		return []candidate{{word: ":" + what}}
	case "command":
		return l.commands()
	case "kind":
		var all []candidate
		for _, c := range api.Collections() {
			all = append(all, candidate{string(c.Kind), ""})
		}
		return all
	case "object":
		kind, _ := kindNamed(cmp.Or(slices.Concat(l.args, []string{""})[0], "none"))
		return l.objects(ctx, kind)
	case "sibling":
		return l.objects(ctx, model.ObjectKind(l.node.Parent.Name))
	case "generation":
		return l.generations(ctx)
	case "lu":
		units, _ := l.daemon(l.socket).Units(ctx)
		var all []candidate
		for _, u := range units {
			all = append(all, candidate{u.Name, u.Device})
		}
		return all
	case "session":
		return l.sessions(ctx)
	case "device":
		return l.devices()
	case "drive":
		return l.drives(ctx)
	case "disc":
		return l.discs(ctx)
	case "library":
		return l.libraries(ctx)
	case "cartridge":
		return l.cartridges(ctx)
	case "tape":
		if l.store == "" {
			return []candidate{{word: ":file"}}
		}
		return l.cartridges(ctx)
	default:
		return l.objects(ctx, model.ObjectKind(what))
	}
}

// objects are the objects of a kind that the daemon has; none if no daemon answers.
func (l *commandLine) objects(ctx context.Context, kind model.ObjectKind) []candidate {
	var all []candidate
	some, _ := l.daemon(l.socket).Objects(ctx, kind)
	for _, o := range some {
		all = append(all, candidate{o.Name, ""})
	}
	return all
}

func (l *commandLine) generations(ctx context.Context) []candidate {
	var all []candidate
	some, _ := l.daemon(l.socket).History(ctx)
	for _, m := range some {
		all = append(all, candidate{fmt.Sprint(m.Generation), strings.TrimSpace(clock(m.Time) + " " + m.Comment)})
	}
	return all
}

// sessions are those of the transport that is named before.
func (l *commandLine) sessions(ctx context.Context) []candidate {
	var all []candidate
	some, _ := l.daemon(l.socket).Sessions(ctx)
	for _, s := range some {
		if len(l.args) == 0 && !slices.ContainsFunc(all, func(c candidate) bool { return c.word == s.Transport }) {
			all = append(all, candidate{s.Transport, ""})
		}
		if len(l.args) > 0 && l.args[0] == s.Transport {
			all = append(all, candidate{s.ID, s.Initiator})
		}
	}
	return all
}

// commands are what comes behind "help".
func (l *commandLine) commands() []candidate {
	n := l.node
	for n.Parent != nil {
		n = n.Parent
	}
	below := commandLine{env: l.env, node: n}
	for _, a := range l.args {
		below.take(a)
	}
	if below.lost || len(below.node.Children) == 0 {
		return nil
	}
	return below.candidates("")
}
