package policy

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// maxUpward is the largest number of uses between files of package store that may run upward. A use is a pair of files:
// the first names something that the second declares. It runs upward if the second file stands before the first in
// layers.
const maxUpward = 10

// layers are the files of package store from the top to the bottom: the calls that users make, the Store, its two
// goroutines and what they work with, the core that all share, and the public values. A line is a layer; its files have
// an order too.
var layers = []string{
	"open stats check catch_up restore backup compact",
	"entries applied apply follow changes wait_list list_reader list pager waiter observation wait get snapshot",
	"store group_writer sweeper lookout committer",
	"conditions batch",
	"core",
	"selector",
	"options errors",
}

// A use is a pair of files, and the names that the first has from the second.
type use struct {
	from, to string // without .go
	names    []string
}

func (u use) String() string {
	return fmt.Sprintf("store/%s.go uses store/%s.go: %s", u.from, u.to, strings.Join(u.names, ", "))
}

// uses type-checks the files as one package and returns its uses, sorted.
func uses(fset *token.FileSet, files []*ast.File, imports types.Importer) ([]use, error) {
	info := &types.Info{Uses: make(map[*ast.Ident]types.Object)}
	config := types.Config{Importer: imports}
	checked, err := config.Check("p", fset, files, info)
	if err != nil {
		return nil, err
	}
	file := func(pos token.Pos) string {
		return strings.TrimSuffix(filepath.Base(fset.Position(pos).Filename), ".go")
	}
	names := make(map[[2]string][]string)
	for id, object := range info.Uses {
		pair := [2]string{file(id.Pos()), file(object.Pos())}
		if object.Pkg() == checked && pair[0] != pair[1] {
			names[pair] = append(names[pair], object.Name())
		}
	}
	var all []use
	for pair, names := range names {
		slices.Sort(names)
		all = append(all, use{pair[0], pair[1], slices.Compact(names)})
	}
	slices.SortFunc(all, func(a, b use) int { return strings.Compare(a.String(), b.String()) })
	return all, nil
}

// upward returns the uses of a file that stands before its user.
func upward(layers []string, all []use) []use {
	order := strings.Fields(strings.Join(layers, " "))
	return slices.DeleteFunc(slices.Clone(all), func(u use) bool {
		return slices.Index(order, u.to) > slices.Index(order, u.from)
	})
}

// TestLayers lists the uses that run upward if these are more than maxUpward, and with -v.
func TestLayers(t *testing.T) {
	t.Parallel()
	r := load(t)
	var names []string
	for _, s := range r.sources {
		if name := path.Base(s.path); s.dir() == "store" && !s.isTest() && name != "doc.go" {
			names = append(names, strings.TrimSuffix(name, ".go"))
		}
	}
	require.ElementsMatch(t, names, strings.Fields(strings.Join(layers, " ")), "layers has each file of package store once")

	all, err := storeUses(r.root)
	require.NoError(t, err)
	up := upward(layers, all)
	for _, u := range up {
		t.Log(u)
	}
	t.Logf("%d of %d uses run upward", len(up), len(all))
	if len(up) > maxUpward {
		t.Errorf("rule: at most %d uses between files of package store run upward", maxUpward)
	}
}

// storeUses returns the uses within package store as this platform builds it.
func storeUses(root string) ([]use, error) {
	out, err := goCommand(root, "list", "-f", `{{join .GoFiles "\n"}}`, "./store")
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range strings.Fields(out) {
		file, err := parser.ParseFile(fset, filepath.Join(root, "store", name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	imports, err := exportData(root, fset)
	if err != nil {
		return nil, err
	}
	return uses(fset, files, imports)
}

// exportData imports the packages that package store depends on, as the go command compiles them.
func exportData(root string, fset *token.FileSet) (types.Importer, error) {
	out, err := goCommand(root, "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", "./store")
	if err != nil {
		return nil, err
	}
	files := make(map[string]string)
	for _, line := range strings.Split(out, "\n") {
		importPath, file, _ := strings.Cut(line, " ")
		files[importPath] = file
	}
	open := func(importPath string) (io.ReadCloser, error) { return os.Open(files[importPath]) }
	return importer.ForCompiler(fset, "gc", open), nil
}

func TestLayersCanFail(t *testing.T) {
	t.Parallel()
	fset := token.NewFileSet()
	var files []*ast.File
	for name, text := range map[string]string{
		"top.go":    "package p\ntype Store struct { table }\nfunc (s *Store) Get() int { return s.get() + s.size }",
		"wait.go":   "package p\nfunc (s *Store) Wait() int { return s.Get() }",
		"bottom.go": "package p\ntype table struct { size int }\nfunc (t *table) get() int { return t.size }",
	} {
		file, err := parser.ParseFile(fset, name, text, parser.SkipObjectResolution)
		require.NoError(t, err)
		files = append(files, file)
	}
	all, err := uses(fset, files, nil)
	require.NoError(t, err)
	down := use{"top", "bottom", []string{"get", "size", "table"}}
	up := use{"wait", "top", []string{"Get", "Store"}}
	require.Equal(t, []use{down, up}, all)
	require.Equal(t, []use{up}, upward([]string{"top wait", "bottom"}, all))
	require.Empty(t, upward([]string{"wait", "top", "bottom"}, all))
}
