package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/big"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("../testdata/" + name)
	require.NoError(t, err)
	return text
}

// tokens returns the keys and values of a JSON text in order, with numbers as exact fractions.
func tokens(t *testing.T, text []byte) (list []string) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	for {
		tok, err := dec.Token()
		if err != nil {
			require.ErrorIs(t, err, io.EOF)
			return list
		}
		if number, ok := tok.(json.Number); ok {
			exact, ok := new(big.Rat).SetString(string(number))
			require.True(t, ok)
			tok = "number " + exact.RatString()
		}
		list = append(list, fmt.Sprint(tok))
	}
}

func TestJSONOfTheDocumentedAllocation(t *testing.T) {
	t.Parallel()
	text := fixture(t, "allocation.json")
	a, err := DecodeJSON(text)
	require.NoError(t, err)
	require.Equal(t, int64(1447806038427841000), first(a.TaskStates["redis"].Events).Time, "an event's time must be exact")
	require.Equal(t, time.Duration(10000000000), a.Job.Update.Stagger, "1e+10 is an exact integer")
	ports := a.Job.TaskGroups[0].Tasks[0].Config["port_map"]
	require.Equal(t, []any{map[string]any{"db": int64(6379)}}, ports, "an integer in a Config is an int64")

	back, err := json.MarshalIndent(a, "", "  ")
	require.NoError(t, err)
	config := regexp.MustCompile(`("port_map": \[[^]]*\]),(\s*)("image": "[^"]*")`)
	require.True(t, config.Match(text))
	sorted := config.ReplaceAll(text, []byte("$3,$2$1")) // a Go map is written in the order of its keys
	require.Equal(t, tokens(t, sorted), tokens(t, back), "the documented keys and values must be written in the documented order")
	require.NotContains(t, string(back), "e+", "integers are written as integers")
}

func TestJSONAsPrintedNamesItsOffset(t *testing.T) {
	t.Parallel()
	text := fixture(t, "allocation-as-printed.json")
	_, err := DecodeJSON(text)
	var at *JSONError
	require.ErrorAs(t, err, &at)
	require.ErrorIs(t, err, ErrMalformed)
	want := bytes.Index(text, []byte("\"running\"\n")) + len("\"running\"\n")
	want += bytes.IndexByte(text[want:], '"') + 1
	require.Equal(t, int64(want), at.Offset, "the offset is that of the quote that should have been a comma")
	require.Empty(t, at.Field)
	var syntax *json.SyntaxError
	require.ErrorAs(t, err, &syntax, "encoding/json's own error is within")
}

// deepest returns lists in one another, so many levels deep.
func deepest(levels int) string { return strings.Repeat("[", levels) + strings.Repeat("]", levels) }

func inConfig(value string) string {
	return `{"Job":{"TaskGroups":[{},{"Tasks":[{"Config":{"x":` + value + `}}]}]}}`
}

