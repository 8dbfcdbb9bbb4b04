package policy

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	maxNinthDecile = 43
	// fewFunctions is the least number of functions for which a decile of their lengths is meaningful.
	fewFunctions = 20

	maxStoreLines = 5500 // of package store, without tests
	maxStoreFiles = 40
)

// decoders are the packages that decode bytes of a file or a request.
var decoders = []string{
	"schema", "store", "store/internal/backup", "store/internal/backupstream", "store/internal/batchcodec", "store/internal/boltfile",
	"store/internal/record", "store/internal/state", "store/raftstore",
}

// A pkgRule is a rule about whole packages.
type pkgRule struct {
	name  string
	where func(*pkg) bool
	check func(*pkg) []finding
	bad   map[string]string // path to text; has a finding
	good  map[string]string
}

var pkgRules = []pkgRule{{
	name:  "a package's comment is in doc.go, a program's in main.go or doc.go",
	where: func(p *pkg) bool { return len(p.code()) > 0 },
	check: packageComment,
	bad:   map[string]string{"store/a.go": "// Package p is.\npackage p", "store/doc.go": "package p"},
	good:  map[string]string{"store/a.go": "package p", "store/doc.go": "// Package p is.\npackage p"},
}, {
	name:  "a package below store/internal has its comment in doc.go",
	where: func(p *pkg) bool { return within(p.dir, "store/internal") },
	check: missingDoc,
	bad:   map[string]string{"store/internal/x/a.go": "// Package x is.\npackage x"},
	good:  map[string]string{"store/internal/x/doc.go": "// Package x is.\npackage x"},
}, {
	name:  "package store has at most 5,500 lines",
	where: isStore,
	check: longPackage,
	bad:   map[string]string{"store/a.go": lines(maxStoreLines - 1), "store/b.go": lines(2)},
	good:  map[string]string{"store/a.go": lines(maxStoreLines), "store/a_test.go": lines(2)},
}, {
	name:  "package store has at most 40 files",
	where: isStore,
	check: manyFiles,
	bad:   storeFiles(maxStoreFiles+1, ".go"),
	good:  storeFiles(maxStoreFiles+1, "_test.go"),
}, {
	name:  "nine functions in ten have at most 43 lines",
	where: func(p *pkg) bool { return len(p.lengths()) >= fewFunctions },
	check: longNinthDecile,
	bad:   map[string]string{"store/a.go": "package p\n" + functions(18, 3) + functions(3, 44)},
	good:  map[string]string{"store/a.go": "package p\n" + functions(18, 3) + functions(2, 44)},
}, {
	name:  "packages that decode bytes have fuzz targets",
	where: func(p *pkg) bool { return slices.Contains(decoders, p.dir) },
	check: unfuzzed,
	bad:   map[string]string{"store/a_test.go": "package p\nimport \"testing\"\nfunc TestFuzz(t *testing.T) {}"},
	good:  map[string]string{"store/a_test.go": "package p\nimport \"testing\"\nfunc FuzzA(f *testing.F) {}"},
}}

func TestPackages(t *testing.T) {
	t.Parallel()
	all := packages(load(t).sources)
	for _, rule := range pkgRules {
		t.Run(rule.name, func(t *testing.T) {
			for _, p := range all {
				if rule.where(p) {
					report(t, rule.name, rule.check(p))
				}
			}
		})
	}
}

func TestPackageRulesCanFail(t *testing.T) {
	t.Parallel()
	for _, rule := range pkgRules {
		t.Run(rule.name, func(t *testing.T) {
			bad, good := fixture(t, rule.bad), fixture(t, rule.good)
			require.True(t, rule.where(bad), "the rule does not bind its own example")
			require.NotEmpty(t, rule.check(bad), "the rule misses its own bad example")
			require.Empty(t, rule.check(good), "the rule reports its own good example")
		})
	}
}

// fixture parses the files of one package.
func fixture(t *testing.T, files map[string]string) *pkg {
	t.Helper()
	var sources []*source
	for path, text := range files {
		s, err := parse(path, []byte(text))
		require.NoError(t, err)
		sources = append(sources, s)
	}
	all := packages(sources)
	require.Len(t, all, 1)
	return all[0]
}

