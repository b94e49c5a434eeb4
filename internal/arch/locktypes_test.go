package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"strings"
	"testing"
)

// A pkg is what TestLocks knows of a package: enough of its types to tell whose method is called.
type pkg struct {
	fields  map[string]map[string]string // by type and name; the type of each field
	embeds  map[string][]string          // by type: names of embedded fields
	methods map[string]map[string]*function
	funcs   map[string]*function
	vars    map[string]string
	all     []*function
}

// A function of a package, or a method.
type function struct {
	file  *file
	decl  *ast.FuncDecl
	recv  string            // the type
	vars  map[string]string // types of the receiver and the parameters
	holds []string          // the locks that are held when it is called
}

func parseText(t *testing.T, name string, text []byte) *file {
	t.Helper()
	f := &file{path: name, dir: path.Dir(name), text: text, fset: token.NewFileSet()}
	var err error
	if f.ast, err = parser.ParseFile(f.fset, name, text, parser.ParseComments); err != nil {
		t.Fatal(err)
	}
	return f
}

// packages sorts files, but for tests, by package.
func packages(files []*file) map[string]*pkg {
	all := make(map[string]*pkg)
	for _, f := range files {
		if f.test {
			continue
		}
		p := all[f.dir]
		if p == nil {
			p = &pkg{fields: map[string]map[string]string{}, embeds: map[string][]string{}, methods: map[string]map[string]*function{}, funcs: map[string]*function{}, vars: map[string]string{}}
			all[f.dir] = p
		}
		p.add(f)
	}
	for _, p := range all {
		for _, f := range p.all {
			f.holds = p.holds(f)
		}
	}
	return all
}

func (p *pkg) add(f *file) {
	for _, d := range f.ast.Decls {
		switch d := d.(type) {
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					p.addType(s)
				case *ast.ValueSpec:
					for _, n := range s.Names {
						p.vars[n.Name] = kindOf(s.Type)
					}
				}
			}
		case *ast.FuncDecl:
			fn := &function{file: f, decl: d, vars: params(d.Type)}
			p.all = append(p.all, fn)
			if d.Recv == nil {
				p.funcs[d.Name.Name] = fn
				continue
			}
			fn.recv = kindOf(d.Recv.List[0].Type)
			for _, n := range d.Recv.List[0].Names {
				fn.vars[n.Name] = fn.recv
			}
			if p.methods[fn.recv] == nil {
				p.methods[fn.recv] = map[string]*function{}
			}
			p.methods[fn.recv][d.Name.Name] = fn
		}
	}
}

func (p *pkg) addType(s *ast.TypeSpec) {
	name := s.Name.Name
	fields := map[string]string{}
	p.fields[name] = fields
	switch x := s.Type.(type) {
	case *ast.StructType:
		for _, f := range x.Fields.List {
			kind := kindOf(f.Type)
			for _, n := range f.Names {
				fields[n.Name] = kind
			}
			if len(f.Names) == 0 {
				embedded := kind[strings.LastIndex(kind, ".")+1:]
				fields[embedded] = kind
				p.embeds[name] = append(p.embeds[name], embedded)
			}
		}
	case *ast.InterfaceType: // nobody's methods
	default:
		fields["[]"] = strings.TrimPrefix(kindOf(s.Type), "[]")
	}
}

// kindOf is a type as we tell types apart: by name, whether it is behind a pointer or not; with []
// in front for what has elements. "": it does not matter.
func kindOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return kindOf(e.X)
	case *ast.ParenExpr:
		return kindOf(e.X)
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		if x, ok := e.X.(*ast.Ident); ok {
			return x.Name + "." + e.Sel.Name
		}
	case *ast.IndexExpr:
		return kindOf(e.X)
	case *ast.IndexListExpr:
		return kindOf(e.X)
	case *ast.ArrayType:
		return "[]" + kindOf(e.Elt)
	case *ast.Ellipsis:
		return "[]" + kindOf(e.Elt)
	case *ast.MapType:
		return "[]" + kindOf(e.Value)
	case *ast.ChanType:
		return "[]" + kindOf(e.Value)
	}
	return ""
}

func params(f *ast.FuncType) map[string]string {
	vars := map[string]string{}
	for _, l := range []*ast.FieldList{f.Params, f.Results} {
		if l == nil {
			continue
		}
		for _, f := range l.List {
			for _, n := range f.Names {
				vars[n.Name] = kindOf(f.Type)
			}
		}
	}
	return vars
}

// saysHeld is a sentence of a comment, or the begin of one: what is held.
var saysHeld = regexp.MustCompile(`(?:^|[.:;] )((?:\w+\.)*\w+) (?:is|are) held\b`)

// holds reads the comment of a function.
func (p *pkg) holds(f *function) (all []string) {
	text := strings.Join(strings.Fields(f.decl.Doc.Text()), " ")
	for at := 0; ; {
		m := saysHeld.FindStringSubmatchIndex(text[at:])
		if m == nil {
			return all
		}
		names := strings.Split(text[at+m[2]:at+m[3]], ".")
		at += m[3]
		kind, ok := f.vars[names[0]]
		switch {
		case ok:
			names = names[1:]
		case names[0] == f.recv && len(names) > 1:
			kind, names = f.recv, names[1:]
		case f.recv != "" && p.field(f.recv, names[0]) != "":
			kind = f.recv
		default:
			continue // it is no lock
		}
		for len(names) > 1 {
			kind, names = p.field(kind, names[0]), names[1:]
		}
		if len(names) == 0 {
			all = append(all, p.lockIn(kind))
		} else if k := p.field(kind, names[0]); k == "" || strings.HasPrefix(k, "sync.") {
			all = append(all, kind+"."+names[0])
		}
	}
}

// field is the type of a field of kind, or of what it embeds.
func (p *pkg) field(kind, name string) string {
	if k, ok := p.fields[kind][name]; ok {
		return k
	}
	for _, e := range p.embeds[kind] {
		if k := p.field(p.fields[kind][e], name); k != "" {
			return k
		}
	}
	return ""
}

// method is a method of kind, or of what it embeds.
func (p *pkg) method(kind, name string) *function {
	if f := p.methods[kind][name]; f != nil {
		return f
	}
	for _, e := range p.embeds[kind] {
		if f := p.method(p.fields[kind][e], name); f != nil {
			return f
		}
	}
	return nil
}

// lockIn is the lock that a type embeds.
func (p *pkg) lockIn(kind string) string {
	for _, e := range p.embeds[kind] {
		switch k := p.fields[kind][e]; {
		case k == "sync.Mutex" || k == "sync.RWMutex":
			return kind + "." + e
		case p.lockIn(k) != "":
			return p.lockIn(k)
		}
	}
	return ""
}
