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

// A unit is a directory with all below it that is not in another unit. Packages of one unit may import each other.
type unit struct {
	dir     string
	imports string // the other units that it may import
	// reach are the other modules that its code may need, directly or through others; nil is no limit. Tests have no
	// limit, apart from mayNotImport.
	reach  []string
	status status
}

// status says how a unit gets to its users. Its values are flags.
type status int

const ships status = 1 // part of an embedder's program

var (
	alone  = []string{}
	codecs = []string{msgpack, tagparser}
	both   = []string{bbolt, sys, msgpack, tagparser}
)

const storeParts = "store/internal/ctxio store/internal/readers store/internal/mutation store/internal/backupstream " +
	"store/internal/boltfile store/internal/record store/internal/logfile store/internal/lists store/internal/state " +
	"store/internal/plan store/internal/batchcodec store/internal/logcopy store/internal/backup store/internal/compaction " +
	"store/internal/membership"

// units is the direction of imports, from the bottom up. A package below store/internal needs a row.
var units = []unit{
	{"schema", "", codecs, ships},
	{"watch", "", alone, ships},
	{"index", "", alone, ships},
	{"store/internal/corrupt", "", alone, ships},
	{"store/internal/boltfile", "store/internal/corrupt", alone, ships},
	{"store/internal/ctxio", "", alone, ships},
	{"store/internal/segmentsize", "", alone, ships},
	{"store/internal/readers", "", alone, ships},
	{"store/internal/mutation", "schema", codecs, ships},
	{"store/internal/record", "schema store/internal/corrupt", codecs, ships},
	{"store/internal/backupstream", "store/internal/record", codecs, ships},
	{"store/internal/logfile", "schema index store/internal/record store/internal/boltfile", both, ships},
	{"store/internal/lists", "schema", codecs, ships},
	{"store/internal/state", "schema index store/internal/lists store/internal/record store/internal/logfile store/internal/boltfile", both, ships},
	{"store/internal/plan", "schema index store/internal/lists store/internal/record store/internal/logfile store/internal/state", both, ships},
	{"store/internal/membership", "store/internal/lists store/internal/record store/internal/logfile store/internal/state", both, ships},
	{"store/internal/logcopy", "schema store/internal/record store/internal/logfile store/internal/state", both, ships},
	{"store/internal/backup", "schema index store/internal/record store/internal/backupstream store/internal/logfile " +
		"store/internal/state store/internal/logcopy", both, ships},
	{"store/internal/compaction", "schema store/internal/readers store/internal/record store/internal/logfile " +
		"store/internal/state store/internal/logcopy", both, ships},
	{"store/internal/batchcodec", "schema store/internal/lists store/internal/record store/internal/plan", both, ships},
	{"store", "schema watch index " + storeParts, both, ships},
	{"store/httpapi", "schema watch index store", both, ships},
	{"store/storetest", "schema watch index store", nil, ships},                                              // brings an assertion library to its users' tests
	{"store/raftstore", "schema index store store/internal/boltfile store/internal/segmentsize", nil, ships}, // a module of its own, with raft
	{"store/raftstore/rafthttp", "schema store store/httpapi store/raftstore", nil, ships},
	{"store/cmd", "schema watch index store store/httpapi store/raftstore store/raftstore/rafthttp store/internal/ctxio " +
		"store/internal/logfile", nil, 0},
	{"store/internal/damagetest", "", nil, 0},
	{"store/internal/logtest", "schema store/internal/boltfile store/internal/lists store/internal/record store/internal/logfile " +
		"store/internal/state", nil, 0},
	{"store/internal/histories", "schema store", nil, 0},
	{"store/internal/powercut", "schema store store/raftstore store/internal/segmentsize", nil, 0},
	{"store/internal/clusters", "schema store store/raftstore", nil, 0},
	{"store/internal/policy", "", nil, 0},
	{"bench", "schema watch index store store/httpapi", both, 0},
	{"bench/cluster", "schema store store/raftstore bench", nil, 0}, // a module of its own, with raft and etcd
}

// mayNotImport forbids a module to a unit, tests included.
var mayNotImport = map[string]string{"schema": bbolt, "watch": bbolt}

// within reports whether path is root or below it.
func within(path, root string) bool {
	return path == root || strings.HasPrefix(path, root+"/")
}

// unitOf returns the innermost unit that holds dir, or the zero unit.
func unitOf(dir string) unit {
	var in unit
	for _, u := range units {
		if within(dir, u.dir) && len(u.dir) > len(in.dir) {
			in = u
		}
	}
	return in
}

// mayImport reports whether code of the unit, or its tests, may import the package in dir.
func (u unit) mayImport(dir string, test bool) bool {
	to := unitOf(dir).dir
	if to == u.dir || slices.Contains(strings.Fields(u.imports), to) {
		return true
	}
	mayUseStore := u.dir == "store" || slices.Contains(strings.Fields(u.imports), "store")
	return test && (to == "store/storetest" && mayUseStore || isTestHelper(dir))
}