// TestDecodersAreThere fails if a decoder was renamed: TestUnitsAreThere checks that each unit is there.
func TestDecodersAreThere(t *testing.T) {
	t.Parallel()
	for _, dir := range decoders {
		require.Equal(t, dir, unitOf(dir).dir)
	}
}

// TestCommentShare logs the share of comment lines, usually 25 to 35 %. It has no limit: a figure is a poor judge of a
// comment.
func TestCommentShare(t *testing.T) {
	t.Parallel()
	for _, p := range packages(load(t).sources) {
		var comments, lines int
		for _, s := range p.code() {
			lines += s.lines
			for _, group := range s.file.Comments {
				comments += s.line(group.End()) - s.line(group.Pos()) + 1
			}
		}
		if lines > 0 {
			t.Logf("%s: %d of %d lines are comments, %d %%", p.dir, comments, lines, 100*comments/lines)
		}
	}
}

// code returns the files that are not tests.
func (p *pkg) code() []*source {
	return slices.DeleteFunc(slices.Clone(p.sources), (*source).isTest)
}

// lengths returns the lengths of the functions outside tests, in ascending order.
func (p *pkg) lengths() []int {
	var all []int
	for _, s := range p.code() {
		for _, fn := range s.functions() {
			all = append(all, s.length(fn))
		}
	}
	slices.Sort(all)
	return all
}

func packageComment(p *pkg) []finding {
	code := p.code()
	for _, s := range code {
		name := path.Base(s.path)
		if s.file.Doc != nil && (name == "doc.go" || name == "main.go" && s.file.Name.Name == "main") {
			return nil
		}
	}
	first := code[0]
	return []finding{first.found(first.file.Package, "package %s has no comment there", first.file.Name.Name)}
}

func missingDoc(p *pkg) []finding {
	if slices.ContainsFunc(p.sources, func(s *source) bool { return path.Base(s.path) == "doc.go" && s.file.Doc != nil }) {
		return nil
	}
	return []finding{{path: p.dir + "/doc.go", line: 1, text: "has no package comment"}}
}

func isStore(p *pkg) bool { return p.dir == "store" }

func longPackage(p *pkg) []finding {
	n := 0
	for _, s := range p.code() {
		n += s.lines
	}
	if n <= maxStoreLines {
		return nil
	}
	return []finding{{path: p.dir, line: 1, text: fmt.Sprintf("the package has %d lines", n)}}
}

func manyFiles(p *pkg) []finding {
	n := len(p.code())
	if n <= maxStoreFiles {
		return nil
	}
	return []finding{{path: p.dir, line: 1, text: fmt.Sprintf("the package has %d files", n)}}
}

// lines returns a source of n lines.
func lines(n int) string { return "package p" + strings.Repeat("\n", n) }

// storeFiles returns n files of package store.
func storeFiles(n int, suffix string) map[string]string {
	files := make(map[string]string)
	for i := range n {
		files[fmt.Sprintf("store/f%d%s", i, suffix)] = "package p"
	}
	return files
}

func longNinthDecile(p *pkg) []finding {
	lengths := p.lengths()
	decile := lengths[(len(lengths)*9-1)/10]
	if decile <= maxNinthDecile {
		return nil
	}
	s := p.code()[0]
	return []finding{s.found(s.file.Package, "one in ten of the functions of %s has %d lines or more", p.dir, decile)}
}

func unfuzzed(p *pkg) []finding {
	for _, s := range p.sources {
		if s.isTest() && slices.ContainsFunc(s.functions(), isFuzzTarget) {
			return nil
		}
	}
	s := p.sources[0]
	return []finding{s.found(s.file.Package, "no fuzz target in %s", p.dir)}
}

func isFuzzTarget(fn *ast.FuncDecl) bool {
	params := fn.Type.Params.List
	return fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Fuzz") && len(params) == 1 &&
		typePackage(params[0].Type) == "testing"
}
