package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// TestRules runs the scripts in testdata/rules, each on a store of its own.
//
// A script is a sequence of blocks: commands, a line of dashes, and their expected output. With
// -rewrite the test writes the actual output into the script. The writes of a block are one batch:
//
//	upsert ID [node=N] [job=J|none] [jobid=J] [group=G] [desired=S] [status=S] [desc=S] [prev=ID] [next=ID]
//	client ID [status=S] [desc=S] [task=NAME:STATE]
//	event ID TASK STATE|- TYPE TIME [fails] [n=COUNT]
//	status ID [STATUS] [desc=S]     SetClientStatus
//	desired ID [STATUS] [desc=S]    SetDesiredStatus
//	delete ID
//	at INDEX             apply the batch at this index
//
// The commands "show ID", "events ID TASK" and "reopen" print the store's content after the batch.
// IDs are letters.
func TestRules(t *testing.T) {
	t.Parallel()
	scripts, err := filepath.Glob("../testdata/rules/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, scripts)
	for _, path := range scripts {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			r := &ruleRunner{t: t, path: tempPath(t, "rules.db")}
			r.s = open(t, r.path, nil)
			got := r.run(string(text))
			if *rewrite {
				writeFile(t, path, got)
				return
			}
			require.Equal(t, string(text), got)
		})
	}
}

// A ruleRunner runs one script on one store.
type ruleRunner struct {
	t    *testing.T
	path string
	s    *store.Store

	batch *store.Batch
	at    uint64
	out   strings.Builder
}

// run returns the script with the actual output.
func (r *ruleRunner) run(script string) string {
	var blocks []string
	for block := range strings.SplitSeq(strings.TrimSpace(script), "\n\n") {
		commands, _, found := strings.Cut(block, "\n----\n")
		if !found {
			commands = strings.TrimSuffix(block, "\n----")
		}
		if strings.Contains(block, "----") {
			block = commands + "\n----\n" + r.block(commands)
		}
		blocks = append(blocks, strings.TrimRight(block, "\n"))
	}
	return strings.Join(blocks, "\n\n") + "\n"
}

// block runs the commands of one block, the writes first, and returns the output.
func (r *ruleRunner) block(commands string) string {
	r.batch, r.at = new(store.Batch), 0
	r.out.Reset()
	var queries [][]string
	for line := range strings.SplitSeq(commands, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		if !r.write(words) {
			queries = append(queries, words)
		}
	}
	if r.batch.Len() > 0 || r.at > 0 {
		r.apply()
	}
	for _, words := range queries {
		r.query(words)
	}
	return r.out.String()
}

// letter returns the ID of a letter.
func letter(s string) string {
	if len(s) != 1 {
		return s
	}
	return strings.Repeat(s, 8) + "-0000-0000-0000-000000000000"
}

// options returns the name=value words of a command.
func options(words []string) map[string]string {
	o := map[string]string{}
	for _, w := range words {
		name, value, _ := strings.Cut(w, "=")
		o[name] = value
	}
	return o
}

// write adds the command's write to the batch. It reports false if the command is no write.
func (r *ruleRunner) write(words []string) bool {
	switch words[0] {
	case "upsert":
		o := options(words[2:])
		a := &schema.Allocation{
			ID: letter(words[1]), NodeID: o["node"], DesiredStatus: o["desired"], ClientStatus: o["status"], ClientDescription: o["desc"],
			JobID: o["jobid"], TaskGroup: o["group"], PreviousAllocation: letter(o["prev"]), NextAllocation: letter(o["next"]),
		}
		if o["job"] != "none" {
			a.Job = &schema.Job{ID: "job" + o["job"]}
		}
		r.batch.Upsert(a)
	case "client":
		o := options(words[2:])
		a := &schema.Allocation{ID: letter(words[1]), ClientStatus: o["status"], ClientDescription: o["desc"], NodeID: "ignored"}
		if task, state, ok := strings.Cut(o["task"], ":"); ok {
			a.TaskStates = map[string]*schema.TaskState{task: {State: state}}
		}
		r.batch.UpdateFromClient(a)
	case "event":
		r.event(words)
	case "status", "desired":
		set := map[string]func(id, status, description string){"status": r.batch.SetClientStatus, "desired": r.batch.SetDesiredStatus}[words[0]]
		words = append(words, "", "")
		set(letter(words[1]), words[2], strings.TrimPrefix(words[3], "desc="))
	case "delete":
		r.batch.Delete(letter(words[1]))
	case "at":
		at, err := strconv.ParseUint(words[1], 10, 64)
		require.NoError(r.t, err)
		r.at = at
	default:
		return false
	}
	return true
}

