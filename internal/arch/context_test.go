package arch

import (
	"go/ast"
	"testing"
)

// ownContexts are the functions of devices and stores that may have a context of their own, each
// with its reason. All others get theirs: a command's call ends with the abort of the command.
var ownContexts = map[string]string{
	"device/disk/disk.go newDisk":                  "the context of the disk itself, which ends with Close",
	"device/disk/disk.go Release":                  "what was written is made durable though everybody has gone",
	"device/tape/drive.go New":                     "the context of the drive itself, which ends with Close",
	"device/library/open.go empty":                 "what drives have is flushed when the library is closed, though everybody has gone",
	"device/library/kind/open.go open":             "the context of what operators do, which ends with Close",
	"device/library/transfer.go bringIn":           "the state has the cartridge in the drive already: it has to come there",
	"device/library/transfer.go undo":              "what could not be moved goes back, whoever has gone",
	"device/passthrough/path.go newPath":           "the context of what opens and asks the device, which ends with Close",
	"device/optical/optical.go New":                "the context of the drive itself, which ends with Close",
	"device/optical/change.go close":               "what was written is made durable though everybody has gone",
	"device/optical/kind/kind.go open":             "the context of what people do, which ends with Close",
	"device/passthrough/kind/source.go Watch":      "looking for devices that come and go, which ends with stop",
	"device/mode.go init":                          "what is saved is read when the unit is made",
	"device/tape/medium/cartridge.go openHeads":    "what a crash has left is made good when the cartridge is opened; it is bounded",
	"device/tape/medium/head.go Room":              "some headers of frames are read at most",
	"device/nexus/reservations.go NewReservations": "the context of the commits, which ends with Close",
	"store/request.go Ctx":                         "a request that nobody cancels",
}

// TestContexts: nothing that a command waits for waits without an end.
func TestContexts(t *testing.T) {
	used := make(map[string]bool)
	for _, f := range tree(t) {
		if f.test || !fits(f.dir, "device/...") && !fits(f.dir, "store/...") {
			continue
		}
		for _, d := range f.ast.Decls {
			name := f.path
			if fn, ok := d.(*ast.FuncDecl); ok {
				name += " " + fn.Name.Name
			}
			ast.Inspect(d, func(n ast.Node) bool {
				s, ok := n.(*ast.SelectorExpr)
				if !ok || s.Sel.Name != "Background" && s.Sel.Name != "TO"+"DO" && s.Sel.Name != "WithoutCancel" {
					return true
				}
				if x, ok := s.X.(*ast.Ident); !ok || x.Name != "context" {
					return true
				}
				if ownContexts[name] == "" {
					t.Errorf("%s: context.%s: take the context of the task, or add %q to the list with its reason", f.at(s), s.Sel.Name, name)
				}
				used[name] = true
				return true
			})
		}
	}
	for name := range ownContexts {
		if !used[name] {
			t.Errorf("%s is on the list and makes no context", name)
		}
	}
}
