package arch

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"
)

// What a call does to a lock.
type effect uint8

const (
	nothing effect = iota
	locks
	unlocks
	tries
)

// locking says whether c is the call of a lock, and of which.
func (w *walk) locking(c *ast.CallExpr) (string, effect) {
	s, ok := c.Fun.(*ast.SelectorExpr)
	if !ok || len(c.Args) > 0 {
		return "", nothing
	}
	do := map[string]effect{"Lock": locks, "RLock": locks, "Unlock": unlocks, "RUnlock": unlocks, "TryLock": tries, "TryRLock": tries}[s.Sel.Name]
	if do == nothing {
		return "", nothing
	}
	kind := w.kind(s.X)
	switch {
	case kind == "" || strings.HasPrefix(kind, "sync."):
		x, ok := s.X.(*ast.SelectorExpr)
		if !ok {
			return types.ExprString(s.X), do
		}
		if of := w.kind(x.X); of != "" {
			return of + "." + x.Sel.Name, do
		}
		return types.ExprString(s.X), do
	case w.p.method(kind, s.Sel.Name) != nil: // a method of ours that has that name
		return "", nothing
	case w.p.lockIn(kind) != "":
		return w.p.lockIn(kind), do
	}
	return "", nothing
}

// A try is a TryLock in a condition: taken, where the condition is true or where it is not.
type try struct {
	lock  string
	taken bool
}

func (w *walk) tries(e ast.Expr, yes bool) []try {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return w.tries(e.X, yes)
	case *ast.UnaryExpr:
		if e.Op == token.NOT {
			return w.tries(e.X, !yes)
		}
	case *ast.BinaryExpr:
		if e.Op == token.LAND && yes || e.Op == token.LOR && !yes {
			return append(w.tries(e.X, yes), w.tries(e.Y, yes)...)
		}
	case *ast.CallExpr:
		if l, do := w.locking(e); do == tries {
			return []try{{l, yes}}
		}
	}
	return nil
}

// callee is the function of ours that is called, or nil if that is not known.
func (w *walk) callee(c *ast.CallExpr) *function {
	f := c.Fun
	if x, ok := f.(*ast.IndexExpr); ok {
		f = x.X
	}
	switch f := f.(type) {
	case *ast.Ident:
		if _, ok := w.vars[f.Name]; !ok {
			return w.p.funcs[f.Name]
		}
	case *ast.SelectorExpr:
		if kind := w.kind(f.X); kind != "" {
			return w.p.method(kind, f.Sel.Name)
		}
	}
	return nil
}

// kind is the type of an expression, as kindOf has it; "" if it is not known.
func (w *walk) kind(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return w.kind(e.X)
	case *ast.StarExpr:
		return w.kind(e.X)
	case *ast.UnaryExpr:
		if e.Op == token.ARROW {
			return w.element(e.X)
		}
		return w.kind(e.X)
	case *ast.Ident:
		if k, ok := w.vars[e.Name]; ok {
			return k
		}
		return w.p.vars[e.Name]
	case *ast.SelectorExpr:
		return w.p.field(w.kind(e.X), e.Sel.Name)
	case *ast.IndexExpr:
		return w.element(e.X)
	case *ast.SliceExpr:
		return w.kind(e.X)
	case *ast.TypeAssertExpr:
		return kindOf(e.Type)
	case *ast.CompositeLit:
		return kindOf(e.Type)
	case *ast.CallExpr:
		return w.result(e, 0)
	}
	return ""
}

func (w *walk) element(e ast.Expr) string {
	k := w.kind(e)
	if rest, ok := strings.CutPrefix(k, "[]"); ok {
		return rest
	}
	return w.p.fields[k]["[]"]
}

// result is the type of a result of a call.
func (w *walk) result(c *ast.CallExpr, i int) string {
	if id, ok := c.Fun.(*ast.Ident); ok && id.Name == "new" && len(c.Args) == 1 {
		return kindOf(c.Args[0])
	}
	f := w.callee(c)
	if f == nil || f.decl.Type.Results == nil {
		return ""
	}
	for _, r := range f.decl.Type.Results.List {
		n := max(1, len(r.Names))
		if i < n {
			return kindOf(r.Type)
		}
		i -= n
	}
	return ""
}

// assign learns the types of variables.
func (w *walk) assign(s *ast.AssignStmt) {
	for i, l := range s.Lhs {
		id, ok := l.(*ast.Ident)
		if !ok || id.Name == "_" {
			continue
		}
		kind := ""
		if len(s.Rhs) == len(s.Lhs) {
			kind = w.kind(s.Rhs[i])
		} else if c, ok := s.Rhs[0].(*ast.CallExpr); ok {
			kind = w.result(c, i)
		} else if i == 0 {
			kind = w.kind(s.Rhs[0])
		}
		if kind != "" || s.Tok == token.DEFINE {
			w.vars[id.Name] = kind
		}
	}
}

func (w *walk) declare(s *ast.DeclStmt, now held) {
	for _, spec := range s.Decl.(*ast.GenDecl).Specs {
		v, ok := spec.(*ast.ValueSpec)
		if !ok {
			continue
		}
		for i, n := range v.Names {
			w.vars[n.Name] = kindOf(v.Type)
			if i < len(v.Values) {
				w.expr(v.Values[i], now)
				if v.Type == nil {
					w.vars[n.Name] = w.kind(v.Values[i])
				}
			}
		}
	}
}

// ranges learns the types of what a loop goes over.
func (w *walk) ranges(s *ast.RangeStmt) {
	if id, ok := s.Key.(*ast.Ident); ok && s.Tok == token.DEFINE {
		w.vars[id.Name] = ""
	}
	if id, ok := s.Value.(*ast.Ident); ok && s.Tok == token.DEFINE {
		w.vars[id.Name] = w.element(s.X)
	}
}

// endsProgram reports a call after which nothing comes.
func (w *walk) endsProgram(e ast.Expr) bool {
	c, ok := e.(*ast.CallExpr)
	return ok && ends(c)
}