// TestJSONErrors marks the end of the wrong value in each text with •.
func TestJSONErrors(t *testing.T) {
	t.Parallel()
	for text, field := range map[string]string{
		`{"ID":"x"} 5•`:            "",
		`{"ID":"x"•`:               "",
		`•`:                        "",
		"{\"ID\":\"\x00•\"}":       "",
		`{"Job":{"Priority":01•}}`: "",
		"  [•]":                    "",
		`5•`:                       "",
		`{"ID":5•}`:                "ID",
		`{"ModifyIndex":-1•}`:      "ModifyIndex",
		`{"ModifyIndex":18446744073709551616•}`:                           "ModifyIndex",
		`{"ModifyIndex":1.8446744073709551616e19•}`:                       "ModifyIndex",
		`{"ModifyIndex":1e1000000000•}`:                                   "ModifyIndex",
		`{"CreateIndex":1e3,"Job":{"Priority":1.5•}}`:                     "Job.Priority",
		`{"Job":{"Priority":1e0,"Update":{"Stagger":1e19•}}}`:             "Job.Update.Stagger",
		`{"Job":{"Update":{"Stagger":10.00e1,"MaxParallel":"1"•}}}`:       "Job.Update.MaxParallel",
		`{"Job":{"Update":[•1e9]}}`:                                       "Job.Update",
		`{"Resources":{"CPU":{•}}}`:                                       "Resources.CPU",
		`{"Job":{"TaskGroups":[{},{"Tasks":[{"Name":true•}]}]}}`:          "Job.TaskGroups[1].Tasks[0].Name",
		`{"Job":{"Datacenters":["dc1",2•]}}`:                              "Job.Datacenters[1]",
		`{"TaskResources":{"a.b":{"Networks":[{"MBits":0.5•}]}}}`:         `TaskResources["a.b"].Networks[0].MBits`,
		`{"Metrics":{"Scores":{"n":1e5,"m":1e400•}}}`:                     `Metrics.Scores["m"]`,
		`{"Metrics":{"ClassFiltered":{"n":1.25•}}}`:                       `Metrics.ClassFiltered["n"]`,
		`{"ModifyIndex":1e1,"TaskStates":{"r":{"State":5•}}}`:             `TaskStates["r"].State`,
		`{"TaskStates":{"r":{"Events":[{},{"Time":1.5•}]}}}`:              `TaskStates["r"].Events[1].Time`,
		`{"TaskStates":{"r":{"Events":[{"KillTimeout":"1s"•}]}}}`:         `TaskStates["r"].Events[0].KillTimeout`,
		`{"TaskStates":{"r":{"Events":[{"Details":{"k":null,"l":7•}}]}}}`: `TaskStates["r"].Events[0].Details["l"]`,
		`{"TaskStates":{"q":{"StartedAt":1},"r":{"StartedAt":1.5•}}}`:     `TaskStates["r"].StartedAt`,
		`{"TaskStates":{"r":{"FinishedAt":"now"•}}}`:                      `TaskStates["r"].FinishedAt`,
		`{"TaskStates":{"r":{"LastRestart":{"a":1}•}}}`:                   `TaskStates["r"].LastRestart`,
		`{"TaskStates":{"r":{"LastRestart":"9999-01-01T00:00:00Z"•}}}`:    `TaskStates["r"].LastRestart`,
		`{"taskstates":{"r":{"startedat":true•}}}`:                        `TaskStates["r"].StartedAt`,
		inConfig(strings.Replace(deepest(maxDepth), "]", "•]", 1)):        `Job.TaskGroups[1].Tasks[0].Config["x"]` + strings.Repeat("[0]", maxDepth-1),

		`{"TaskStates":{"r":{"EventsDropped":18446744073709551615•,"Events":[{},{},{},{},{},{},{},{},{},{},{}]}}}`: `TaskStates["r"].EventsDropped`,
		`{"Own":` + deepest(maxExtraDepth+1) + `•}`:                                                                "Own",

		// Ambiguous JSON is refused.
		`{"Job":{"ID":"a"},"Job":{"ID":"b"}•}`:                                         "Job",
		`{"Job":{"ID":"a"},"job":null•}`:                                               "job",
		`{"Own":1,"Own":2•}`:                                                           "Own",
		`{"Job":{"Meta":{"a":"1","A":"2","a":"3"•}}}`:                                  `Job.Meta["a"]`,
		inConfig(`{"a":1,"A":2,"a":3•}`):                                               `Job.TaskGroups[1].Tasks[0].Config["x"]["a"]`,
		`{"TaskStates":{"r":{},"R":{},"r":{}•}}`:                                       `TaskStates["r"]`,
		`{"TaskStates":{"r":{"Events":[{},null•]}}}`:                                   `TaskStates["r"].Events[1]`,
		`{"Job":{"TaskGroups":[null•]}}`:                                               "Job.TaskGroups[0]",
		`{"Job":{"Datacenters":["dc1",null•]}}`:                                        "Job.Datacenters[1]",
		"{\"NodeID\":\"caf\xe9\"•}":                                                    "NodeID",
		"{\"Job\":{\"Meta\":{\"caf\xe9\"•:\"\"}}}":                                     "Job.Meta",
		"{\"Own\":{\"caf\xe9\":1}•}":                                                   "Own",
		`{"NodeID":"\ud800"•}`:                                                         "NodeID",
		inConfig(`"\udc00\ud800"•`):                                                    `Job.TaskGroups[1].Tasks[0].Config["x"]`,
		`{"TaskStates":{"r":{"Events":[{"Type":"a","type":"b"•}]}}}`:                   `TaskStates["r"].Events[0].type`,
		`{"TaskStates":{"r":{"Events":[{"DisplayMessage":"","displaymessage":""•}]}}}`: `TaskStates["r"].Events[0].displaymessage`,
	} {
		end := max(0, strings.Index(text, "•"))
		text := strings.Replace(text, "•", "", 1)
		a, err := DecodeJSON([]byte(text))
		require.Nil(t, a, "nothing is returned with an error: %s", text)
		require.ErrorIs(t, err, ErrMalformed, "%s", text)
		var at *JSONError
		require.ErrorAs(t, err, &at, "%s", text)
		require.Equal(t, int64(end), at.Offset, "the offset in %s: %v", text, err)
		require.Equal(t, field, at.Field, "the field in %s: %v", text, err)
		require.NotContains(t, err.Error(), "plain", "no type of ours is named: %v", err)
		require.NotContains(t, err.Error(), "schema.", "no type of ours is named: %v", err)
		require.Less(t, len(err.Error()), 1000)

		if field != "" {
			var list []Allocation
			err = json.Unmarshal([]byte("[{},"+text+"]"), &list)
			require.ErrorAs(t, err, &at, "%s in a list", text)
			require.Equal(t, int64(end), at.Offset, "in a list the offset counts from the allocation: %s", text)
		}
	}
}