func (r *ruleRunner) event(words []string) {
	o := options(words[6:])
	time, err := strconv.ParseInt(words[5], 10, 64)
	require.NoError(r.t, err)
	_, fails := o["fails"]
	count := 1
	if o["n"] != "" {
		count, err = strconv.Atoi(o["n"])
		require.NoError(r.t, err)
	}
	for i := range count {
		ev := schema.TaskEvent{Type: strings.ReplaceAll(words[4], "_", " "), Time: time + int64(i), FailsTask: fails}
		r.batch.AppendTaskEvent(letter(words[1]), words[2], strings.TrimPrefix(words[3], "-"), ev)
	}
}

func (r *ruleRunner) apply() {
	apply := func() (store.Applied, error) { return r.s.Apply(r.t.Context(), r.batch) }
	if r.at > 0 {
		apply = func() (store.Applied, error) { return r.s.ApplyAt(r.t.Context(), r.at, r.batch) }
	}
	a, err := apply()
	if err != nil {
		fmt.Fprintf(&r.out, "error: %v\n", err)
		return
	}
	fmt.Fprintf(&r.out, "index %d", a.Index)
	if a.Unchanged > 0 {
		fmt.Fprintf(&r.out, ", %d unchanged", a.Unchanged)
	}
	for _, id := range a.Unknown {
		fmt.Fprintf(&r.out, ", %s unknown", id[:1])
	}
	fmt.Fprintln(&r.out)
}

func (r *ruleRunner) query(words []string) {
	switch words[0] {
	case "show":
		for _, id := range words[1:] {
			a, err := r.s.Get(letter(id))
			if err != nil {
				fmt.Fprintf(&r.out, "%s: %v\n", id, err)
				continue
			}
			fmt.Fprintf(&r.out, "%s: create %d modify %d alloc %d", id, a.CreateIndex, a.ModifyIndex, a.AllocModifyIndex)
			fmt.Fprintf(&r.out, ", node %q job %q desired %q status %q desc %q", a.NodeID, a.JobID, a.DesiredStatus, a.ClientStatus, a.ClientDescription)
			fmt.Fprintf(&r.out, ", prev %.1s next %.1s, tasks %d\n", a.PreviousAllocation, a.NextAllocation, len(a.TaskStates))
		}
	case "events":
		r.events(words)
	case "reopen":
		shut(r.t, r.s)
		r.s = open(r.t, r.path, nil)
		fmt.Fprintf(&r.out, "last index %d\n", r.s.LastIndex())
	default:
		require.Fail(r.t, "unknown command", "%q", words)
	}
}

func (r *ruleRunner) events(words []string) {
	a, err := r.s.Get(letter(words[1]))
	require.NoError(r.t, err)
	ts := a.TaskStates[words[2]]
	fmt.Fprintf(&r.out, "%s %s: %s, failed %v, restarts %d last %d, started %d finished %d, dropped %d:",
		words[1], words[2], ts.State, ts.Failed, ts.Restarts, ts.LastRestart, ts.StartedAt, ts.FinishedAt, ts.Events.Dropped())
	for ev := range ts.Events.All() {
		fmt.Fprintf(&r.out, " %d", ev.Time)
	}
	fmt.Fprintln(&r.out)
}
