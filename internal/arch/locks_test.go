package arch

import (
	"fmt"
	"testing"
)

// lockExceptions may break the rules of TestLocks; each has its reason. The key is the file and the
// function.
var lockExceptions = map[string]string{
	"buffer/percpu.go take": "it hands out a value that is locked",
	"buffer/percpu.go give": "it takes back what take has handed out",

	"store/internal/direct/direct.go End": "it ends what TryBegin has begun",
	"daemon/serve.go change":              "it returns what unlocks",
}

// TestLocks reads what the comments of functions say of locks. A sentence "x.mu is held." says that
// the function must be called with that lock held, and returns with it held: x is the receiver or a
// parameter, or the lock stands alone and is the receiver's. Then
//
//   - who calls such a function says the same of itself, or has locked it before in the same function;
//   - no function unlocks what it has not locked, and none returns with a lock that it has taken.
//
// Locks are told apart by their field and the type that has it, not by the value. What cannot be
// resolved without the type checker is passed over: the test finds a forgotten lock, and proves
// nothing.
func TestLocks(t *testing.T) {
	used := make(map[string]bool)
	annotated := 0
	for _, p := range packages(tree(t)) {
		for _, f := range p.all {
			annotated += len(f.holds)
			for _, problem := range p.check(f) {
				key := f.file.path + " " + f.decl.Name.Name
				used[key] = true
				if lockExceptions[key] == "" {
					t.Errorf("%s: %s %s", problem.at, f.decl.Name.Name, problem.what)
				}
			}
		}
	}
	for key := range lockExceptions {
		if !used[key] {
			t.Errorf("%s is on the list and does nothing of the kind", key)
		}
	}
	if annotated < 20 {
		t.Errorf("only %d functions say which lock is held: are the comments read?", annotated)
	}
}

// TestLocksFinds: the test of locks finds what it is there for.
func TestLocksFinds(t *testing.T) {
	const head = `package p
import "sync"
type A struct { mu sync.RWMutex; n int; b *B; all []*B }
type B struct { sync.Mutex; a *A }
// inc counts. a.mu is held.
func (a *A) inc() { a.n++ }
// add counts, of a. b.a.mu is held: it counts.
func add(n int, b *B) { b.a.inc() }
// get gets. mu is held, for reading at least.
func (a *A) get() int { return a.n }
// own has its own lock. b is held.
func (b *B) own() {}
`
	for _, c := range []struct{ body, want string }{
		{`func (a *A) f() { a.mu.Lock(); a.inc(); a.mu.Unlock() }`, ""},
		{`func (a *A) f() { a.mu.Lock(); defer a.mu.Unlock(); a.inc() }`, ""},
		{`func (a *A) f() { a.mu.RLock(); a.get(); a.mu.RUnlock() }`, ""},
		{`func (a *A) f() { a.inc() }`, "calls inc without A.mu"},
		{`func f(b *B) { add(1, b) }`, "calls add without A.mu"},
		{`func f(b *B) { x := b.a; x.mu.Lock(); add(1, b); x.mu.Unlock() }`, ""},
		{`func (a *A) f() { a.mu.Lock(); a.mu.Unlock(); a.inc() }`, "calls inc without A.mu"},
		{`func (a *A) f() { a.mu.Unlock() }`, "unlocks A.mu, which it has not locked"},
		{`func (a *A) f() { a.mu.Lock() }`, "returns with A.mu locked"},
		{`func (a *A) f() { a.mu.Lock(); if a.n > 0 { return }; a.mu.Unlock() }`, "returns with A.mu locked"},
		{`func (a *A) f() { a.mu.Lock(); if a.n > 0 { a.mu.Unlock(); return }; a.inc(); a.mu.Unlock() }`, ""},
		{`func (a *A) f() { for { a.mu.Lock(); if a.n > 0 { break }; a.mu.Unlock() }; a.inc(); a.mu.Unlock() }`, ""},
		{`func (a *A) f() { for i := 0; i < 3; i++ { a.mu.Lock(); a.inc(); a.mu.Unlock() } }`, ""},
		{`func (a *A) f() { for _, b := range a.all { b.Lock(); b.own(); b.Unlock() } }`, ""},
		{`func (a *A) f() { for _, b := range a.all { b.own() } }`, "calls own without B.Mutex"},
		{`func (a *A) f() { if !a.mu.TryLock() { return }; a.inc(); a.mu.Unlock() }`, ""},
		{`func (a *A) f() { if a.mu.TryLock() { a.inc(); a.mu.Unlock() } }`, ""},
		{`func (a *A) f() { a.mu.Lock(); go func() { a.inc() }(); a.mu.Unlock() }`, "calls inc without A.mu"},
		{`func (a *A) f() { a.mu.Lock(); g(func() { a.inc() }); a.mu.Unlock() }; func g(func())`, ""},
		{`func (a *A) f() { a.mu.Lock(); defer func() { a.mu.Unlock() }(); a.inc() }`, ""},
		{`func (a *A) f() { if a.n > 0 { a.mu.Lock(); defer a.mu.Unlock() }; a.n++ }`, ""},
		{`func (a *A) f() { switch a.mu.Lock(); a.n { case 1: a.mu.Unlock(); return; case 2: a.inc() }; a.mu.Unlock() }`, ""},
		{"// f is a helper. a.mu is held.\nfunc (a *A) f() { a.inc() }", ""},
		{"// f waits. a.mu is held.\nfunc (a *A) f() { a.mu.Unlock(); a.mu.Lock() }", ""},
		{"// f leaves. a.mu is held.\nfunc (a *A) f() { a.mu.Unlock() }", "is called with A.mu held and returns without"},
		{"// f leaves. If it must be, a.mu is held.\nfunc (a *A) f() { a.inc() }", "calls inc without A.mu"},
	} {
		f := parseText(t, "x.go", []byte(head+c.body))
		got := ""
		for _, p := range packages([]*file{f}) {
			for _, fn := range p.all {
				for _, problem := range p.check(fn) {
					got += fmt.Sprintln(problem.what)
				}
			}
		}
		if want := c.want; (want == "") != (got == "") || got != "" && got != want+"\n" {
			t.Errorf("%s\ngot  %swant %s", c.body, got, want)
		}
	}
}