func TestJSONOffsetsWithinFiveMegabytes(t *testing.T) {
	t.Parallel()
	padding := strings.Repeat(`{"DynamicPorts":[{"Value":1.0e1,"Label":"1e1"}]},`, 100_000)
	text := `{"Resources":{"Networks":[` + padding + `{"MBits":0.5}]}}`
	var at *JSONError
	_, err := DecodeJSON([]byte(text))
	require.ErrorAs(t, err, &at)
	require.Equal(t, strings.Index(text, "0.5}")+3, int(at.Offset), "shifts must add up")
	require.Equal(t, "Resources.Networks[100000].MBits", at.Field)
	huge := `{"ModifyIndex":` + strings.Repeat("9", 1<<20) + `}`
	_, err = DecodeJSON([]byte(huge))
	require.ErrorAs(t, err, &at)
	require.Less(t, len(err.Error()), 300, "a message does not repeat its input")
}

func TestJSONIntegers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"1e+10": 10000000000, "2.50e1": 25, "1.0": 1, "-0": 0, "-0.0": 0, "0e99999999999999999999": 0, "0.000e-5": 0,
		"9223372036854775807": math.MaxInt64, "9.223372036854775807e18": math.MaxInt64,
		"-9223372036854775808": math.MinInt64, "-922337203685477580800e-2": math.MinInt64,
		"1447806038427841000": 1447806038427841000, "1.447806038427841e+18": 1447806038427841000,
		"1" + strings.Repeat("0", 400) + "E-400": 1,
	} {
		a, err := DecodeJSON([]byte(`{"Job":{"Update":{"Stagger":` + text + `}},
			"TaskStates":{"r":{"Events":[{"Time":` + text + `}],"StartedAt":` + text + `}}}`))
		require.NoError(t, err, "%s must be taken for an integer", text)
		require.Equal(t, want, int64(a.Job.Update.Stagger), "%s must be exact", text)
		require.Equal(t, want, first(a.TaskStates["r"].Events).Time, "%s must be exact", text)
		require.Equal(t, want, int64(a.TaskStates["r"].StartedAt), "%s must be exact", text)
		a, err = DecodeJSON([]byte(inConfig(text)))
		require.NoError(t, err)
		require.Equal(t, want, a.Job.TaskGroups[1].Tasks[0].Config["x"], "%s must be exact in a Config", text)
	}
	for _, text := range []string{"18446744073709551615", "1.8446744073709551615e19"} {
		a, err := DecodeJSON([]byte(`{"ModifyIndex":` + text + `}`))
		require.NoError(t, err)
		require.Equal(t, uint64(math.MaxUint64), a.ModifyIndex, "%s must be exact", text)
	}
}

