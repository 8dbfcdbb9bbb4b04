package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// leaves adds every value in a JSON text to found, under its path. Numbers are their digits.
func leaves(t *testing.T, path string, raw json.RawMessage, found map[string]string) {
	t.Helper()
	var object map[string]json.RawMessage
	var list []json.RawMessage
	switch {
	case raw[0] == '{':
		require.NoError(t, json.Unmarshal(raw, &object))
		for key, value := range object {
			leaves(t, path+"."+key, value, found)
		}
	case raw[0] == '[':
		require.NoError(t, json.Unmarshal(raw, &list))
		for i, value := range list {
			leaves(t, fmt.Sprintf("%s[%d]", path, i), value, found)
		}
	default:
		found[path] = string(canonicalJSON(raw))
	}
}

// TestNothingIsDropped decodes an allocation of a later version. Each of its values must be in the
// JSON again, to the digit, also after the codec.
func TestNothingIsDropped(t *testing.T) {
	t.Parallel()
	text := fixture(t, "allocation-later.json")
	want := map[string]string{}
	leaves(t, "", canonicalJSON(text), want)
	a, err := DecodeJSON(text)
	require.NoError(t, err)
	require.NoError(t, a.Validate())
	require.Equal(t, []string{"DeploymentStatus", "NetworkStatus"}, slices.Sorted(maps.Keys(a.ClientExtra)), "the client reports these")
	require.Contains(t, a.Extra, "AllocatedResources", "the scheduler decides the others")

	id, err := ParseID(a.ID)
	require.NoError(t, err)
	stored, c := &Allocation{CreateIndex: a.CreateIndex, ModifyIndex: a.ModifyIndex, AllocModifyIndex: a.AllocModifyIndex}, new(Codec)
	stored.Job, err = c.DecodeJob(string(c.AppendJob(nil, a.Job)))
	require.NoError(t, err)
	require.NoError(t, c.DecodeScheduler(string(c.AppendScheduler(nil, a)), id, stored))
	require.NoError(t, c.DecodeClient(string(c.AppendClient(nil, a)), stored))
	require.Equal(t, a, stored, "the codec keeps all")
	require.Equal(t, a, a.Clone())

	extra := 0
	for name, v := range map[string]any{"as it is": a, "with messages": Displayed{a}} {
		back, err := json.Marshal(v)
		require.NoError(t, err)
		got := map[string]string{}
		leaves(t, "", canonicalJSON(back), got)
		for path, value := range want {
			if value == "null" || strings.Contains(path, "FinishedAt") || value == "false" && strings.HasSuffix(path, ".FailsTask") {
				continue // absent is the same
			}
			if path == ".TaskStates.server.Events[1].DisplayMessage" && name == "as it is" {
				continue // the method says the same
			}
			require.Equal(t, value, got[path], "%s, %s", path, name)
			if !documentedLeaf(t, path) {
				extra++
			}
		}
	}
	require.Greater(t, extra, 2*84, "so many values were dropped once")
	events := slices.Collect(a.TaskStates["server"].Events.All())
	require.Equal(t, "Task received by client", events[0].DisplayMessage(), "a message that is not the method's own is kept")
	require.NotContains(t, events[1].Extra, "DisplayMessage", "a message that is the method's own is not")
}

// documentedLeaf reports whether the documented sample has the last key of the path, at any place.
func documentedLeaf(t *testing.T, path string) bool {
	t.Helper()
	last := path[strings.LastIndexByte(path, '.')+1:]
	name, _, _ := strings.Cut(last, "[")
	return bytes.Contains(fixture(t, "allocation.json"), []byte(`"`+name+`"`))
}

// TestCanonicalJSON compares the canonical text of random texts with encoding/json's reading, and
// looks that equal values in other writing are equal bytes.
func TestCanonicalJSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		` { "a" : [ 1.50 , -0e5, true ,null ] } `:  `{"a":[1.50,-0e5,true,null]}`,
		`"\u00e9\/\u0041\u0022\u005c\u000a\u0001"`: "\"é/A\\\"\\\\\\n\\u0001\"",
		`"\ud83d\ude00 \ud83d \ude00\ud83d"`:       "\"😀 \\ud83d \\ude00\\ud83d\"",
		`"\uD800\u0041"`:                           `"\ud800A"`,
		`"a b\t"`:                                  `"a b\t"`,
	} {
		require.Equal(t, want, string(canonicalJSON([]byte(text))), text)
		require.Equal(t, want, string(canonicalJSON([]byte(want))), "a canonical text stays as it is")
	}
	r := seeded(t)
	for range 2000 {
		text, err := json.MarshalIndent(generator{r}.freeForm(0), " ", "\t")
		require.NoError(t, err)
		var got, want any
		canonical := canonicalJSON(text)
		require.NoError(t, json.Unmarshal(text, &want))
		require.NoError(t, json.Unmarshal(canonical, &got))
		require.Equal(t, want, got)
		require.Equal(t, string(canonical), string(canonicalJSON(rewritten(r, text))), "the same value, written otherwise")
	}
}

