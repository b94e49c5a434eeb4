package arch

import (
	"go/ast"
	"strings"
	"testing"
)

// exits may end the program, or a goroutine by a panic; each has its reason.
var exits = map[string]string{
	"cmd/lunette/main.go":             "main",
	"buffer/lease.go":                 "a lease that is released twice, or a slice outside of it, has corrupted memory already",
	"device/command.go":               "a command table that is wrong is found when the first unit is made",
	"device/mode.go":                  "as above, a mode page",
	"transport/loopback/loopback.go":  "Login is for those who know that the port is open; Try is for all others",
	"device/tape/medium/cartridge.go": "Memory is for tests, which have got the Spec wrong",
	"network/fc/sim/faults.go":        "a network for tests says at once what its user has got wrong: hardware would send something else",
	"internal/guard/guard.go":         "a panic that is no fault of the memory goes on as it came",
	"target/workers.go":               "a task for workers that are closed would never end",
}

// TestNoExits: bad input never ends the program; only main does, and what a programmer
// has got wrong.
func TestNoExits(t *testing.T) {
	used := make(map[string]bool)
	for _, f := range tree(t) {
		if f.test || fits(f.dir, "test/...") || strings.HasSuffix(f.dir, "test") {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !ends(call) {
				return true
			}
			if exits[f.path] == "" {
				t.Errorf("%s: ends the program or panics: give an error back, or add the file to the list with its reason", f.at(call))
			}
			used[f.path] = true
			return true
		})
	}
	for path := range exits {
		if !used[path] {
			t.Errorf("%s is on the list and does nothing of the kind", path)
		}
	}
}

func ends(call *ast.CallExpr) bool {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name == "panic"
	case *ast.SelectorExpr:
		x, ok := f.X.(*ast.Ident)
		return ok && ((x.Name == "os" && f.Sel.Name == "Exit") ||
			(x.Name == "log" && (strings.HasPrefix(f.Sel.Name, "Fatal") || strings.HasPrefix(f.Sel.Name, "Panic"))) ||
			(x.Name == "runtime" && f.Sel.Name == "Goexit"))
	}
	return false
}

// TestNoInit: wiring is explicit.
func TestNoInit(t *testing.T) {
	for _, f := range tree(t) {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: an init function: whoever needs it calls it", f.at(fn))
			}
		}
	}
}

// unsafeIn has the other files with a use of it or a raw system call, each with its reason.
var unsafeIn = map[string]string{
	"store/internal/direct/bounce.go": "one expression: is an address aligned for direct I/O",
	"store/block/device.go":           "ioctls that golang.org/x/sys lacks; block devices are Linux's",
	"store/internal/fdio/io.go":       "preadv2 and pwritev2 with flags, of an iovec on the stack, without an allocation",
	"store/memory/pagemap.go":         "one expression: mapped memory as atomic words",
	"transport/iscsi/tcp/receive.go":  "one expression: a header where it lies in the batch",
	"transport/iscsi/tcp/place.go":    "one expression: the bytes of an iovec",
	"initiator/iscsi/receive.go":      "one expression: a header where it lies in the batch",
}

// TestUnsafe: what goes round Go's rules, or is Linux's alone, is in files that say so.
func TestUnsafe(t *testing.T) {
	for _, f := range tree(t) {
		if f.test || fits(f.dir, "test/...") || unsafeIn[f.path] != "" {
			continue
		}
		_, others := f.imports()
		for _, p := range others {
			if p == "unsafe" && !strings.HasSuffix(f.path, "_unsafe.go") && !strings.HasSuffix(f.path, "_linux.go") {
				t.Errorf("%s imports unsafe: only files *_unsafe.go and *_linux.go do", f.path)
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && (s.Sel.Name == "Syscall" || s.Sel.Name == "Syscall6" || strings.HasPrefix(s.Sel.Name, "RawSyscall")) {
				if x, ok := s.X.(*ast.Ident); ok && (x.Name == "unix" || x.Name == "syscall") &&
					!strings.HasSuffix(f.path, "_unsafe.go") && !strings.HasSuffix(f.path, "_linux.go") {
					t.Errorf("%s: a raw system call: only files *_unsafe.go and *_linux.go have them", f.at(s))
				}
			}
			return true
		})
	}
}

// TestNoLeftovers: what lands is whole.
func TestNoLeftovers(t *testing.T) {
	for _, f := range tree(t) {
		for _, group := range f.ast.Comments {
			for _, c := range group.List {
				for _, word := range []string{"TO" + "DO", "FIX" + "ME", "XX" + "X"} {
					if strings.Contains(c.Text, word) {
						t.Errorf("%s: a comment with %s: do it, or file it", f.at(c), word)
					}
				}
			}
		}
	}
}
