package policy

import (
	"go/ast"
)

// undocumented reports the exported names of a file that have no comment.
func undocumented(s *source) []finding {
	var found []finding
	for _, decl := range s.file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			found = append(found, undocumentedFunc(s, decl)...)
		case *ast.GenDecl:
			found = append(found, undocumentedNames(s, decl)...)
		}
	}
	return found
}

// undocumentedFunc leaves out methods of unexported types, because go doc does not show them.
func undocumentedFunc(s *source, fn *ast.FuncDecl) []finding {
	if fn.Doc != nil || !fn.Name.IsExported() {
		return nil
	}
	if fn.Recv != nil && !ast.IsExported(receiver(fn)) {
		return nil
	}
	return []finding{s.found(fn.Pos(), "%s has no doc comment", fn.Name.Name)}
}

// receiver returns the name of a method's type, without pointer and type parameters.
func receiver(fn *ast.FuncDecl) string {
	name := ""
	ast.Inspect(fn.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && name == "" {
			name = id.Name
		}
		return name == ""
	})
	return name
}

// undocumentedNames accepts one comment for a group of constants or variables. Each type of a group needs its own.
func undocumentedNames(s *source, decl *ast.GenDecl) []finding {
	var found []finding
	grouped := decl.Lparen.IsValid()
	for _, spec := range decl.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if spec.Doc == nil && (grouped || decl.Doc == nil) {
				found = append(found, missing(s, spec.Name)...)
			}
		case *ast.ValueSpec:
			if decl.Doc == nil && spec.Doc == nil && spec.Comment == nil {
				found = append(found, missing(s, spec.Names...)...)
			}
		}
	}
	return found
}

func missing(s *source, names ...*ast.Ident) []finding {
	var found []finding
	for _, name := range names {
		if name.IsExported() {
			found = append(found, s.found(name.Pos(), "%s has no doc comment", name.Name))
		}
	}
	return found
}
