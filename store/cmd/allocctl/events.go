package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"allocstore/schema"
	"allocstore/store"
)

// eventLine returns the JSON of a task's event, with its message.
func eventLine(task string, ev schema.TaskEvent) (json.RawMessage, error) {
	head, err := json.Marshal(struct{ Task string }{task})
	if err != nil {
		return nil, err
	}
	message, err := json.Marshal(struct{ DisplayMessage string }{ev.DisplayMessage()})
	if err != nil {
		return nil, err
	}
	delete(ev.Extra, "DisplayMessage")
	event, err := json.Marshal(ev)
	if err != nil {
		return nil, err
	}
	return slices.Concat(head[:len(head)-1], []byte(","), event[1:len(event)-1], []byte(","), message[1:]), nil
}

func newEvents(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "events ID [TASK]",
		Short: "Show the latest events of an allocation's tasks",
		Long: `Show the latest 10 events of one task, or of all tasks of the allocation, oldest first. The
beginning of the ID is enough, as for get.`,
		Example: `  allocctl -f state.db events 203266e5-e0d6-9486-5e05-397ed2b184af redis
  allocctl -f state.db events 203266e5-e0d6-9486-5e05-397ed2b184af --json`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: a.completer(completeEvents),
		RunE:              a.onSource(a.events),
	}
	cmd.Flags().BoolVar(&a.json, "json", false, "JSON lines, one event each")
	return cmd
}

func (a *app) events(cmd *cobra.Command, args []string, s source) error {
	id, err := wholeID(cmd.Context(), s, args[0])
	if err != nil {
		return err
	}
	alloc, err := found(s.Wait(cmd.Context(), id, store.QueryOptions{}))
	if err != nil {
		return err
	}
	tasks := slices.Sorted(maps.Keys(alloc.TaskStates))
	if len(args) == 2 {
		if !slices.Contains(tasks, args[1]) {
			return fmt.Errorf("allocation %s has no task %q that was heard of: it has %q", alloc.ID, args[1], tasks)
		}
		tasks = args[1:]
	}
	for i, task := range tasks {
		ts := alloc.TaskStates[task]
		if ts == nil {
			continue
		}
		if !a.json {
			if err := a.printEvents(i, task, ts); err != nil {
				return err
			}
			continue
		}
		for ev := range ts.Events.All() {
			line, err := eventLine(task, ev)
			if err != nil {
				return err
			}
			if err := printLine(a.out, line); err != nil {
				return err
			}
		}
	}
	return nil
}

// printEvents prints the state and the events of the i-th task.
func (a *app) printEvents(i int, task string, ts *schema.TaskState) error {
	if i > 0 {
		fmt.Fprintln(a.out)
	}
	state := fmt.Sprintf("Task %q is %s", task, a.paint(ts.State, colorOfTask(ts)))
	if ts.Failed {
		state += ", failed"
	}
	if ts.Restarts > 0 {
		state += fmt.Sprintf(", restarts: %d", ts.Restarts)
	}
	if dropped := ts.Events.Dropped(); dropped > 0 {
		state += fmt.Sprintf(", earlier events dropped: %d", dropped)
	}
	width := widthOf(a.out)
	if _, err := io.WriteString(a.out, wrap(state+"\n", width)); err != nil {
		return err
	}
	t := &tableText{columns: []column{{"Time", textCell}, {"", textCell}, {"Type", textCell}, {"What happened", textCell}}}
	for ev := range ts.Events.All() {
		at := time.Unix(0, ev.Time).UTC()
		t.add(at.Format(time.DateTime+".000 MST"), humanize.Time(at), plain(ev.Type), plain(ev.DisplayMessage()))
	}
	return t.write(a.out, width)
}