// rewritten returns a JSON text with other white space and other escapes.
func rewritten(r *rand.Rand, text []byte) []byte {
	var out []byte
	for i := 0; i < len(text); {
		if text[i] != '"' {
			out = append(out, text[i])
			if strings.IndexByte("{}[]:,", text[i]) >= 0 {
				out = append(out, " \t\n\r"[:r.IntN(5)]...)
			}
			i++
			continue
		}
		end := stringEnd(text, i)
		var s string
		if json.Unmarshal(text[i:end], &s) != nil {
			panic("no string")
		}
		out = append(out, '"')
		for _, c := range s {
			if c > 0xffff || r.IntN(2) == 0 && c >= ' ' && c != '"' && c != '\\' {
				out = append(out, string(c)...)
			} else {
				out = fmt.Appendf(out, "\\u%04X", c)
			}
		}
		out = append(out, '"')
		i = end
	}
	return out
}

// TestExtraFaults has an extra key or a text that is refused at every level. Each is refused by
// Validate, by its path.
func TestExtraFaults(t *testing.T) {
	t.Parallel()
	extra := func(key, raw string) extras { return extras{key: json.RawMessage(raw)} }
	const bad = "caf\xe9"
	events := func(ev TaskEvent) map[string]*TaskState {
		return map[string]*TaskState{"r": {Events: ringOf([]TaskEvent{{}, ev})}}
	}
	task := func(t Task) *Job { return &Job{TaskGroups: []TaskGroup{{}, {Tasks: []Task{t}}}} }
	for path, a := range map[string]*Allocation{
		`NodeID`:            {NodeID: bad},
		`ClientDescription`: {ClientDescription: bad},
		`Extra["a"]`:        {Extra: extra("a", "{")},
		`Extra["b"]`:        {Extra: extra("b", "")},
		`Extra["c"]`:        {Extra: extra("c", `"`+bad+`"`)},
		`Extra["caf\xe9"]`:  {Extra: extra(bad, "1")},
		`Extra["deep"]`:     {Extra: extra("deep", deepest(maxExtraDepth+1))},
		`TaskStates["r"].Events[1].Extra["displaymessage"]`: {TaskStates: events(TaskEvent{Extra: extra("displaymessage", `"x"`)})},
		`Extra["nodeid"]`:                                    {Extra: extra("nodeid", "1")},
		`Extra["NetworkStatus"]`:                             {Extra: extra("NetworkStatus", "{}")},
		`ClientExtra["Namespace"]`:                           {ClientExtra: extra("Namespace", `"x"`)},
		`ClientExtra["NetworkStatus"]`:                       {ClientExtra: extra("NetworkStatus", `nil`)},
		`Resources.Networks[0].DynamicPorts[1].Label`:        {Resources: &Resources{Networks: []NetworkResource{{DynamicPorts: []Port{{}, {Label: bad}}}}}},
		`Resources.Networks[0].ReservedPorts[0].Extra["To"]`: {Resources: &Resources{Networks: []NetworkResource{{ReservedPorts: []Port{{Extra: extra("To", "-")}}}}}},
		`TaskResources["r"].Networks[0].Device`:              {TaskResources: map[string]*Resources{"r": {Networks: []NetworkResource{{Device: bad}}}}},
		`TaskResources["caf\xe9"]`:                           {TaskResources: map[string]*Resources{bad: {}}},
		`Metrics.ClassFiltered["caf\xe9"]`:                   {Metrics: &AllocMetric{ClassFiltered: map[string]int{bad: 1}}},
		`Metrics.Extra["Scores"]`:                            {Metrics: &AllocMetric{Extra: extra("Scores", "1")}},
		`TaskStates["r"].State`:                              {TaskStates: map[string]*TaskState{"r": {State: bad}}},
		`TaskStates["r"].Extra["eventsdropped"]`:             {TaskStates: map[string]*TaskState{"r": {Extra: extra("eventsdropped", "1")}}},
		`TaskStates["r"].Events[1].Type`:                     {TaskStates: events(TaskEvent{Type: bad})},
		`TaskStates["r"].Events[1].Details["k"]`:             {TaskStates: events(TaskEvent{Details: map[string]string{"k": bad}})},
		`TaskStates["r"].Events[1].Extra["x"]`:               {TaskStates: events(TaskEvent{Extra: extra("x", "]")})},
		`TaskStates["r"].Events[1].TaskSignalReason`:         {TaskStates: events(TaskEvent{TaskSignalReason: bad})},
		`Job.Region`:                                            {Job: &Job{Region: bad}},
		`Job.Datacenters[1]`:                                    {Job: &Job{Datacenters: []string{"", bad}}},
		`Job.Meta["k"]`:                                         {Job: &Job{Meta: map[string]string{"k": bad}}},
		`Job.Update.Extra["stagger"]`:                           {Job: &Job{Update: &UpdateStrategy{Extra: extra("stagger", "1")}}},
		`Job.Constraints[0].Extra["Comment"]`:                   {Job: &Job{Constraints: []Constraint{{Extra: extra("Comment", "'")}}}},
		`Job.TaskGroups[1].Tasks[0].Name`:                       {Job: task(Task{Name: bad})},
		`Job.TaskGroups[1].Tasks[0].Config["k"]["l"]`:           {Job: task(Task{Config: map[string]any{"k": map[string]string{"l": bad}}})},
		`Job.TaskGroups[1].Tasks[0].Config["k"][1]`:             {Job: task(Task{Config: map[string]any{"k": []string{"", bad}}})},
		`Job.TaskGroups[1].Tasks[0].Config["caf\xe9"]`:          {Job: task(Task{Config: map[string]any{bad: 1}})},
		`Job.TaskGroups[1].Tasks[0].Services[0].Checks[0].Http`: {Job: task(Task{Services: []Service{{Checks: []ServiceCheck{{Http: bad}}}}})},
		`Job.TaskGroups[1].Tasks[0].Services[0].Tags[0]`:        {Job: task(Task{Services: []Service{{Tags: []string{bad}}}})},
		`Job.TaskGroups[1].Tasks[0].Resources.Extra["x"]`:       {Job: task(Task{Resources: &Resources{Extra: extra("x", "")}})},
		`Job.TaskGroups[0].RestartPolicy.Extra["x"]`:            {Job: &Job{TaskGroups: []TaskGroup{{RestartPolicy: &RestartPolicy{Extra: extra("x", "")}}}}},
	} {
		a.ID = "203266e5-e0d6-9486-5e05-397ed2b184af"
		err := a.Validate()
		require.ErrorIs(t, err, ErrInvalid, path)
		require.True(t, strings.HasPrefix(err.Error(), path+": invalid: "), "%s: %v", path, err)
		require.NotContains(t, err.Error(), "\n", "one fault")
		if strings.HasPrefix(path, "TaskStates") || strings.HasPrefix(path, "Client") {
			require.ErrorContains(t, a.ValidateClient(), path)
		} else {
			require.NoError(t, a.ValidateClient(), "not the client's")
		}
		if a.Job != nil {
			require.ErrorContains(t, a.Job.Validate(), path)
		}
		require.NotPanics(t, func() { _ = a.Clone(); _ = appendAllocation(nil, a); _, _ = json.Marshal(a) })
	}
	require.ErrorContains(t, TaskEvent{Extra: extra("x", "{")}.Validate(), `Extra["x"]`)
	require.NoError(t, TaskEvent{Extra: extra("DisplayMessage", `"mine"`)}.Validate(), "the one documented key that may be an extra one")
	require.Equal(t, "mine", TaskEvent{Type: TaskStarted, Extra: extra("DisplayMessage", `"mine"`)}.DisplayMessage())
}

