package policy

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// maxReadmeLines bounds README, which is for a stranger.
const maxReadmeLines = 150

// namedTest is a test in backticks; a star at its end stands for any name that begins so.
var namedTest = regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w*)(\\*?)`")

// namedPath is a path of the project in backticks.
var namedPath = regexp.MustCompile("`((?:schema|index|watch|store|bench|testdata|results)/[\\w./-]*|\\.ci/\\w+)`")

// missingNames returns what the text names and the project lacks: tests and paths, the latter from one of the directories.
func missingNames(text string, tests map[string]bool, dirs ...string) []string {
	var missing []string
	for _, m := range namedTest.FindAllStringSubmatch(text, -1) {
		found := tests[m[1]]
		for name := range tests {
			found = found || m[2] == "*" && strings.HasPrefix(name, m[1])
		}
		if !found {
			missing = append(missing, m[0])
		}
	}
	for _, m := range namedPath.FindAllStringSubmatch(text, -1) {
		found := false
		for _, dir := range dirs {
			_, err := os.Stat(filepath.Join(dir, m[1]))
			found = found || err == nil
		}
		if !found {
			missing = append(missing, m[0])
		}
	}
	return missing
}

// testNames returns the names of all test functions.
func testNames(r *repo) map[string]bool {
	names := make(map[string]bool)
	for _, s := range r.sources {
		if s.isTest() {
			for _, fn := range s.functions() {
				names[fn.Name.Name] = true
			}
		}
	}
	return names
}

// TestReadme holds README and its neighbours to the tree: the tests and files that they name exist, README has at most
// maxReadmeLines, and its snippets are the body of Example.
func TestReadme(t *testing.T) {
	t.Parallel()
	r := load(t)
	tests := testNames(r)
	for _, file := range []string{"README.md", "store/GUARANTEES.md", "bench/README.md", "store/doc.go", "store/httpapi/doc.go", "store/cmd/allocctl/doc.go"} {
		text, err := os.ReadFile(filepath.Join(r.root, file))
		require.NoError(t, err)
		require.Empty(t, missingNames(string(text), tests, r.root, filepath.Join(r.root, filepath.Dir(file))), "rule: %s names tests and files that exist", file)
	}
	text, err := os.ReadFile(filepath.Join(r.root, "README.md"))
	require.NoError(t, err)
	require.LessOrEqual(t, strings.Count(string(text), "\n"), maxReadmeLines, "rule: README has at most %d lines", maxReadmeLines)

	example, err := os.ReadFile(filepath.Join(r.root, "store/example_test.go"))
	require.NoError(t, err)
	body := strings.ReplaceAll(string(example), `filepath.Join(dir, "state.db")`, `"state.db"`) // of a temporary directory
	for _, snippet := range strings.Split(string(text), "```go\n")[1:] {
		snippet, _, _ = strings.Cut(snippet, "```")
		for _, line := range strings.Split(snippet, "\n") {
			require.Contains(t, body, strings.TrimSpace(line), "rule: README's snippets are Example")
		}
	}
}

func TestReadmeCanFail(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{"TestModel": true, "TestWaitAny": true}
	require.Empty(t, missingNames("`TestModel`, `TestWait*`", tests))
	require.Equal(t, []string{"`TestModels`", "`FuzzWait*`"}, missingNames("`TestModels`, `FuzzWait*`", tests))
	root := "../../.."
	require.Empty(t, missingNames("`store/doc.go`, `bench/results/`", nil, root))
	require.Equal(t, []string{"`store/gone.go`"}, missingNames("`store/gone.go`", nil, root))
}
