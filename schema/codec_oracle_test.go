package schema

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
)

// wireOrder is the format: the fields of each struct in the order of its array. New fields come
// only at the end of a line.
var wireOrder = map[string][]string{
	"Allocation":      {"ID", "CreateIndex", "ModifyIndex", "AllocModifyIndex", "NextAllocation", "scheduler", "client", "Job"},
	"scheduler":       {"EvalID", "NodeID", "JobID", "Name", "TaskGroup", "DesiredStatus", "Resources", "TaskResources", "Metrics", "DesiredDescription", "PreviousAllocation", "Extra"},
	"client":          {"ClientStatus", "ClientDescription", "TaskStates", "ClientExtra"},
	"Resources":       {"CPU", "MemoryMB", "DiskMB", "IOPS", "Networks", "Extra"},
	"NetworkResource": {"Device", "IP", "CIDR", "MBits", "DynamicPorts", "ReservedPorts", "Extra"},
	"Port":            {"Label", "Value", "Extra"},
	"AllocMetric": {"AllocationTime", "NodesEvaluated", "Scores", "NodesFiltered", "NodesExhausted", "CoalescedFailures",
		"ClassFiltered", "ConstraintFiltered", "ClassExhausted", "DimensionExhausted", "Extra"},
	"TaskState": {"State", "Failed", "Restarts", "LastRestart", "StartedAt", "FinishedAt", "dropped", "Events", "Extra"},
	"TaskEvent": {"Type", "Time", "Message", "ExitCode", "Signal", "DriverError", "KillError", "FailsTask", "Details",
		"RestartReason", "SetupError", "DriverMessage", "KillReason", "KillTimeout", "StartDelay", "DownloadError",
		"ValidationError", "DiskLimit", "FailedSibling", "TaskSignal", "TaskSignalReason", "Extra"},
	"Job": {"ID", "Name", "Type", "Region", "Priority", "Datacenters", "TaskGroups", "Constraints", "Update",
		"CreateIndex", "ModifyIndex", "Meta", "Status", "StatusDescription", "AllAtOnce", "Extra"},
	"UpdateStrategy": {"MaxParallel", "Stagger", "Extra"},
	"TaskGroup":      {"Name", "Count", "Tasks", "RestartPolicy", "Constraints", "Meta", "Extra"},
	"RestartPolicy":  {"Attempts", "Interval", "Delay", "Extra"},
	"Task":           {"Name", "Driver", "Resources", "Config", "Services", "Env", "Meta", "Constraints", "Extra", "exact"},
	"Service":        {"Name", "PortLabel", "Tags", "Checks", "Id", "Extra"},
	"ServiceCheck":   {"Name", "Type", "Interval", "Timeout", "Protocol", "Http", "Script", "Id", "Extra"},
	"Constraint":     {"LTarget", "RTarget", "Operand", "Extra"},
}

// TestWireOrderNamesEveryField fails if a type gets a new field and the codec does not.
func TestWireOrderNamesEveryField(t *testing.T) {
	t.Parallel()
	parts := append(append([]string{"scheduler", "client"}, wireOrder["scheduler"]...), wireOrder["client"]...)
	var walk func(reflect.Type)
	walk = func(of reflect.Type) {
		switch of.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			walk(of.Elem())
		case reflect.Struct:
			if of == reflect.TypeFor[EventRing]() {
				of = reflect.TypeFor[TaskEvent]()
			}
			var want []string
			for i := range of.NumField() {
				want = append(want, of.Field(i).Name)
				walk(of.Field(i).Type)
			}
			order := wireOrder[of.Name()]
			switch of {
			case reflect.TypeFor[Allocation]():
				order, want = append(order, parts[2:]...), append(want, parts[:2]...)
			case reflect.TypeFor[TaskState]():
				want = append(want, "dropped")
			case reflect.TypeFor[Task]():
				want = append(want, "exact")
			}
			require.ElementsMatch(t, want, order, "the codec leaves out a field of %s", of.Name())
		}
	}
	walk(reflect.TypeFor[Allocation]())
}

// plainer turns values into the lists, maps and scalars of their encoding. Its own elements are
// added to every struct, like the fields of a newer version.
type plainer []any

func plain(v any) any { return plainer(nil).value(reflect.ValueOf(v)) }

func (p plainer) value(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return p.value(v.Elem())
	case reflect.Struct:
		if ring, ok := v.Interface().(EventRing); ok {
			var events []TaskEvent
			for ev := range ring.All() {
				events = append(events, ev)
			}
			return p.value(reflect.ValueOf(events))
		}
		return p.fields(v, v.Type().Name())
	case reflect.Slice:
		if raw, ok := v.Interface().(json.RawMessage); ok {
			return string(raw)
		}
		if v.Len() == 0 {
			return nil
		}
		list := make([]any, v.Len())
		for i := range list {
			list[i] = p.value(v.Index(i))
		}
		return list
	case reflect.Map:
		if v.Len() == 0 {
			return nil
		}
		m := make(map[string]any)
		for _, key := range v.MapKeys() {
			m[key.String()] = p.value(v.MapIndex(key))
		}
		return m
	}
	return plainScalar(v)
}

func plainScalar(v reflect.Value) any {
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Bool:
		return v.Bool()
	case reflect.Float64:
		return v.Float()
	case reflect.Uint64:
		return v.Uint()
	}
	return v.Int()
}

// fields returns the fields of v in the order of wireOrder[name].
func (p plainer) fields(v reflect.Value, name string) any {
	fields, kept := []any{}, 0
	for i, field := range wireOrder[name] {
		x, zero := p.field(v, field)
		if fields = append(fields, x); !zero {
			kept = i + 1
		}
	}
	if len(p) != 0 {
		return append(fields, p...)
	}
	return fields[:kept]
}

func (p plainer) field(v reflect.Value, field string) (x any, zero bool) {
	switch field {
	case "scheduler", "client":
		x := p.fields(v, field)
		return x, len(x.([]any)) == 0
	case "exact":
		return "", true
	case "dropped":
		n := v.FieldByName("Events").FieldByName("dropped").Uint()
		return n, n == 0
	case "Config":
		config := v.FieldByName(field).Interface().(map[string]any)
		if len(config) == 0 {
			return nil, true
		}
		return config, false
	}
	x = p.value(v.FieldByName(field))
	return x, x == nil || x == "" || x == false || x == int64(0) || x == uint64(0)
}

// byLibrary returns the library's encoding of the lists and maps of a.
func byLibrary(t *testing.T, a *Allocation) []byte {
	var buf bytes.Buffer
	enc := msgpack.NewEncoder(&buf)
	enc.UseCompactInts(true)
	enc.SetSortMapKeys(true)
	require.NoError(t, enc.Encode(plain(a)))
	return buf.Bytes()
}
