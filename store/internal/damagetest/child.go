package damagetest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Environment variables of a child: its cases, and the directory for its files.
const (
	casesVar = "ALLOCSTORE_DAMAGED_CASES"
	dirVar   = "ALLOCSTORE_DAMAGED_DIR"
)

// Limits of one case. A case that exceeds them counts as a death.
const (
	maxTime = 20 * time.Second
	maxHeap = 2 << 30
)

// A Report has the results of all cases.
type Report struct {
	Verdicts map[string]int
	Deaths   []string
}

// InChildren runs the cases 0 to n-1 in child processes of t, a top-level test. The result of
// run is a verdict. A case that ends its process, hangs or uses too much memory is a death, and
// a new child goes on after it.
//
// run puts its files into dir. In a child InChildren does not return.
func InChildren(t *testing.T, n int, run func(dir string, n int) string) Report {
	t.Helper()
	if cases := os.Getenv(casesVar); cases != "" {
		runChild(cases, run)
	}
	dir := Dir(t)
	report := Report{Verdicts: make(map[string]int)}
	for next := 0; next < n; {
		out, err := child(t, dir, next, n)
		begun := -1
		for _, line := range strings.Split(out, "\n") {
			var i int
			if _, e := fmt.Sscanf(line, "case %d begins", &i); e == nil {
				begun = i
			}
			if at := strings.Index(line, " ends: "); at >= 0 {
				report.Verdicts[line[at+len(" ends: "):]]++
			}
		}
		if err == nil {
			break
		}
		if begun < next {
			t.Fatalf("the child for the cases from %d did not begin: %v\n%s", next, err, out)
		}
		report.Deaths = append(report.Deaths, fmt.Sprintf("case %d: %v\n%s", begun, err, tail(out, begun)))
		next = begun + 1
	}
	return report
}

// child runs the cases from next to n-1 in a new process.
func child(t *testing.T, dir string, next, n int) (string, error) {
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d", casesVar, next, n), dirVar+"="+dir)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// tail returns the first lines of output after case n began.
func tail(out string, n int) string {
	_, after, _ := strings.Cut(out, fmt.Sprintf("case %d begins\n", n))
	lines := strings.SplitN(after, "\n", 26)
	return strings.Join(lines[:min(len(lines), 25)], "\n")
}

// runChild runs the cases in the child, and ends it.
func runChild(cases string, run func(dir string, n int) string) {
	var from, to int
	if _, err := fmt.Sscan(cases, &from, &to); err != nil {
		fmt.Println(err)
		os.Exit(2)
	}
	for n := from; n < to; n++ {
		fmt.Printf("case %d begins\n", n)
		began := time.Now()
		done := make(chan struct{})
		go watch(began, done)
		verdict := run(os.Getenv(dirVar), n)
		close(done)
		fmt.Printf("case %d ends: %s\n", n, strings.ReplaceAll(verdict, "\n", " "))
	}
	os.Exit(0)
}

// watch ends the process if a case exceeds the limits.
func watch(began time.Time, done chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-time.After(100 * time.Millisecond):
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if time.Since(began) > maxTime || m.HeapAlloc > maxHeap {
			stacks := make([]byte, 1<<16)
			fmt.Printf("hangs, or eats the memory: %v, %d bytes\n%s\n", time.Since(began), m.HeapAlloc,
				stacks[:runtime.Stack(stacks, true)])
			os.Exit(3)
		}
	}
}

// Dir returns a directory for damaged files, in memory if possible: they are many and need not
// be durable.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "damaged-*")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
