// Package apidiff says what of one Go package's exported API another package lacks or has otherwise. It serves the tests of the
// modules that take the place of another module: the other one's source need not compile here, since its functions' bodies are
// not read and what it takes from C is looked up in the C headers.
package apidiff

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// API is a package's exported API, by name. The members of a type stand beside it, as Type.Member.
type API map[string]Entry

// Entry is one identifier.
type Entry struct {
	Kind  string // type, func, const, var, method, field
	Type  string // the type, without the names of parameters
	Value string // of a constant; empty where it is not known
	C     string // the C constant it is defined as, where it is one

	sealed bool // an interface that no other package can implement
}

// Difference is what one API has and the other has not, or has otherwise.
type Difference struct {
	Name      string
	Want, Got Entry // Got is zero where there is nothing
}

func (d Difference) String() string {
	if d.Got == (Entry{}) {
		return fmt.Sprintf("missing: %s %s", d.Want.Kind, d.Name)
	}
	return fmt.Sprintf("differs: %s is %s; want %s", d.Name, d.Got, d.Want)
}

func (e Entry) String() string {
	s := e.Kind + " " + e.Type
	if e.Value != "" {
		s += " = " + e.Value
	}
	return s
}

// Compare returns what want has and got lacks or has otherwise, in the order of names. Of a type that is missing only the type is
// named. What got has besides is not a difference, except that an interface which other packages can implement may
// not grow. Constants whose value is not known on either side are compared by type.
func Compare(want, got API) []Difference {
	var diffs []Difference
	for name, w := range want {
		typeName, _, member := strings.Cut(name, ".")
		if member && got[typeName] == (Entry{}) {
			continue
		}
		g := got[name]
		// The methods of interfaces are compared one by one.
		if g.Kind == w.Kind && g.Type == w.Type && (g.Value == w.Value || g.Value == "" || w.Value == "") {
			continue
		}
		diffs = append(diffs, Difference{Name: name, Want: w, Got: g})
	}
	for name, g := range got {
		typeName, _, member := strings.Cut(name, ".")
		t := want[typeName]
		if member && g.Kind == "method" && t.Type == "interface" && !t.sealed && want[name] == (Entry{}) {
			diffs = append(diffs, Difference{Name: name, Want: Entry{Kind: "no method, for other packages implement " + typeName}, Got: g})
		}
	}
	slices.SortFunc(diffs, func(a, b Difference) int { return strings.Compare(a.Name, b.Name) })
	return diffs
}

// of returns pkg's API. local are the import paths whose types are written without a package.
func of(pkg *types.Package, local ...string) API {
	w := writer{local: local, api: API{}}
	for _, name := range pkg.Scope().Names() {
		obj := pkg.Scope().Lookup(name)
		if !obj.Exported() {
			continue
		}
		switch obj := obj.(type) {
		case *types.Const:
			e := Entry{Kind: "const", Type: w.text(obj.Type())}
			if v := obj.Val(); v.Kind() != constant.Unknown {
				e.Value = v.ExactString()
			}
			w.api[name] = e
		case *types.Var:
			w.api[name] = Entry{Kind: "var", Type: w.text(obj.Type())}
		case *types.Func:
			w.api[name] = Entry{Kind: "func", Type: w.text(obj.Type())}
		case *types.TypeName:
			w.typeName(name, types.Unalias(obj.Type()))
		}
	}
	return w.api
}

type writer struct {
	local []string
	api   API
}

func (w *writer) typeName(name string, t types.Type) {
	e := Entry{Kind: "type"}
	switch u := t.Underlying().(type) {
	case *types.Interface:
		e.Type = "interface"
		for i := range u.NumMethods() {
			if m := u.Method(i); m.Exported() {
				w.api[name+"."+m.Name()] = Entry{Kind: "method", Type: w.text(m.Type())}
			} else {
				e.sealed = true
			}
		}
	case *types.Struct:
		e.Type = "struct"
		for i := range u.NumFields() {
			f := u.Field(i)
			if !f.Exported() {
				continue
			}
			kind := "field"
			if f.Embedded() {
				kind = "embedded field"
			}
			w.api[name+"."+f.Name()] = Entry{Kind: kind, Type: w.text(f.Type()) + " " + u.Tag(i)}
		}
	default:
		e.Type = w.text(u)
	}
	w.api[name] = e
	if types.IsInterface(t) {
		return
	}
	onValue := types.NewMethodSet(t)
	set := types.NewMethodSet(types.NewPointer(t))
	for m := range set.Methods() {
		if f := m.Obj(); f.Exported() {
			receiver := "of a pointer: "
			if onValue.Lookup(f.Pkg(), f.Name()) != nil {
				receiver = ""
			}
			w.api[name+"."+f.Name()] = Entry{Kind: "method", Type: receiver + w.text(f.Type())}
		}
	}
}

// cType stands for every type of C, and for a pointer to one.
const cType = "C type"

// text is t without the names of parameters.
func (w *writer) text(t types.Type) string {
	switch t := t.(type) {
	case *types.Signature:
		return "func" + w.signature(t)
	case *types.Pointer:
		elem := w.text(t.Elem())
		if elem == cType {
			return cType // go/types takes a pointer to what it cannot resolve for unresolved
		}
		return "*" + elem
	case *types.Slice:
		return "[]" + w.text(t.Elem())
	case *types.Array:
		return fmt.Sprintf("[%d]%s", t.Len(), w.text(t.Elem()))
	case *types.Map:
		return "map[" + w.text(t.Key()) + "]" + w.text(t.Elem())
	case *types.Interface:
		if t.Empty() {
			return "any"
		}
	case *types.Basic:
		if t.Kind() == types.Invalid {
			return cType
		}
	case interface{ Obj() *types.TypeName }:
		if strings.HasPrefix(t.Obj().Name(), "_Ctype_") {
			return cType
		}
	}
	return types.TypeString(t, func(p *types.Package) string {
		if slices.Contains(w.local, p.Path()) {
			return ""
		}
		return p.Path()
	})
}

func (w *writer) signature(s *types.Signature) string {
	var params, results []string
	for i := range s.Params().Len() {
		t := s.Params().At(i).Type()
		text := w.text(t)
		if s.Variadic() && i == s.Params().Len()-1 {
			text = "..." + strings.TrimPrefix(text, "[]")
		}
		params = append(params, text)
	}
	for i := range s.Results().Len() {
		results = append(results, w.text(s.Results().At(i).Type()))
	}
	text := "(" + strings.Join(params, ", ") + ")"
	switch len(results) {
	case 0:
	case 1:
		text += " " + results[0]
	default:
		text += " (" + strings.Join(results, ", ") + ")"
	}
	return text
}

// cConstants returns the constants of files that are defined as C.NAME, with NAME.
func cConstants(files []*ast.File) map[string]string {
	found := map[string]string{}
	for _, f := range files {
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, spec := range g.Specs {
				v := spec.(*ast.ValueSpec)
				for i, value := range v.Values {
					s, ok := value.(*ast.SelectorExpr)
					if !ok {
						continue
					}
					if x, ok := s.X.(*ast.Ident); ok && x.Name == "C" {
						found[v.Names[i].Name] = s.Sel.Name
					}
				}
			}
		}
	}
	return found
}
