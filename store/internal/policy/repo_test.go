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

// A source is a parsed Go file. Rules hold on every platform, so build constraints are ignored.
type source struct {
	path  string // relative to the root, with slashes
	fset  *token.FileSet
	file  *ast.File
	lines int
}

// A finding is a place that breaks a rule.
type finding struct {
	path string
	line int
	text string
}

func (f finding) String() string { return fmt.Sprintf("%s:%d: %s", f.path, f.line, f.text) }

// parse parses the text of one file. Its path decides which rules apply.
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

// imports returns the imported paths and the positions of the imports.
func (s *source) imports() map[string]token.Pos {
	all := make(map[string]token.Pos)
	for _, spec := range s.file.Imports {
		all[strings.Trim(spec.Path.Value, "`\"")] = spec.Pos()
	}
	return all
}

// localName returns the file's name for an imported package, or "" if the file does not import it.
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

// functions returns the functions and methods that have a body.
func (s *source) functions() []*ast.FuncDecl {
	var all []*ast.FuncDecl
	for _, decl := range s.file.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Body != nil {
			all = append(all, fn)
		}
	}
	return all
}

// length returns the number of lines of a function, without its comment.
func (s *source) length(fn *ast.FuncDecl) int { return s.line(fn.End()) - s.line(fn.Pos()) + 1 }

// A repo is the repository as the rules see it.
type repo struct {
	root    string
	module  string // the library's module path; no rule depends on its spelling
	sources []*source
	nested  []string // go.mod files of other modules, relative to root

	markdown map[string]string // path to text
}

// load returns the repository. The first call reads it.
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

// visit reads a Go or Markdown file, and notes the go.mod of a nested module. It skips the directories that the go
// command skips.
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

// A pkg has the Go files of one directory.
type pkg struct {
	dir     string
	sources []*source
}

// packages groups the sources by directory, sorted by path.
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

// goCommand runs the go command in dir and returns its standard output.
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
