package policy

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// source is one parsed Go file. Files that a build constraint leaves out are among them: a rule holds on every
// platform.
type source struct {
	path  string // relative to the module's root, with slashes
	fset  *token.FileSet
	file  *ast.File
	lines int
}

// finding is a place where a rule does not hold.
type finding struct {
	path string
	line int
	text string
}

func (f finding) String() string { return fmt.Sprintf("%s:%d: %s", f.path, f.line, f.text) }

// under names the findings after the rule that broke.
func under(rule string, found []finding) []string {
	var all []string
	for _, f := range found {
		all = append(all, fmt.Sprintf("%v (rule: %s)", f, rule))
	}
	return all
}

// parse reads one file; path decides which rules apply to it.
func parse(path string, text []byte) (*source, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	return &source{path: path, fset: fset, file: file, lines: bytes.Count(text, []byte("\n"))}, nil
}

func (s *source) dir() string  { return path.Dir(s.path) }
func (s *source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

func (s *source) line(pos token.Pos) int { return s.fset.Position(pos).Line }

func (s *source) found(pos token.Pos, format string, args ...any) finding {
	return finding{path: s.path, line: s.line(pos), text: fmt.Sprintf(format, args...)}
}

// imports returns the paths that the file imports, with where it does.
func (s *source) imports() map[string]token.Pos {
	all := make(map[string]token.Pos)
	for _, spec := range s.file.Imports {
		all[strings.Trim(spec.Path.Value, "`\"")] = spec.Pos()
	}
	return all
}

// localName is what the file calls the package at path, or "" when it does not import it.
func (s *source) localName(importPath string) string {
	for _, spec := range s.file.Imports {
		if strings.Trim(spec.Path.Value, "`\"") != importPath {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(importPath)
	}
	return ""
}

// functions returns the file's functions and methods that have a body.
func (s *source) functions() []*ast.FuncDecl {
	var all []*ast.FuncDecl
	for _, decl := range s.file.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Body != nil {
			all = append(all, fn)
		}
	}
	return all
}

// length is the number of lines of a function, without its comment.
func (s *source) length(fn *ast.FuncDecl) int { return s.line(fn.End()) - s.line(fn.Pos()) + 1 }

// repo is what the rules look at, read once for all tests.
type repo struct {
	root    string
	module  string // the library's module path; no rule knows its spelling
	sources []*source
	nested  []string // go.mod files of other modules, relative to root
	// markdown has the text of each Markdown file by its path.
	markdown map[string]string
}

// load returns the repository, read at the first call.
func load(t *testing.T) *repo {
	t.Helper()
	r, err := loadOnce()
	require.NoError(t, err)
	require.NotEmpty(t, r.sources)
	return r
}

var loadOnce = sync.OnceValues(func() (*repo, error) {
	gomod, err := goCommand(".", "env", "GOMOD")
	if err != nil {
		return nil, err
	}
	r := &repo{root: filepath.Dir(strings.TrimSpace(gomod)), markdown: make(map[string]string)}
	module, err := goCommand(r.root, "list", "-m")
	if err != nil {
		return nil, err
	}
	r.module = strings.TrimSpace(module)
	return r, filepath.WalkDir(r.root, r.visit)
})

// visit collects Go files and the modules below the root; it leaves out what the go command leaves out.
func (r *repo) visit(file string, entry fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	name := entry.Name()
	if entry.IsDir() {
		if file != r.root && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata") {
			return filepath.SkipDir
		}
		return nil
	}
	rel, err := filepath.Rel(r.root, file)
	if err != nil {
		return err
	}
	rel = filepath.ToSlash(rel)
	if name == "go.mod" && rel != name {
		r.nested = append(r.nested, rel)
	}
	isGo, isMarkdown := strings.HasSuffix(name, ".go"), strings.HasSuffix(name, ".md")
	if !isGo && !isMarkdown {
		return nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if isMarkdown {
		r.markdown[rel] = string(text)
		return nil
	}
	src, err := parse(rel, text)
	r.sources = append(r.sources, src)
	return err
}

// pkg is the Go files of one directory.
type pkg struct {
	dir     string
	sources []*source
}

// packages groups the sources by directory, in order of their path.
func packages(sources []*source) []*pkg {
	byDir := make(map[string]*pkg)
	var all []*pkg
	for _, s := range sources {
		p := byDir[s.dir()]
		if p == nil {
			p = &pkg{dir: s.dir()}
			byDir[p.dir] = p
			all = append(all, p)
		}
		p.sources = append(p.sources, s)
	}
	slices.SortFunc(all, func(a, b *pkg) int { return strings.Compare(a.dir, b.dir) })
	return all
}

// goCommand runs the go command in dir and returns what it printed.
func goCommand(dir string, args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out), nil
}
