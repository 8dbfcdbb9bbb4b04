package policy

import (
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	maxFileLines     = 600
	maxFunctionLines = 80
)

// A fileRule is a rule about single files.
type fileRule struct {
	name  string
	where func(*source) bool // whether it applies to a file
	check func(*source) []finding
	as    string // the path of bad and good
	bad   string // has a finding
	good  string // has no finding
}

var fileRules = []fileRule{{
	name:  "everything exported has a doc comment",
	where: shipped, check: undocumented, as: "store/fixture.go",
	bad:  "package p\ntype T int\nfunc (*T) M() {}",
	good: "package p\n// T is.\ntype T int\n// M does.\nfunc (*T) M() {}\nfunc (T) m() {}\n// Limits.\nconst (\nA = 1\nB = 2\n)",
}, {
	name:  "every exported constant and variable belongs to a documented group",
	where: shipped, check: undocumented, as: "store/fixture.go",
	bad:  "package p\nvar (\n// A is.\nA = 1\nB = 2\n)",
	good: "package p\nvar (\n// A is.\nA = 1\nB = 2 // is also\nc = 3\n)",
}, {
	name:  "library code does not panic",
	where: shipped, check: panics, as: "store/fixture.go",
	bad:  "package p\nfunc f() { panic(1) }",
	good: "package p\n// panic(1) in a comment\nfunc f() { defer recover() }",
}, {
	name:  "library code does not print, log or exit",
	where: shipped, check: sideEffects, as: "store/fixture.go",
	bad:  "package p\nimport out \"fmt\"\nfunc f() { out.Println(1) }",
	good: "package p\nimport \"fmt\"\nfunc f() string { return fmt.Sprintln(1) }",
}, {
	name:  "library code does not use the built-in print functions",
	where: shipped, check: sideEffects, as: "store/fixture.go",
	bad:  "package p\nfunc f() { println(1) }",
	good: "package p\nimport \"log\"\nvar l *log.Logger\nfunc f() { l.Print(1) }",
}, {
	name:  "only tests and conformance suites import testing",
	where: func(s *source) bool { return !s.isTest() && !forTests(s.dir()) },
	check: importing("testing"), as: "store/fixture.go",
	bad:  "package p\nimport _ \"testing/fstest\"",
	good: "package p\nimport _ \"testingx\"",
}, {
	name:  "no reflection outside tests, except to count the extra keys of an import",
	where: func(s *source) bool { return !s.isTest() && s.path != "store/cmd/allocctl/extras.go" },
	check: importing("reflect"), as: "bench/fixture.go",
	bad:  "package p\nimport _ \"reflect\"",
	good: "package p\nimport _ \"errors\"",
}, {
	name:  "an error's text is lower case, without the project's name, a full stop or a line break",
	where: func(s *source) bool { return !s.isTest() },
	check: errorTexts, as: "store/fixture.go",
	bad:  "package p\nimport \"errors\"\nvar err = errors.New(\"allocstore: closed\")",
	good: "package p\nimport \"errors\"\nvar err = errors.New(\"ID 3 of 5: closed\")",
}, {
	name:  "a file has at most 600 lines",
	where: everywhere, check: longFile, as: "store/fixture_test.go",
	bad:  "package p" + strings.Repeat("\n", maxFileLines+1),
	good: "package p" + strings.Repeat("\n", maxFileLines),
}, {
	name:  "a function has at most 80 lines",
	where: func(s *source) bool { return !s.isTest() },
	check: longFunctions, as: "bench/fixture.go",
	bad:  "package p\n" + functions(1, maxFunctionLines+1),
	good: "package p\n" + functions(1, maxFunctionLines),
}, {
	name:  "no comment leaves work open",
	where: everywhere, check: openWork, as: "store/fixture_test.go",
	bad:  "package p\n// TO" + "DO: later",
	good: "package p\n// Todos are kept elsewhere.",
}, {
	name:  "no test is skipped",
	where: everywhere, check: skips, as: "store/fixture_test.go",
	bad:  "package p\nimport \"testing\"\nfunc TestX(x *testing.T) { x.Skip" + "Now() }",
	good: "package p\nfunc f(t *reader) { t.Skip" + "(2) }",
}}

