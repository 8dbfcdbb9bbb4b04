package policy

import (
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	bbolt     = "go.etcd.io/bbolt"
	msgpack   = "github.com/vmihailenco/msgpack/v5"
	tagparser = "github.com/vmihailenco/tagparser/v2"
	sys       = "golang.org/x/sys"
)

// mayImport is the direction of imports. A unit is a directory with all below it that is not a unit of its own;
// within a unit everything may import everything.
var mayImport = map[string][]string{
	"schema":          {},
	"watch":           {},
	"index":           {},
	"store":           {"schema", "watch", "index"},
	"store/httpapi":   {"store", "schema", "watch", "index"},
	"store/storetest": {"store", "schema", "watch", "index"},
	"store/cmd":       {"store", "schema", "watch", "index", "store/httpapi"},
	"bench":           {"store", "schema", "watch", "index", "store/httpapi"},
}

// libraries are the units that become part of an embedder's program.
var libraries = map[string]bool{
	"schema": true, "watch": true, "index": true, "store": true, "store/httpapi": true, "store/storetest": true,
}

// mayReach lists the modules that a unit's code may need, directly or through others. Tests are free, but for what
// mayNotTouch says. The conformance suite is not here: it brings an assertion library to its users' tests.
var mayReach = map[string][]string{
	"schema":        {msgpack, tagparser},
	"watch":         {},
	"index":         {bbolt, sys},
	"store":         {bbolt, sys, msgpack, tagparser},
	"store/httpapi": {bbolt, sys, msgpack, tagparser},
	"bench":         {bbolt, sys, msgpack, tagparser},
}

// mayNotTouch binds tests as well.
var mayNotTouch = map[string]string{"schema": bbolt, "watch": bbolt}

// within says whether path is root or below it.
func within(path, root string) bool {
	return path == root || strings.HasPrefix(path, root+"/")
}

// unitOf is the innermost unit that holds dir, or "".
func unitOf(dir string) string {
	unit := ""
	for u := range mayImport {
		if within(dir, u) && len(u) > len(unit) {
			unit = u
		}
	}
	return unit
}

// againstDirection reports imports within the project that do not point down.
func againstDirection(module string, s *source) []finding {
	from := unitOf(s.dir())
	if from == "" {
		return []finding{s.found(s.file.Package, "%s is no part of the layout", s.dir())}
	}
	var found []finding
	for imported, pos := range s.imports() {
		if !within(imported, module) {
			continue
		}
		to := unitOf(strings.TrimPrefix(imported, module+"/"))
		if to == from || slices.Contains(mayImport[from], to) || s.isTest() && mayUseSuite(from, to) {
			continue
		}
		found = append(found, s.found(pos, "%s imports %s", from, imported))
	}
	return found
}

// mayUseSuite allows the conformance suite to the tests of the store and of all above it.
func mayUseSuite(from, to string) bool {
	return to == "store/storetest" && (from == "store" || slices.Contains(mayImport[from], "store"))
}

// touching reports imports of the engine where not even a test may know it.
func touching(s *source) []finding {
	forbidden, bound := mayNotTouch[unitOf(s.dir())]
	if !bound {
		return nil
	}
	return importing(forbidden)(s)
}

func TestImportsPointDown(t *testing.T) {
	t.Parallel()
	r := load(t)
	for _, s := range r.sources {
		report(t, under("imports point one way", againstDirection(r.module, s)))
		report(t, under("schema and watch do not know the engine", touching(s)))
	}
}

func TestImportRulesCanFail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path, imports string
		ok            bool
	}{
		{"store/a.go", "m/schema", true},
		{"store/httpapi/a.go", "m/store", true},
		{"store/internal/x/a.go", "m/store", true},
		{"store/internal/x/a.go", "m/store/httpapi", false},
		{"store/a.go", "m/store/httpapi", false},
		{"store/a_test.go", "m/store/httpapi", false},
		{"store/a_test.go", "m/store/storetest", true},
		{"store/a.go", "m/store/storetest", false},
		{"schema/a.go", "m/watch", false},
		{"watch/a_test.go", "m/schema", false},
		{"watch/a_test.go", "m/store/storetest", false},
		{"index/a.go", "m/store", false},
		{"index/a.go", bbolt, true},
		{"schema/a_test.go", bbolt, false},
		{"schemas/a.go", "errors", false},
		{"bench/a.go", "m/store", true},
		{"store/a.go", "m/bench", false},
	} {
		s, err := parse(c.path, []byte("package p\nimport _ \""+c.imports+"\""))
		require.NoError(t, err)
		found := append(againstDirection("m", s), touching(s)...)
		require.Equal(t, c.ok, len(found) == 0, "%s imports %s: %v", c.path, c.imports, found)
	}
}

// listed is what the go command says about a package.
type listed struct {
	ImportPath string
	Module     *struct{ Path string }
	Deps       []string
}

// TestReach looks through all dependencies, on this platform, where the rule above sees direct imports on all.
func TestReach(t *testing.T) {
	t.Parallel()
	r := load(t)
	out, err := goCommand(r.root, "list", "-deps", "-json=ImportPath,Module,Deps", "./...")
	require.NoError(t, err)
	all, err := decodeListed(out)
	require.NoError(t, err)
	require.Contains(t, all, r.module+"/store")
	report(t, under("code needs no other modules", outOfReach(r.module, all)))
}

func TestReachCanFail(t *testing.T) {
	t.Parallel()
	all, err := decodeListed(`{"ImportPath": "m/watch", "Module": {"Path": "m"}, "Deps": ["errors", "x/y"]}
		{"ImportPath": "errors"} {"ImportPath": "x/y", "Module": {"Path": "x"}}`)
	require.NoError(t, err)
	require.Len(t, outOfReach("m", all), 1, "a package of another module")
	all["m/watch"].Deps = []string{"errors"}
	require.Empty(t, outOfReach("m", all), "the standard library")
}

// decodeListed reads the go command's stream of objects.
func decodeListed(out string) (map[string]*listed, error) {
	all := make(map[string]*listed)
	decoder := json.NewDecoder(strings.NewReader(out))
	for {
		var p listed
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all[p.ImportPath] = &p
	}
}

func outOfReach(module string, all map[string]*listed) []finding {
	var found []finding
	for path, p := range all {
		dir, ours := strings.CutPrefix(path, module+"/")
		allowed, bound := mayReach[unitOf(dir)]
		if !ours || !bound || helperOf(dir) {
			continue
		}
		for _, dep := range p.Deps {
			d := all[dep] // nil for the pseudo-package C
			if d == nil || d.Module == nil || d.Module.Path == module {
				continue
			}
			if !slices.Contains(allowed, d.Module.Path) {
				found = append(found, finding{path: dir + "/doc.go", line: 1, what: dir + " needs " + dep})
			}
		}
	}
	return found
}
