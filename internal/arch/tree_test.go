package arch

import (
	"bytes"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// module is the path that our own imports start with.
const module = "github.com/lunette-io/lunette/"

// root is the top of the tree, from here.
const root = "../.."

// A file is one Go file of the tree.
type file struct {
	path string // from the root, with slashes
	dir  string // of the package
	test bool
	text []byte
	fset *token.FileSet
	ast  *ast.File
}

// imports are the paths that f imports; own ones without the module.
func (f *file) imports() (own, others []string) {
	for _, i := range f.ast.Imports {
		p, _ := strconv.Unquote(i.Path.Value)
		if rest, ok := strings.CutPrefix(p, module); ok {
			own = append(own, rest)
		} else {
			others = append(others, p)
		}
	}
	return own, others
}

// at is the place of a node, for messages.
func (f *file) at(n ast.Node) string {
	return f.path + ":" + strconv.Itoa(f.fset.Position(n.Pos()).Line)
}

// tree is all Go files, whatever their build tags. Nobody changes them.
func tree(t *testing.T) []*file {
	t.Helper()
	all, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Fatalf("only %d files were found", len(all))
	}
	return all
}

// parsed parses the tree once for all tests.
var parsed = sync.OnceValues(parse)

func parse() (all []*file, err error) {
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if p != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		f := &file{path: filepath.ToSlash(rel), test: strings.HasSuffix(name, "_test.go"), fset: token.NewFileSet()}
		f.dir = path.Dir(f.path)
		if f.text, err = os.ReadFile(p); err != nil {
			return err
		}
		f.ast, err = parser.ParseFile(f.fset, f.path, f.text, parser.ParseComments)
		all = append(all, f)
		return err
	})
	return all, err
}

// TestFormat: nobody discusses format.
func TestFormat(t *testing.T) {
	for _, f := range tree(t) {
		if text, err := format.Source(f.text); err != nil || !bytes.Equal(text, f.text) {
			t.Errorf("%s is not as gofmt has it (%v)", f.path, err)
		}
	}
}

// maxLines is how long a file may get before it is more than one thing.
const maxLines = 400

func TestLength(t *testing.T) {
	for _, f := range tree(t) {
		if n := bytes.Count(f.text, []byte("\n")); !f.test && n >= maxLines {
			t.Errorf("%s has %d lines, fewer than %d are allowed: split it by what it is about", f.path, n, maxLines)
		}
	}
}

// TestPackageComments: each package says in a sentence what it is, once.
func TestPackageComments(t *testing.T) {
	docs := make(map[string]int)
	for _, f := range tree(t) {
		if strings.HasSuffix(f.ast.Name.Name, "_test") || (f.test && docs[f.dir] > 0) {
			continue
		}
		if !f.test {
			docs[f.dir] += 0
		}
		if f.ast.Doc == nil || f.test {
			continue
		}
		docs[f.dir]++
		text := strings.TrimSpace(f.ast.Doc.Text())
		start := "Package " + f.ast.Name.Name + " "
		if f.ast.Name.Name == "main" {
			start = "Command "
		}
		if first, _, _ := strings.Cut(text, "\n\n"); !strings.HasPrefix(text, start) || !strings.ContainsAny(first[max(0, len(first)-1):], ".:") {
			t.Errorf("%s: the package comment is not a sentence that starts with %q", f.path, start)
		}
	}
	for dir, n := range docs {
		if n != 1 {
			t.Errorf("%s has %d package comments: one is wanted", dir, n)
		}
	}
}

// TestExportedComments: what others may use says what it is.
func TestExportedComments(t *testing.T) {
	for _, f := range tree(t) {
		if f.test || f.ast.Name.Name == "main" {
			continue
		}
		for _, d := range f.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && d.Doc == nil && receiverExported(d) && !wellKnown[d.Name.Name] {
					t.Errorf("%s: %s has no comment", f.at(d), d.Name.Name)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if s, ok := s.(*ast.TypeSpec); ok && s.Name.IsExported() && s.Doc == nil && d.Doc == nil && s.Comment == nil {
						t.Errorf("%s: the type %s has no comment", f.at(s), s.Name.Name)
					}
				}
			}
		}
	}
}

// wellKnown methods do what everybody knows.
var wellKnown = map[string]bool{"Error": true, "Unwrap": true, "String": true, "Close": true, "Is": true, "As": true}

// receiverExported reports a function, or a method of an exported type that a reader
// of the documentation sees.
func receiverExported(d *ast.FuncDecl) bool {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return true
	}
	e := d.Recv.List[0].Type
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return true
		}
	}
}