func TestFiles(t *testing.T) {
	t.Parallel()
	sources := load(t).sources
	for _, rule := range fileRules {
		t.Run(rule.name, func(t *testing.T) {
			for _, s := range sources {
				if rule.where(s) {
					report(t, rule.name, rule.check(s))
				}
			}
		})
	}
}

// TestFileRulesCanFail tests each rule on its bad and its good source.
func TestFileRulesCanFail(t *testing.T) {
	t.Parallel()
	for _, rule := range fileRules {
		t.Run(rule.name, func(t *testing.T) {
			bad, err := parse(rule.as, []byte(rule.bad))
			require.NoError(t, err)
			good, err := parse(rule.as, []byte(rule.good))
			require.NoError(t, err)
			require.True(t, rule.where(bad), "the rule does not bind its own example")
			require.NotEmpty(t, rule.check(bad), "the rule misses its own bad example")
			require.Empty(t, rule.check(good), "the rule reports its own good example")
		})
	}
}

// report fails the test once for every finding, so that one run shows all.
func report(t *testing.T, rule string, found []finding) {
	t.Helper()
	for _, f := range found {
		t.Errorf("%v (rule: %s)", f, rule)
	}
}

func everywhere(*source) bool { return true }

// shipped reports whether the file becomes part of an embedder's program.
func shipped(s *source) bool {
	return !s.isTest() && s.file.Name.Name != "main" && unitOf(s.dir()).status&ships != 0 && !isTestHelper(s.dir())
}

// forTests reports whether the package serves the tests of other packages.
func forTests(dir string) bool { return within(dir, "store/storetest") || isTestHelper(dir) }

// isTestHelper reports whether dir is an internal package with a name like damagetest.
func isTestHelper(dir string) bool {
	return strings.Contains(dir, "internal/") && strings.HasSuffix(path.Base(dir), "test")
}

// allowedPanics maps "file.go:function" to the reason why that function may panic. An entry that is no longer needed
// fails TestAllowedPanicsAreNeeded.
var allowedPanics = map[string]string{}

func panics(s *source) []finding {
	var found []finding
	for where, pos := range panicking(s) {
		if _, ok := allowedPanics[where]; !ok {
			found = append(found, s.found(pos, "panic; return an error"))
		}
	}
	return found
}

// panicking returns the functions that call panic, with the position of their last call. A call outside any function
// counts under the file's name.
func panicking(s *source) map[string]token.Pos {
	where := make(map[string]token.Pos)
	for _, decl := range s.file.Decls {
		name := s.path
		if fn, ok := decl.(*ast.FuncDecl); ok {
			name += ":" + fn.Name.Name
		}
		for _, call := range calls(decl) {
			if id, ok := call.Fun.(*ast.Ident); ok && id.Name == "panic" {
				where[name] = call.Pos()
			}
		}
	}
	return where
}

func TestAllowedPanicsAreNeeded(t *testing.T) {
	t.Parallel()
	needed := make(map[string]token.Pos)
	for _, s := range load(t).sources {
		for where, pos := range panicking(s) {
			needed[where] = pos
		}
	}
	for where, why := range allowedPanics {
		require.Contains(t, needed, where, "allowed to panic, but does not")
		require.NotEmpty(t, why, "%s: an exception needs its reason", where)
	}
}

// sideEffect lists functions and variables for programs, by package.
var sideEffect = map[string][]string{
	"fmt": {"Print", "Printf", "Println"},
	"log": {"Print", "Printf", "Println", "Fatal", "Fatalf", "Fatalln", "Panic", "Panicf", "Panicln"},
	"os":  {"Exit", "Stdout", "Stderr"},
}

