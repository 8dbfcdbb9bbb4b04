package policy

import (
	"flag"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// maxUnclear is the share of unclear clauses, in per cent, that a package may have. bolt, bbolt, raft-wal, go-memdb,
// statedb, log/slog and Pebble have 0.0 to 0.4 % under the same words.
const maxUnclear = 1

// unclear matches the words that stand where a sentence needs a noun.
var unclear = regexp.MustCompile(`(?i)` + strings.Join([]string{
	`\bwho(?:m|ever|mever)?\b`,
	`\b(?:no|some|any|every)body\b`,
	`\b(?-i:none)\b`, // None is an identifier
	`\bwhat\b`,
	`\bof which\b`,
	`\bbut for\b`,
	`\bto be had\b`,
	`\bsuch as are\b`,
	`\bis how (?:many|much|long|far|often)\b`,
}, `|`))

// ordinary matches uses of the same words that are common in the comments of other databases.
var ordinary = regexp.MustCompile(`(?i)` + strings.Join([]string{
	`\b(?:none of|(?:for|or) none)\b`,
	`\bwhat (?:we|if|to do|happen(?:s|ed))\b`,
	`\bwhat (?:kind|type|state|version|sort)s?\b`,
	`\bwhat (?:the )?[\w.]+ (?:returns?|returned|does|expects)\b`,
	`\b(?:regardless of|depending on|determines?|determined|matters?|knows?|known|sure|see|work out) what\b`,
}, `|`))

// listUnclear names a directory whose unclear clauses are listed, below the limit too:
//
//	go test ./store/internal/policy -run TestPlainEnglish -v -unclear store
var listUnclear = flag.String("unclear", "", "list the unclear clauses of this `directory`")

// A clause is the text between two marks: . , ; : ! ? ( ) | and dashes.
type clause struct {
	path string
	line int
	text string
}

func (c clause) isClear() bool { return !unclear.MatchString(ordinary.ReplaceAllString(c.text, "")) }

// clauses splits text, whose first line is the given line of the file at path. Headings and preformatted lines are
// left out.
func clauses(path string, line int, text string) []clause {
	var all []clause
	words := clause{path: path}
	end := func() {
		if strings.ContainsFunc(words.text, isLetter) {
			words.text = strings.TrimSpace(words.text)
			all = append(all, words)
		}
		words.text = ""
	}
	for i, l := range strings.Split(text, "\n") {
		if !isProse(l) {
			end()
			continue
		}
		for _, word := range strings.Fields(l) {
			if strings.HasPrefix(word, "(") || strings.Trim(word, "-–—|*") == "" {
				end()
			}
			if words.text == "" {
				words.line = line + i
			}
			words.text += " " + strings.Trim(word, "[]*|-–—")
			if strings.ContainsAny(lastByte(strings.TrimRight(word, `"'*]`)), ".,;:!?)|") {
				end()
			}
		}
	}
	end()
	return all
}

func isLetter(r rune) bool { return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' }

func isProse(line string) bool {
	trimmed := strings.TrimSpace(line)
	return trimmed != "" && trimmed[0] != '#' && !strings.HasPrefix(line, "\t") && !strings.HasPrefix(line, "    ")
}

func lastByte(s string) string { return s[max(0, len(s)-1):] }

// commentClauses returns the clauses of the file's comments, without directives.
func commentClauses(s *source) []clause {
	var all []clause
	for _, group := range s.file.Comments {
		var text strings.Builder
		for _, c := range group.List {
			if line, ok := strings.CutPrefix(c.Text, "// "); ok {
				text.WriteString(line)
			} else if strings.HasPrefix(c.Text, "//\t") || strings.HasPrefix(c.Text, "/*") {
				text.WriteString(strings.TrimSuffix(c.Text[2:], "*/"))
			}
			text.WriteByte('\n')
		}
		all = append(all, clauses(s.path, s.line(group.Pos()), text.String())...)
	}
	return all
}

var (
	fenced    = regexp.MustCompile("(?s)```.*?```")
	codeSpans = regexp.MustCompile("`[^`\n]*`")
)

// markdownClauses returns the clauses of a Markdown file, without code.
func markdownClauses(path, text string) []clause {
	text = fenced.ReplaceAllStringFunc(text, func(code string) string {
		return strings.Repeat("\n", strings.Count(code, "\n")) // the other lines keep their numbers
	})
	return clauses(path, 1, codeSpans.ReplaceAllString(text, "code"))
}

// TestPlainEnglish has a subtest for the Go files of each directory, and one for its Markdown files.
func TestPlainEnglish(t *testing.T) {
	t.Parallel()
	r := load(t)
	byName := make(map[string][]clause)
	for _, s := range r.sources {
		byName[s.dir()] = append(byName[s.dir()], commentClauses(s)...)
	}
	for file, text := range r.markdown {
		name := path.Join(path.Dir(file), "*.md")
		byName[name] = append(byName[name], markdownClauses(file, text)...)
	}
	var all, allUnclear int
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		found := onlyUnclear(byName[name])
		all, allUnclear = all+len(byName[name]), allUnclear+len(found)
		t.Run(name, func(t *testing.T) { requirePlain(t, name, len(byName[name]), found) })
	}
	if t.Logf("whole project: %s", share(allUnclear, all)); !mayBeUnclear(allUnclear, all) {
		t.Errorf("more than %d %% of the project's clauses are unclear", maxUnclear)
	}
}

func onlyUnclear(all []clause) []clause { return slices.DeleteFunc(slices.Clone(all), clause.isClear) }

// requirePlain fails the test if too many of n clauses are unclear, and lists these.
func requirePlain(t *testing.T, name string, n int, found []clause) {
	t.Helper()
	t.Log(share(len(found), n))
	ok := mayBeUnclear(len(found), n)
	if !ok {
		t.Errorf("rule: at most %d %% of a package's clauses have words like whoever, nobody, what or none", maxUnclear)
	}
	listed := *listUnclear != "" && (path.Clean(*listUnclear) == name || path.Join(*listUnclear, "*.md") == name)
	if !ok || listed {
		for _, c := range found {
			t.Logf("%s:%d: %s", c.path, c.line, c.text)
		}
	}
}

// mayBeUnclear reports whether so many of n clauses may be unclear. A small package may have one.
func mayBeUnclear(count, n int) bool { return count <= max(1, n*maxUnclear/100) }

func share(count, n int) string {
	return fmt.Sprintf("%d of %d clauses are unclear, %.1f %%", count, n, 100*float64(count)/float64(max(1, n)))
}

// TestPlainEnglishCanFail has sentences that were rewritten, each before and after.
func TestPlainEnglishCanFail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ before, after string }{{
		"bound reports whether the sum in the file is that of a transaction. It is from the first\ncommit in format 2 on: " +
			"what is not, and came after one that is, has been left behind by one before them.",
		"sumHasTxid reports whether the stored sum includes the transaction's ID, as all sums of format 2 do. A newer " +
			"state\nwithout it is stale.",
	}, {
		"maxGroupBytes bounds what the batches of a group bring, and what they write, each but for a last batch, and " +
			"with\nit how long a writer of a small batch waits.",
		"maxGroupBytes bounds a group's input and its output; the last batch may exceed either.",
	}, {
		"look returns the end of a wait whose waiter was told so, or nil if it goes on. Who was told nothing gives 0.",
		"result returns what the wait returns, or nil to go on waiting. kind is the signal received, 0 for none.",
	}, {
		"What there is no room for stays a hole: the transaction may still find some on a disk that is all but full ...",
		"A full disk is ignored here: a small commit, such as a deletion, may still fit, and one that does not fails by " +
			"itself.",
	}, {
		"take makes c the version after the record r, which has size bytes at k; before it, c was the version that r " +
			"replaces,\nor what is left of it.",
		"apply advances c by record r, stored under k in size bytes.",
	}, {
		"never is when a clock rings that nobody waits for.",
		"never is the deadline of an empty heap.",
	}, {
		"A damaged page, or a record of which it is not known whose it is, keeps the whole file from opening.",
		"A damaged page, or a record with a damaged header, keeps the file from opening.",
	}} {
		before, after := "// "+strings.ReplaceAll(c.before, "\n", "\n// "), "/*\n"+c.after+"\n*/"
		require.NotEmpty(t, onlyUnclear(commentClauses(commented(t, before))), c.before)
		require.NotEmpty(t, onlyUnclear(markdownClauses("x.md", c.before)), c.before)
		require.Empty(t, onlyUnclear(commentClauses(commented(t, after))), c.after)
		require.Empty(t, onlyUnclear(markdownClauses("x.md", c.after)), c.after)
	}
	require.True(t, mayBeUnclear(3, 300))
	require.False(t, mayBeUnclear(4, 300))
}

func commented(t *testing.T, comment string) *source {
	t.Helper()
	s, err := parse("store/a.go", []byte(comment+"\npackage p"))
	require.NoError(t, err)
	return s
}

func TestClauses(t *testing.T) {
	t.Parallel()
	s := commented(t, "// # What it is\n//\n// A [Store] (one file, x.db) is\n// opened - once.\n//\n//\twhat()\n//\n"+
		"//go:what\n// It does so.")
	require.Equal(t, []clause{
		{"store/a.go", 3, "A Store"},
		{"store/a.go", 3, "(one file,"},
		{"store/a.go", 3, "x.db)"},
		{"store/a.go", 3, "is opened"},
		{"store/a.go", 4, "once."},
		{"store/a.go", 9, "It does so."},
	}, commentClauses(s))
	require.Equal(t, []clause{
		{"x.md", 5, "A code b:"},
		{"x.md", 6, "c"},
		{"x.md", 6, "d"},
	}, markdownClauses("x.md", "# What\n```\nwhat\n```\n- A `what` b:\n| c | d |"))
}
