package arch

import (
	"go/ast"
	"go/token"
	"maps"
	"strings"
)

// A problem is a place where a function breaks the rules of TestLocks.
type problem struct{ at, what string }

// held counts the locks that are held, by their type and field, and those that defer unlocks, with
// [atEnd] in front.
type held map[string]int

const atEnd = "at the end "

// A walk follows a function, or a function literal, from statement to statement.
type walk struct {
	p     *pkg
	fn    *function
	vars  map[string]string // types of variables
	first held              // when it is entered
	free  bool              // it is not known what is held: it is not checked
	loops []*target
	found *[]problem
}

// A target is a statement that break leaves.
type target struct {
	label string
	outs  []held
}

// check follows a function.
func (p *pkg) check(f *function) (found []problem) {
	if f.decl.Body == nil {
		return nil
	}
	w := &walk{p: p, fn: f, vars: maps.Clone(f.vars), first: held{}, found: &found}
	for _, l := range f.holds {
		w.first[l] = 1
	}
	w.body(f.decl.Body)
	return found
}

func (w *walk) report(n ast.Node, what string) {
	if !w.free {
		*w.found = append(*w.found, problem{w.fn.file.at(n), what})
	}
}

// body follows a whole body.
func (w *walk) body(b *ast.BlockStmt) {
	if now, ends := w.block(b.List, maps.Clone(w.first)); !ends {
		w.leave(b, now)
	}
}

// leave compares what is held at the end with what was at the begin.
func (w *walk) leave(n ast.Node, now held) {
	for l := range union(now, w.first) {
		switch is, was := now[l]-now[atEnd+l], w.first[l]-w.first[atEnd+l]; {
		case strings.HasPrefix(l, atEnd):
		case is > was:
			w.report(n, "returns with "+l+" locked")
		case is < was:
			w.report(n, "is called with "+l+" held and returns without")
		}
	}
}