func TestJSONConfig(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]any{
		"null": nil, "true": true, `"1e3"`: "1e3", "[]": []any{}, "{}": map[string]any{},
		"18446744073709551615": uint64(math.MaxUint64), "18446744073709551616": json.Number("18446744073709551616"),
		"-9223372036854775809": json.Number("-9223372036854775809"), "0.1": 0.1, "0.10": 0.1, "1e400": json.Number("1e400"),
		"0.1000000000000000055511151231257827": json.Number("0.1000000000000000055511151231257827"),
		"1e30":                                 1e30, "0.5": 0.5, "1e-400": json.Number("1e-400"), `[1.0,{"a":2e1}]`: []any{int64(1), map[string]any{"a": int64(20)}},
	} {
		a, err := DecodeJSON([]byte(inConfig(text)))
		require.NoError(t, err, "%s", text)
		require.Equal(t, want, a.Job.TaskGroups[1].Tasks[0].Config["x"], "%s in a Config", text)
	}
	_, err := DecodeJSON([]byte(inConfig(deepest(maxDepth - 1))))
	require.NoError(t, err, "%d levels are allowed, the Config being the first", maxDepth)
	a, err := DecodeJSON([]byte(`{"Unknown":` + deepest(9000) + `}`))
	require.NoError(t, err, "an extra key may be deeper")
	require.Equal(t, deepest(9000), string(a.Extra["Unknown"]))
}

// emptied returns the JSON of a value of the type with all its lists, maps and pointers empty.
func emptied(of reflect.Type, empty map[reflect.Kind]string) string {
	switch of.Kind() {
	case reflect.Slice, reflect.Map, reflect.Pointer:
		return empty[of.Kind()]
	case reflect.Struct:
		if of == reflect.TypeFor[EventRing]() {
			return empty[reflect.Slice]
		}
		var fields []string
		for i := range of.NumField() {
			if strings.HasSuffix(of.Field(i).Name, "Extra") {
				continue // which is no key
			}
			if text := emptied(of.Field(i).Type, empty); text != "" {
				fields = append(fields, fmt.Sprintf("%q:%s", of.Field(i).Name, text))
			}
		}
		return "{" + strings.Join(fields, ",") + "}"
	}
	return ""
}

// TestJSONNullAbsentAndEmptyAreTheSame compares the three for every type inside an allocation.
func TestJSONNullAbsentAndEmptyAreTheSame(t *testing.T) {
	t.Parallel()
	empty := map[reflect.Kind]string{reflect.Slice: "[]", reflect.Map: "{}", reflect.Pointer: "null"}
	null := map[reflect.Kind]string{reflect.Slice: "null", reflect.Map: "null", reflect.Pointer: "null"}
	for of, within := range map[reflect.Type]string{
		reflect.TypeFor[Allocation]():      `%s`,
		reflect.TypeFor[Resources]():       `{"Resources":%[1]s,"TaskResources":{"r":%[1]s},"Job":{"TaskGroups":[{"Tasks":[{"Resources":%[1]s}]}]}}`,
		reflect.TypeFor[NetworkResource](): `{"Resources":{"Networks":[%s]}}`,
		reflect.TypeFor[AllocMetric]():     `{"Metrics":%s}`,
		reflect.TypeFor[TaskState]():       `{"TaskStates":{"r":%s}}`,
		reflect.TypeFor[TaskEvent]():       `{"TaskStates":{"r":{"Events":[%s]}}}`,
		reflect.TypeFor[Job]():             `{"Job":%s}`,
		reflect.TypeFor[TaskGroup]():       `{"Job":{"TaskGroups":[%s]}}`,
		reflect.TypeFor[Task]():            `{"Job":{"TaskGroups":[{"Tasks":[%s]}]}}`,
		reflect.TypeFor[Service]():         `{"Job":{"TaskGroups":[{"Tasks":[{"Services":[%s]}]}]}}`,
	} {
		absent, err := DecodeJSON(fmt.Appendf(nil, within, "{}"))
		require.NoError(t, err)
		for _, how := range []map[reflect.Kind]string{empty, null} {
			a, err := DecodeJSON(fmt.Appendf(nil, within, emptied(of, how)))
			require.NoError(t, err)
			require.Equal(t, absent, a, "absent and %s must be the same in a %s", emptied(of, how), of.Name())
		}
	}
}