func sideEffects(s *source) []finding {
	var found []finding
	for importPath, names := range sideEffect {
		local := s.localName(importPath)
		ast.Inspect(s.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok || !slices.Contains(names, sel.Sel.Name) {
				return true
			}
			if id, ok := sel.X.(*ast.Ident); ok && id.Name == local {
				found = append(found, s.found(n.Pos(), "%s.%s", importPath, sel.Sel.Name))
			}
			return true
		})
	}
	for _, call := range calls(s.file) {
		if id, ok := call.Fun.(*ast.Ident); ok && (id.Name == "print" || id.Name == "println") {
			found = append(found, s.found(call.Pos(), "%s", id.Name))
		}
	}
	return found
}

func calls(root ast.Node) []*ast.CallExpr {
	var all []*ast.CallExpr
	ast.Inspect(root, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			all = append(all, call)
		}
		return true
	})
	return all
}

// importing returns a check that reports imports of a package and of those below it.
func importing(forbidden string) func(*source) []finding {
	return func(s *source) []finding {
		var found []finding
		for imported, pos := range s.imports() {
			if within(imported, forbidden) {
				found = append(found, s.found(pos, "imports %s", imported))
			}
		}
		return found
	}
}

var badErrorText = regexp.MustCompile(`^"(allocstore|[A-Z][a-z])|[.\n]"$`)

// errorTexts finds the texts of errors.New and fmt.Errorf that are not as errors.go of package
// store has them.
func errorTexts(s *source) []finding {
	var found []finding
	ast.Inspect(s.file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		function, ok := call.Fun.(*ast.SelectorExpr)
		text, isText := call.Args[0].(*ast.BasicLit)
		if ok && isText && (function.Sel.Name == "Errorf" || function.Sel.Name == "New") && text.Kind == token.STRING && badErrorText.MatchString(text.Value) {
			found = append(found, s.found(text.Pos(), "the error text %s", text.Value))
		}
		return true
	})
	return found
}

func longFile(s *source) []finding {
	if s.lines <= maxFileLines {
		return nil
	}
	return []finding{{path: s.path, line: s.lines, text: "the file is longer: split it by noun"}}
}

func longFunctions(s *source) []finding {
	var found []finding
	for _, fn := range s.functions() {
		if n := s.length(fn); n > maxFunctionLines {
			found = append(found, s.found(fn.Pos(), "%s has %d lines", fn.Name.Name, n))
		}
	}
	return found
}

// functions returns the text of n functions of the given length.
func functions(n, lines int) string {
	return strings.Repeat("func _() {"+strings.Repeat("\n", lines-1)+"}\n", n)
}

// The words are in two pieces, so that a search for them does not find this file.
var openWords = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|X` + `XX)\b|not ` + `implemented`)

func openWork(s *source) []finding {
	var found []finding
	for _, group := range s.file.Comments {
		for _, c := range group.List {
			if word := openWords.FindString(c.Text); word != "" {
				found = append(found, s.found(c.Pos(), "comment says %q: finish it or file it", word))
			}
		}
	}
	return found
}

// skips reports calls of a Skip method on a parameter whose type is from package testing.
func skips(s *source) []finding {
	local := s.localName("testing")
	params := make(map[string]bool)
	ast.Inspect(s.file, func(n ast.Node) bool {
		if field, ok := n.(*ast.Field); ok && local != "" && typePackage(field.Type) == local {
			for _, name := range field.Names {
				params[name.Name] = true
			}
		}
		return true
	})
	var found []finding
	for _, call := range calls(s.file) {
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !strings.HasPrefix(sel.Sel.Name, "Skip") {
			continue
		}
		if id, ok := sel.X.(*ast.Ident); ok && params[id.Name] {
			found = append(found, s.found(call.Pos(), "a skipped test checks nothing"))
		}
	}
	return found
}

// typePackage returns the package name in a type, such as testing in *testing.T.
func typePackage(expr ast.Expr) string {
	if star, ok := expr.(*ast.StarExpr); ok {
		expr = star.X
	}
	if sel, ok := expr.(*ast.SelectorExpr); ok {
		if id, ok := sel.X.(*ast.Ident); ok {
			return id.Name
		}
	}
	return ""
}