// TestEmptyExtraCostsNothing encodes empty maps of extra keys like nil ones. That nil costs nothing
// is shown by TestGolden, whose older files have no extra keys.
func TestEmptyExtraCostsNothing(t *testing.T) {
	t.Parallel()
	a := withEvents(documented(), MaxTaskEvents)
	want := appendAllocation(nil, a)
	a.Extra, a.Job.Extra, a.TaskStates["redis"].Extra = extras{}, extras{}, extras{}
	require.Equal(t, want, appendAllocation(nil, a))
}

// TestExtraIsReadCanonically decodes a ring whose events have extra keys in their canonical form,
// in another form, and with a value that is not JSON.
func TestExtraIsReadCanonically(t *testing.T) {
	t.Parallel()
	ev := TaskEvent{Type: TaskStarted, Time: 5, KillTimeout: time.Second, Extra: extras{
		"b": json.RawMessage(` { "x" : 1.0 } `), "a": json.RawMessage(`"\u0041"`)}}
	ring := ringOf([]TaskEvent{ev})
	got := first(ring)
	require.Equal(t, extras{"b": json.RawMessage(`{"x":1.0}`), "a": json.RawMessage(`"A"`)}, got.Extra)
	require.Equal(t, ring, ringOf([]TaskEvent{got}), "the form is canonical")

	a := &Allocation{TaskStates: map[string]*TaskState{"t": {Events: ring}}}
	require.Equal(t, a, decodedClient(t, appendClient(nil, a)))
	other := bytes.Replace(appendClient(nil, a), []byte(`{"x":1.0}`), []byte(`{"x":1.0 `+"\n"), 1)
	require.Error(t, new(Codec).DecodeClient(string(other), new(Allocation)), "a value that is not JSON")
	loose := bytes.Replace(appendClient(nil, a), []byte("\xa9"+`{"x":1.0}`), []byte("\xab"+`{ "x":1.0 }`), 1)
	require.NotEqual(t, appendClient(nil, a), loose)
	require.Equal(t, a, decodedClient(t, loose), "another writer's form is made canonical")
}

