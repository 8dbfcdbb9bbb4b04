package policy

import (
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// topLevel has all visible names of the root directory.
var topLevel = []string{"store", "index", "watch", "schema", "bench", "testdata", "go.mod", "go.sum", "README.md"}

// mayRequire maps a module that the library may require to the reason. The reason for another one is a measurement.
var mayRequire = map[string]string{
	bbolt:                         "the engine",
	msgpack:                       "the format, and the oracle of its hand-written codecs",
	"github.com/stretchr/testify": "tests",
}

// A modFile is the content of a go.mod, as go mod edit -json prints it.
type modFile struct {
	Require []struct {
		Path     string
		Indirect bool
	}
	Replace []struct {
		Old struct{ Path string }
		New struct{ Path string }
	}
	Tool []struct{ Path string }
}

func TestTopLevel(t *testing.T) {
	t.Parallel()
	report(t, "the top level shows the layout only", extras(t, os.DirFS(load(t).root)))
}

func TestTopLevelCanFail(t *testing.T) {
	t.Parallel()
	root := fstest.MapFS{"go.mod": {}, "store/doc.go": {}, ".github/x": {}}
	require.Empty(t, extras(t, root))
	root["util/doc.go"] = &fstest.MapFile{}
	require.Len(t, extras(t, root), 1)
}

// extras reports visible names of the root directory that are not in topLevel, committed or not.
func extras(t *testing.T, root fs.FS) []finding {
	t.Helper()
	entries, err := fs.ReadDir(root, ".")
	require.NoError(t, err)
	var found []finding
	for _, entry := range entries {
		if name := entry.Name(); !strings.HasPrefix(name, ".") && !slices.Contains(topLevel, name) {
			found = append(found, finding{path: name, line: 1, text: "does not belong at the top level"})
		}
	}
	return found
}

func TestRequirements(t *testing.T) {
	t.Parallel()
	m := readMod(t, load(t).root)
	require.NotEmpty(t, m.Require)
	report(t, "an embedder's module graph stays clean", unclean(m))
}

func TestRequirementsCanFail(t *testing.T) {
	t.Parallel()
	for mod, want := range map[string]int{
		`{"Require": [{"Path": "go.etcd.io/bbolt"}, {"Path": "x.org/y", "Indirect": true}]}`: 0,
		`{"Require": [{"Path": "x.org/y"}]}`:                                                 1,
		`{"Tool": [{"Path": "x.org/y/cmd"}], "Replace": [{"Old": {"Path": "x.org/y"}}]}`:     2,
	} {
		var m modFile
		require.NoError(t, json.Unmarshal([]byte(mod), &m))
		require.Len(t, unclean(m), want, mod)
	}
}

// unclean reports requirements that are not allowed, and replacements and tools, which belong into nested modules.
func unclean(m modFile) []finding {
	var found []finding
	for _, r := range m.Require {
		if _, ok := mayRequire[r.Path]; !ok && !r.Indirect {
			found = append(found, finding{path: "go.mod", line: 1, text: "requires " + r.Path})
		}
	}
	for _, r := range m.Replace {
		text := "replaces " + r.Old.Path + ", which embedders do not see"
		found = append(found, finding{path: "go.mod", line: 1, text: text})
	}
	for _, tool := range m.Tool {
		found = append(found, finding{path: "go.mod", line: 1, text: "has the tool " + tool.Path})
	}
	return found
}

// TestNestedModules checks that nested modules use the library in this repository.
func TestNestedModules(t *testing.T) {
	t.Parallel()
	r := load(t)
	for _, file := range r.nested {
		dir := path.Dir(file)
		m := readMod(t, filepath.Join(r.root, filepath.FromSlash(dir)))
		report(t, "a nested module uses the library beside it", elsewhere(r.module, file, m))
	}
}

func TestNestedModulesCanFail(t *testing.T) {
	t.Parallel()
	var m modFile
	require.NoError(t, json.Unmarshal([]byte(`{"Replace": [{"Old": {"Path": "m"}, "New": {"Path": "../.."}}]}`), &m))
	require.Empty(t, elsewhere("m", "bench/peers/go.mod", m))
	require.Len(t, elsewhere("m", "peers/go.mod", m), 1, "a replacement by another directory")
	require.Len(t, elsewhere("m", "bench/peers/go.mod", modFile{}), 1, "no replacement")
}

func elsewhere(module, file string, m modFile) []finding {
	for _, r := range m.Replace {
		if r.Old.Path == module && path.Join(path.Dir(file), r.New.Path) == "." {
			return nil
		}
	}
	return []finding{{path: file, line: 1, text: "does not replace the library by the root directory"}}
}

func readMod(t *testing.T, dir string) modFile {
	t.Helper()
	out, err := goCommand(dir, "mod", "edit", "-json")
	require.NoError(t, err)
	var m modFile
	require.NoError(t, json.Unmarshal([]byte(out), &m))
	return m
}