func union(a, b held) held {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// meet is what is held in all of the states; false: there are none.
func meet(states []held) (held, bool) {
	if len(states) == 0 {
		return held{}, false
	}
	now := maps.Clone(states[0])
	for _, s := range states[1:] {
		for l := range now {
			now[l] = min(now[l], s[l])
		}
	}
	return now, true
}

// block follows statements. ends: what comes behind them is not reached.
func (w *walk) block(list []ast.Stmt, now held) (_ held, ends bool) {
	for _, s := range list {
		if now, ends = w.stmt(s, "", now); ends {
			return now, true
		}
	}
	return now, false
}

func (w *walk) stmt(s ast.Stmt, label string, now held) (held, bool) {
	switch s := s.(type) {
	case *ast.BlockStmt:
		return w.block(s.List, now)
	case *ast.LabeledStmt:
		return w.stmt(s.Stmt, s.Label.Name, now)
	case *ast.ExprStmt:
		w.expr(s.X, now)
		return now, w.endsProgram(s.X)
	case *ast.AssignStmt:
		for _, e := range s.Rhs {
			w.expr(e, now)
		}
		for _, e := range s.Lhs {
			w.expr(e, now)
		}
		w.assign(s)
	case *ast.DeclStmt:
		w.declare(s, now)
	case *ast.DeferStmt:
		w.deferred(s.Call, now)
	case *ast.GoStmt:
		if lit, ok := s.Call.Fun.(*ast.FuncLit); ok {
			w.literal(lit, held{}, false)
		} else {
			w.call(s.Call, held{})
		}
		for _, e := range s.Call.Args {
			w.expr(e, now)
		}
	case *ast.ReturnStmt:
		for _, e := range s.Results {
			w.expr(e, now)
		}
		w.leave(s, now)
		return now, true
	case *ast.BranchStmt:
		if s.Tok == token.BREAK {
			w.leaves(s, now)
		}
		return now, s.Tok != token.FALLTHROUGH
	case *ast.IncDecStmt:
		w.expr(s.X, now)
	case *ast.SendStmt:
		w.expr(s.Value, now)
	case *ast.IfStmt:
		return w.branch(s, now)
	default:
		return w.loop(s, label, now)
	}
	return now, false
}

// leaves notes what is held where break leaves a statement.
func (w *walk) leaves(s *ast.BranchStmt, now held) {
	for i := len(w.loops) - 1; i >= 0; i-- {
		if l := w.loops[i]; s.Label == nil || s.Label.Name == l.label {
			l.outs = append(l.outs, maps.Clone(now))
			return
		}
	}
}

func (w *walk) branch(s *ast.IfStmt, now held) (held, bool) {
	if s.Init != nil {
		now, _ = w.stmt(s.Init, "", now)
	}
	w.expr(s.Cond, now)
	yes, no := maps.Clone(now), maps.Clone(now)
	for _, try := range w.tries(s.Cond, true) {
		if try.taken {
			yes[try.lock]++
		} else {
			no[try.lock]++
		}
	}
	var outs []held
	if out, ends := w.block(s.Body.List, yes); !ends {
		outs = append(outs, out)
	}
	ends := false
	if s.Else != nil {
		no, ends = w.stmt(s.Else, "", no)
	}
	if !ends {
		outs = append(outs, no)
	}
	out, ok := meet(outs)
	return out, !ok
}

// loop follows what break leaves.
func (w *walk) loop(s ast.Stmt, label string, now held) (held, bool) {
	l := &target{label: label}
	w.loops = append(w.loops, l)
	defer func() { w.loops = w.loops[:len(w.loops)-1] }()
	run := func(list []ast.Stmt) {
		if out, ends := w.block(list, maps.Clone(now)); !ends {
			l.outs = append(l.outs, out)
		}
	}
	clauses := func(b *ast.BlockStmt) {
		whole := false
		for _, c := range b.List {
			c, ok := c.(*ast.CaseClause)
			if !ok {
				continue
			}
			for _, e := range c.List {
				w.expr(e, now)
			}
			whole = whole || c.List == nil
			run(c.Body)
		}
		if !whole {
			l.outs = append(l.outs, now)
		}
	}
	switch s := s.(type) {
	case *ast.ForStmt:
		if s.Init != nil {
			now, _ = w.stmt(s.Init, "", now)
		}
		if s.Cond != nil {
			w.expr(s.Cond, now)
			l.outs = append(l.outs, maps.Clone(now))
			run(s.Body.List)
		} else {
			w.block(s.Body.List, maps.Clone(now))
		}
		if s.Post != nil {
			w.stmt(s.Post, "", maps.Clone(now))
		}
	case *ast.RangeStmt:
		w.expr(s.X, now)
		w.ranges(s)
		l.outs = append(l.outs, maps.Clone(now))
		run(s.Body.List)
	case *ast.SwitchStmt:
		if s.Init != nil {
			now, _ = w.stmt(s.Init, "", now)
		}
		if s.Tag != nil {
			w.expr(s.Tag, now)
		}
		clauses(s.Body)
	case *ast.TypeSwitchStmt:
		if s.Init != nil {
			now, _ = w.stmt(s.Init, "", now)
		}
		clauses(s.Body)
	case *ast.SelectStmt:
		for _, c := range s.Body.List {
			c := c.(*ast.CommClause)
			if c.Comm != nil {
				w.stmt(c.Comm, "", maps.Clone(now))
			}
			run(c.Body)
		}
	default:
		return now, false
	}
	out, ok := meet(l.outs)
	return out, !ok
}

// expr follows the calls of an expression, and changes now.
func (w *walk) expr(e ast.Expr, now held) {
	inner := make(map[*ast.FuncLit]bool)
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			w.call(n, now)
			for _, a := range n.Args {
				if lit, ok := a.(*ast.FuncLit); ok {
					inner[lit] = true
				}
			}
			if lit, ok := n.Fun.(*ast.FuncLit); ok {
				inner[lit] = true
			}
		case *ast.FuncLit:
			w.literal(n, now, !inner[n]) // one that is kept is called, who knows when
			return false
		}
		return true
	})
}

// literal follows a function literal that is entered with now held.
func (w *walk) literal(lit *ast.FuncLit, now held, free bool) {
	in := &walk{p: w.p, fn: w.fn, vars: maps.Clone(w.vars), first: maps.Clone(now), free: free || w.free, found: w.found}
	for name, kind := range params(lit.Type) {
		in.vars[name] = kind
	}
	in.body(lit.Body)
}

// deferred follows a call that is made at the end.
func (w *walk) deferred(c *ast.CallExpr, now held) {
	ast.Inspect(c, func(n ast.Node) bool {
		if c, ok := n.(*ast.CallExpr); ok {
			if l, do := w.locking(c); do == unlocks {
				now[atEnd+l]++
			}
		}
		return true
	})
	if _, ok := c.Fun.(*ast.FuncLit); !ok {
		if _, do := w.locking(c); do == nothing {
			w.expr(c, now)
		}
	}
}

// call follows one call: of a lock, or of a function that wants one.
func (w *walk) call(c *ast.CallExpr, now held) {
	switch l, do := w.locking(c); do {
	case locks:
		now[l]++
		return
	case unlocks:
		if now[l] == 0 {
			w.report(c, "unlocks "+l+", which it has not locked")
			return
		}
		now[l]--
		return
	case tries:
		return
	}
	f := w.callee(c)
	if f == nil {
		return
	}
	for _, l := range f.holds {
		if now[l] == 0 {
			w.report(c, "calls "+f.decl.Name.Name+" without "+l)
		}
	}
}