func TestJSONBeyondTheSampleOnlyWhenSet(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(&Allocation{TaskStates: map[string]*TaskState{"r": {Events: ringOf([]TaskEvent{{}})}}})
	require.NoError(t, err)
	documented := string(fixture(t, "allocation.json"))
	for _, tok := range tokens(t, text) {
		if key := regexp.MustCompile("^[A-Z][A-Za-z]+$").FindString(tok); key != "" {
			require.Contains(t, documented, `"`+key+`"`, "%s is not in the sample, so it must be set to be written", key)
		}
	}
	text, err = json.Marshal(TaskState{Restarts: 1, LastRestart: 2, StartedAt: 3, FinishedAt: 4, Events: EventRing{dropped: 5}})
	require.NoError(t, err)
	require.Equal(t, `{"Events":null,"State":"","Failed":false,"Restarts":1,"LastRestart":"1970-01-01T00:00:00.000000002Z",`+
		`"StartedAt":"1970-01-01T00:00:00.000000003Z","FinishedAt":"1970-01-01T00:00:00.000000004Z","EventsDropped":5}`,
		string(text), "the documented keys come first")
}

func TestJSONRoundTrip(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	for range 1000 {
		a := randomAllocation(r)
		before := a.Clone()
		text, err := json.Marshal(a)
		require.NoError(t, err)
		require.Equal(t, before, a, "encoding must not change its input")
		back, err := DecodeJSON(text)
		require.NoError(t, err)
		emptyToNil(reflect.ValueOf(a).Elem())
		require.Equal(t, a, back, "JSON must give the same allocation")

		nested, err := json.Marshal(map[string][]*Allocation{"list": {a, nil}})
		require.NoError(t, err)
		var lists map[string][]*Allocation
		require.NoError(t, json.Unmarshal(nested, &lists))
		require.Equal(t, []*Allocation{a, nil}, lists["list"], "an allocation inside something else must be the same")
	}
}

func TestJSONUnmarshalReplacesAll(t *testing.T) {
	t.Parallel()
	a := randomAllocation(seeded(t))
	was := a.Clone()
	require.NoError(t, json.Unmarshal([]byte("null"), a))
	require.Equal(t, was, a, "null changes nothing")
	require.Error(t, json.Unmarshal([]byte(`{"Name":"new","ID":5}`), a))
	require.Equal(t, was, a, "an error changes nothing")
	require.NoError(t, json.Unmarshal([]byte(`{"Name":"<new> \u0026 ","unknown":[{"x":1e5}]}`), a))
	want := &Allocation{Name: "<new> & ", Extra: map[string]json.RawMessage{"unknown": json.RawMessage(`[{"x":1e5}]`)}}
	require.Equal(t, want, a, "nothing of the old one stays")

	var ts TaskState
	require.NoError(t, json.Unmarshal([]byte(`{"State":"dead","EventsDropped":3,"Events":[`+strings.Repeat("{},", MaxTaskEvents)+`{}]}`), &ts))
	require.Equal(t, uint64(4), ts.Events.Dropped(), "surplus events count as dropped, in addition to earlier ones")
	require.Error(t, json.Unmarshal([]byte(`{"State":1}`), &ts))
	require.NoError(t, json.Unmarshal([]byte(`null`), &ts))
}

// TestJSONKeepsNothingOfItsInput overwrites the text after decoding.
func TestJSONKeepsNothingOfItsInput(t *testing.T) {
	t.Parallel()
	text := fixture(t, "allocation.json")
	a, err := DecodeJSON(text)
	require.NoError(t, err)
	clear(text)
	require.Equal(t, documented(), a)
}

// TestJSONOfPartsReadsTheSameIntegers reads a task's state, and its events, by themselves.
func TestJSONOfPartsReadsTheSameIntegers(t *testing.T) {
	t.Parallel()
	const events = `[{"Type": "Killing", "Time": 1.447806038427841e+18, "KillTimeout": 5e+9}]`
	want := ringOf([]TaskEvent{{Type: TaskKilling, Time: 1447806038427841000, KillTimeout: 5 * time.Second}})
	var ring EventRing
	require.NoError(t, json.Unmarshal([]byte(events), &ring))
	require.Equal(t, want, ring)
	var ts TaskState
	require.NoError(t, json.Unmarshal([]byte(`{"Restarts": 2.0, "Events": `+events+`}`), &ts))
	require.Equal(t, TaskState{Restarts: 2, Events: want}, ts)
	for _, text := range []string{`{"Restarts": 2.5}`, `{"Restarts": -e}`} {
		require.Error(t, ts.UnmarshalJSON([]byte(text)), text)
	}
}
