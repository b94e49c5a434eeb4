package main

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// filesAsFlags writes FILE as --file=FILE in the arguments of serve, so that files and
// other units may be mixed, in the order of their LUNs.
func filesAsFlags(model *kong.Application, args []string) []string {
	if len(args) == 0 || args[0] != "serve" {
		return args
	}
	i := slices.IndexFunc(model.Children, func(n *kong.Node) bool { return n.Name == "serve" })
	if i < 0 {
		return args
	}
	out := []string{"serve"}
	for rest := args[1:]; len(rest) > 0; rest = rest[1:] {
		switch a := rest[0]; {
		case a == "--":
			for _, f := range rest[1:] {
				out = append(out, "--file="+f)
			}
			return out
		case !strings.HasPrefix(a, "-") || a == "-":
			out = append(out, "--file="+a)
		default:
			out = append(out, a)
			if len(rest) > 1 && takesValue(model.Children[i], a) {
				rest = rest[1:]
				out = append(out, rest[0])
			}
		}
	}
	return out
}

// takesValue reports that the argument after flag is its value.
func takesValue(serve *kong.Node, flag string) bool {
	name := strings.TrimLeft(flag, "-")
	for _, group := range serve.AllFlags(false) {
		for _, f := range group {
			if f.Name == name || (f.Short != 0 && string(f.Short) == name) {
				return !f.IsBool()
			}
		}
	}
	return false // unknown, or with its value behind a '='
}

// unitArgs are the values of one flag that makes units, with their places among all
// arguments.
type unitArgs []unitArg

type unitArg struct {
	flag, value string
	left        int // arguments behind it: the more, the earlier it came
}

// Decode implements kong.MapperValue.
func (u *unitArgs) Decode(ctx *kong.DecodeContext) error {
	value, err := rawText(ctx, "value")
	if err != nil {
		return err
	}
	if value == "" {
		return errors.New("it is empty")
	}
	*u = append(*u, unitArg{flag: ctx.Value.Name, value: value, left: ctx.Scan.Len()})
	return nil
}

// rawText takes the value of a flag or argument, as it is: kong puts strings through JSON, which replaces
// what is not UTF-8, as names of files may be.
func rawText(ctx *kong.DecodeContext, what string) (string, error) {
	t, err := ctx.Scan.PopValue(what)
	if err != nil {
		return "", errors.New("a value is wanted here")
	}
	text, ok := t.Value.(string)
	if !ok {
		return "", fmt.Errorf("expected %s but got %v", what, t.Value)
	}
	return text, nil
}

// rawString decodes all flags and arguments that are strings.
func rawString(ctx *kong.DecodeContext, target reflect.Value) error {
	text, err := rawText(ctx, "string")
	if err == nil {
		target.SetString(text)
	}
	return err
}

// inOrder merges the units of several flags in the order of the command line.
func inOrder(flags ...unitArgs) []unitArg {
	all := slices.Concat(flags...)
	slices.SortStableFunc(all, func(a, b unitArg) int { return b.left - a.left })
	return all
}
