package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"allocctl": main})
}

// TestScripts runs the scripts of testdata: command lines with their output. In a script $DOCUMENTED is
// a file with the documented allocation as a line of JSON, and $ID its ID.
func TestScripts(t *testing.T) {
	text, err := os.ReadFile("../../../testdata/allocation.json")
	require.NoError(t, err)
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			line := strings.Join(strings.Fields(string(text)), " ") + "\n"
			env.Setenv("DOCUMENTED", filepath.Join(env.WorkDir, "documented.jsonl"))
			env.Setenv("ID", "203266e5-e0d6-9486-5e05-397ed2b184af")
			return os.WriteFile(env.Getenv("DOCUMENTED"), []byte(line), 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"await": await},
	})
}

// await FILE NAME waits until the file has content, and sets the variable to it.
func await(ts *testscript.TestScript, _ bool, args []string) {
	for range 1000 {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && len(text) > 0 {
			ts.Setenv(args[1], string(text))
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("nothing comes to %s", args[0])
}