// againstDirection reports imports within the project that the table does not allow.
func againstDirection(module string, s *source) []finding {
	from := unitOf(s.dir())
	if from.dir == "" || from.dir == "store" && within(s.dir(), "store/internal") {
		return []finding{s.found(s.file.Package, "%s has no row in units", s.dir())}
	}
	var found []finding
	for imported, pos := range s.imports() {
		dir, ours := strings.CutPrefix(imported, module+"/")
		if ours && !from.mayImport(dir, s.isTest()) {
			found = append(found, s.found(pos, "%s imports %s", from.dir, imported))
		}
	}
	return found
}

// againstBan reports imports that mayNotImport forbids.
func againstBan(s *source) []finding {
	forbidden, bound := mayNotImport[unitOf(s.dir()).dir]
	if !bound {
		return nil
	}
	return importing(forbidden)(s)
}

func TestImportsPointDown(t *testing.T) {
	t.Parallel()
	r := load(t)
	for _, s := range r.sources {
		report(t, "imports point one way", againstDirection(r.module, s))
		report(t, "schema and watch do not know the engine", againstBan(s))
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
		{"store/internal/x/a.go", "errors", false},
		{"store/internal/record/a.go", "m/schema", true},
		{"store/internal/record/a.go", "m/index", false},
		{"store/internal/record/a.go", "m/store/internal/state", false},
		{"store/internal/record/a_test.go", "m/store/internal/damagetest", true},
		{"store/internal/readers/a.go", "m/store/internal/state", false},
		{"store/internal/backupstream/a.go", "m/store/internal/logfile", false},
		{"store/internal/logfile/a.go", "m/store/internal/record", true},
		{"store/internal/logfile/a_test.go", "m/store", false},
		{"store/internal/state/a.go", "m/store/internal/logfile", true},
		{"store/internal/state/a.go", "m/store/internal/damagetest", false},
		{"store/internal/state/sub/a.go", "m/store/internal/state", true},
		{"store/internal/state/a.go", "m/store", false},
		{"store/internal/compaction/a.go", "m/store/internal/logcopy", true},
		{"store/internal/compaction/a.go", "m/store", false},
		{"store/internal/compaction/a.go", "m/store/internal/plan", false},
		{"store/internal/logcopy/a.go", "m/store/internal/compaction", false},
		{"store/internal/histories/a_test.go", "m/store", true},
		{"store/a.go", "m/store/internal/state", true},
		{"store/httpapi/a.go", "m/store/internal/state", false},
		{"store/a.go", "m/store/httpapi", false},
		{"store/a.go", "m/store/raftstore", false},
		{"store/raftstore/a.go", "m/store", true},
		{"store/raftstore/a.go", "m/store/internal/logfile", false},
		{"store/raftstore/a.go", "m/store/raftstore/rafthttp", false},
		{"store/raftstore/rafthttp/a.go", "m/store/raftstore", true},
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
		found := append(againstDirection("m", s), againstBan(s)...)
		require.Equal(t, c.ok, len(found) == 0, "%s imports %s: %v", c.path, c.imports, found)
	}
}

// TestUnitsAreThere fails if a row names a directory that was renamed.
func TestUnitsAreThere(t *testing.T) {
	t.Parallel()
	sources := load(t).sources
	for _, u := range units {
		if !slices.ContainsFunc(sources, func(s *source) bool { return unitOf(s.dir()).dir == u.dir }) {
			t.Errorf("%s has a row in units and no Go file", u.dir)
		}
	}
}

// A listed is a package in the output of go list.
type listed struct {
	ImportPath string
	Module     *struct{ Path string }
	Deps       []string
}

// TestReach checks all dependencies on this platform. TestImportsPointDown checks direct imports on every platform.
func TestReach(t *testing.T) {
	t.Parallel()
	r := load(t)
	out, err := goCommand(r.root, "list", "-deps", "-json=ImportPath,Module,Deps", "./...")
	require.NoError(t, err)
	all, err := decodeListed(out)
	require.NoError(t, err)
	require.Contains(t, all, r.module+"/store")
	report(t, "code needs no other modules", outOfReach(r.module, all))
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

// decodeListed decodes the output of go list -json by import path.
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
		allowed := unitOf(dir).reach
		if !ours || allowed == nil || isTestHelper(dir) {
			continue
		}
		for _, dep := range p.Deps {
			d := all[dep] // nil for the pseudo-package C
			if d == nil || d.Module == nil || d.Module.Path == module {
				continue
			}
			if !slices.Contains(allowed, d.Module.Path) {
				found = append(found, finding{path: dir + "/doc.go", line: 1, text: dir + " needs " + dep})
			}
		}
	}
	return found
}