func decodedClient(t *testing.T, src []byte) *Allocation {
	t.Helper()
	a := new(Allocation)
	require.NoError(t, new(Codec).DecodeClient(string(src), a))
	return a
}

// TestExtraIsMessagePack skips whole parts with extra keys, as a reader does that does not know
// them, and reads a Config with an exact number as a reader does that has only float64.
func TestExtraIsMessagePack(t *testing.T) {
	t.Parallel()
	a, err := DecodeJSON(fixture(t, "allocation-later.json"))
	require.NoError(t, err)
	for part, src := range map[string][]byte{"scheduler": appendScheduler(nil, a), "client": appendClient(nil, a), "job": appendJob(nil, a.Job)} {
		r := reader{src: string(src)}
		r.skip()
		require.NoError(t, r.end(), "the %s's part is whole MessagePack", part)
	}
	exact := a.Job.TaskGroups[0].Tasks[0].Config["ulimit"]
	require.Equal(t, json.Number("18446744073709551616"), exact)
	src, lossy := appendConfig(nil, map[string]any{"ulimit": exact})
	require.Equal(t, inexact, lossy)
	r := reader{src: string(src)}
	require.Equal(t, map[string]any{"ulimit": 18446744073709551616.0}, r.config(), "an older reader has the nearest float64")
}

// TestRingRefusesInvalidExtra appends an event with several extra keys, of which one is not JSON.
// The reader of a ring stops there, and Validate must not take the rest for sound.
func TestRingRefusesInvalidExtra(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"a", "b", "c"} {
		ev := TaskEvent{Type: TaskStarted, Time: 1, Extra: extras{"a": json.RawMessage("1"), "b": json.RawMessage("2"), "c": json.RawMessage("3")}}
		ev.Extra[bad] = json.RawMessage("{")
		a := &Allocation{ID: "203266e5-e0d6-9486-5e05-397ed2b184af"}
		a.TaskStates = map[string]*TaskState{"r": {Events: ringOf([]TaskEvent{{}, ev, {Type: TaskKilled}})}}
		require.ErrorIs(t, a.ValidateClient(), ErrInvalid, bad)
		require.ErrorContains(t, a.ValidateClient(), `TaskStates["r"].Events[1]`)
	}
}

// TestOwnMessageIsNotKept appends events whose Extra has a DisplayMessage.
func TestOwnMessageIsNotKept(t *testing.T) {
	t.Parallel()
	plain := TaskEvent{Type: TaskStarted, Time: 1}
	for raw, kept := range map[string]bool{"null": false, `"` + plain.DisplayMessage() + `"`: false, `"other"`: true, "5": true} {
		ev := plain
		ev.Extra = extras{displayMessage: json.RawMessage(raw)}
		_, has := first(ringOf([]TaskEvent{ev})).Extra[displayMessage]
		require.Equal(t, kept, has, raw)
		require.Len(t, ev.Extra, 1, "the caller's event stays as it is")
	}
}

// TestExactConfigIsCanonical encodes a Config with a number that no Go type keeps beside values
// that are converted. Decoded and encoded again it must be the same bytes.
func TestExactConfigIsCanonical(t *testing.T) {
	t.Parallel()
	src := appendJob(nil, withConfig([]any{
		json.Number("1e400"), []string(nil), float32(0.1), json.Number("1.0"), json.Number("1e21"), []map[string]any{{"n": json.Number("0.30000000000000001")}}, 1.0,
	}).Job)
	j, err := decodeJob(string(src))
	require.NoError(t, err)
	require.Equal(t, src, appendJob(nil, j))
	require.Equal(t, []any{
		json.Number("1e400"), []any{}, float64(float32(0.1)), int64(1), 1e21, []any{map[string]any{"n": json.Number("0.30000000000000001")}}, 1.0,
	}, j.TaskGroups[0].Tasks[0].Config["x"])
}

// TestConfigThatContainsItselfTwice would take 2^64 steps if the codec followed all of it.
func TestConfigThatContainsItselfTwice(t *testing.T) {
	t.Parallel()
	twice := make([]any, 2)
	twice[0], twice[1] = twice, twice
	src, err := new(Codec).AppendValidJob(nil, withConfig(twice).Job, "")
	require.ErrorIs(t, err, ErrInvalid)
	require.Less(t, len(src), 10_000)
}
