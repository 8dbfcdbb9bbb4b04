package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// maxFaults bounds the reported faults of one allocation.
const maxFaults = 20

// A fault is an ErrInvalid or an ErrInvalidID of the value at a path.
type fault struct {
	path string
	err  error
}

// faults are the faults of an allocation. A valid allocation costs no memory.
type faults []fault

// invalid reports an ErrInvalid of the value at path.
func (f *faults) invalid(path, format string, args ...any) {
	f.report(path, fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...)))
}

func (f *faults) report(path string, err error) {
	if len(*f) < maxFaults {
		*f = append(*f, fault{path, err})
	}
}

// join returns the faults as one error. They were found in the order of maps, so it sorts
// them by their text.
func (f faults) join() error {
	errs := make([]error, len(f))
	for i := range f {
		errs[i] = fmt.Errorf("%s: %w", f[i].path, f[i].err)
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

const notUTF8 = "not UTF-8"

// texts reports the strings that are not UTF-8. They are given by pairs of a path and a string.
func (f *faults) texts(pairs ...string) {
	for i := 0; i < len(pairs); i += 2 {
		if !utf8.ValidString(pairs[i+1]) {
			f.invalid(pairs[i], "%s: %q", notUTF8, abbreviated(pairs[i+1]))
		}
	}
}

// textList is texts for a list.
func (f *faults) textList(path string, list []string) {
	for i, text := range list {
		if !utf8.ValidString(text) {
			f.invalid(elementPath(path, i), "%s: %q", notUTF8, abbreviated(text))
		}
	}
}

// textMap is texts for a map.
func (f *faults) textMap(path string, m map[string]string) {
	for key, text := range m {
		if !utf8.ValidString(key) || !utf8.ValidString(text) {
			f.invalid(entryPath(path, key), "%s: %q", notUTF8, abbreviated(text))
		}
	}
}

// key is texts for a key of the map at path.
func (f *faults) key(path, key string) {
	if !utf8.ValidString(key) {
		f.invalid(entryPath(path, key), notUTF8)
	}
}

// keys is key for all keys.
func (f *faults) keys(path string, m map[string]int) {
	for key := range m {
		f.key(path, key)
	}
}

// validateExtra reports the extra keys of a T that are documented or belong to the other owner, and
// those whose value is not JSON.
func validateExtra[T any, P pointerTo[T]](f *faults, path string, keys extras) {
	if len(keys) == 0 {
		return
	}
	var documented keyCollector
	P(new(T)).visit(&documented)
	ofClient := path == "ClientExtra"
	for key, raw := range keys {
		at := entryPath(path, key)
		switch {
		case !utf8.ValidString(key):
			f.invalid(at, notUTF8)
		case !isValue(raw):
			f.invalid(at, "not JSON in UTF-8: %q", abbreviated(string(raw)))
		case tooDeep(raw):
			f.invalid(at, "%v", errExtraTooDeep)
		case ofClient && !isClientKey(key):
			f.invalid(at, "not a key of the client's, which are %q: it belongs to Extra", clientKeys)
		case !ofClient && documented.hasClient && isClientKey(key):
			f.invalid(at, "a key of the client's: it belongs to ClientExtra")
		case key != displayMessage && documented.has(key):
			f.invalid(at, "a documented key")
		}
	}
}

// A keyCollector collects the documented keys of a struct.
type keyCollector struct {
	names     []string
	hasClient bool // the struct has ClientExtra
}

func (k *keyCollector) field(name string, _ any)     { k.names = append(k.names, name) }
func (k *keyCollector) optional(name string, _ any)  { k.names = append(k.names, name) }
func (k *keyCollector) message(*TaskEvent)           { k.names = append(k.names, displayMessage) }
func (k *keyCollector) extra(_ *extras, client bool) { k.hasClient = k.hasClient || client }

func (k *keyCollector) has(key string) bool {
	return slices.ContainsFunc(k.names, func(name string) bool { return strings.EqualFold(name, key) })
}

// inField says that the faults from index at on are inside a field.
func (f faults) inField(at int, field string) {
	for i := at; i < len(f); i++ {
		f[i].path = field + "." + f[i].path
	}
}

// inElement is inField for an element of a list.
func (f faults) inElement(at int, list string, i int) {
	if len(f) > at {
		f.inField(at, elementPath(list, i))
	}
}

// inEntry is inField for an entry of a map.
func (f faults) inEntry(at int, m, key string) {
	if len(f) > at {
		f.inField(at, entryPath(m, key))
	}
}

func elementPath(list string, i int) string { return fmt.Sprintf("%s[%d]", list, i) }

func entryPath(m, key string) string { return fmt.Sprintf("%s[%q]", m, abbreviated(key)) }

// Validate reports the faults for which the store refuses the scheduler's write of a. It
// reports up to 20 at once, each with its path:
//
//   - an ID, PreviousAllocation or NextAllocation that is malformed (ErrInvalidID)
//   - a PreviousAllocation or NextAllocation that is a itself
//   - nil entries or empty task names in maps
//   - a score that is NaN or infinite
//   - a Config value of a type that cannot be stored, or too deep
//   - text that is not UTF-8
//   - an extra key that is documented or belongs to the other owner, or whose value is not JSON
//
// All but the first are ErrInvalid. Nothing in a is changed.
func (a *Allocation) Validate() error {
	if a == nil {
		return errNilAllocation
	}
	var f faults
	a.validateClient(&f)
	a.related(&f, "PreviousAllocation", a.PreviousAllocation)
	a.related(&f, "NextAllocation", a.NextAllocation)
	f.texts("EvalID", a.EvalID, "Name", a.Name, "NodeID", a.NodeID, "JobID", a.JobID, "TaskGroup", a.TaskGroup,
		"DesiredStatus", a.DesiredStatus, "DesiredDescription", a.DesiredDescription)
	validateExtra[Allocation](&f, "Extra", a.Extra)
	at := len(f)
	a.Resources.validate(&f)
	f.inField(at, "Resources")
	for name, r := range a.TaskResources {
		f.task("TaskResources", name, r == nil)
		at := len(f)
		r.validate(&f)
		f.inEntry(at, "TaskResources", name)
	}
	at = len(f)
	a.Metrics.validate(&f)
	f.inField(at, "Metrics")
	at = len(f)
	a.Job.validate(&f)
	f.inField(at, "Job")
	return f.join()
}

// ValidateClient reports the faults for which the store refuses the client's write of a: those
// of the ID and of the client's fields.
func (a *Allocation) ValidateClient() error {
	if a == nil {
		return errNilAllocation
	}
	var f faults
	a.validateClient(&f)
	return f.join()
}

var errNilAllocation = fmt.Errorf("%w: nil allocation", ErrInvalid)

func (a *Allocation) validateClient(f *faults) {
	if _, err := ParseID(a.ID); err != nil {
		f.report("ID", err)
	}
	f.texts("ClientStatus", a.ClientStatus, "ClientDescription", a.ClientDescription)
	validateExtra[Allocation](f, "ClientExtra", a.ClientExtra)
	for name, ts := range a.TaskStates {
		f.task("TaskStates", name, ts == nil)
		at := len(*f)
		ts.validate(f)
		f.inEntry(at, "TaskStates", name)
	}
}

// related checks an ID that must be of another allocation than a.
func (a *Allocation) related(f *faults, path, text string) {
	if text == "" {
		return
	}
	other, err := ParseID(text)
	if err != nil {
		f.report(path, err)
		return
	}
	if own, err := ParseID(a.ID); err == nil && own == other {
		f.invalid(path, "the allocation itself")
	}
}

// task checks an entry of a map by task name.
func (f *faults) task(path, name string, isNil bool) {
	if isNil {
		f.invalid(entryPath(path, name), "nil")
	}
	if name == "" {
		f.invalid(path, "empty task name")
	}
	f.key(path, name)
}

func (ts *TaskState) validate(f *faults) {
	if ts == nil {
		return
	}
	f.texts("State", ts.State)
	validateExtra[TaskState](f, "Extra", ts.Extra)
	if ts.Events.plain() {
		return
	}
	i, before := 0, len(*f)
	err := ts.Events.each(func(ev TaskEvent) bool {
		at := len(*f)
		ev.validate(f)
		f.inElement(at, "Events", i)
		i++
		return true
	})
	if err != nil && len(*f) == before {
		f.invalid(elementPath("Events", i-1), "%v", err)
	}
}

// Validate reports the faults for which the store refuses the event: text that is not UTF-8,
// and extra keys as in [Allocation.Validate]. They are ErrInvalid.
func (ev TaskEvent) Validate() error {
	var f faults
	ev.validate(&f)
	return f.join()
}

func (ev *TaskEvent) validate(f *faults) {
	f.texts("KillError", ev.KillError, "Message", ev.Message, "DriverError", ev.DriverError, "Type", ev.Type,
		"RestartReason", ev.RestartReason, "SetupError", ev.SetupError, "DriverMessage", ev.DriverMessage,
		"KillReason", ev.KillReason, "DownloadError", ev.DownloadError, "ValidationError", ev.ValidationError,
		"FailedSibling", ev.FailedSibling, "TaskSignal", ev.TaskSignal, "TaskSignalReason", ev.TaskSignalReason)
	f.textMap("Details", ev.Details)
	validateExtra[TaskEvent](f, "Extra", ev.Extra)
}

func (r *Resources) validate(f *faults) {
	if r == nil {
		return
	}
	validateExtra[Resources](f, "Extra", r.Extra)
	for i := range r.Networks {
		n, at := &r.Networks[i], len(*f)
		f.texts("IP", n.IP, "CIDR", n.CIDR, "Device", n.Device)
		validateExtra[NetworkResource](f, "Extra", n.Extra)
		validatePorts(f, "DynamicPorts", n.DynamicPorts)
		validatePorts(f, "ReservedPorts", n.ReservedPorts)
		f.inElement(at, "Networks", i)
	}
}

func validatePorts(f *faults, path string, ports []Port) {
	for i := range ports {
		at := len(*f)
		f.texts("Label", ports[i].Label)
		validateExtra[Port](f, "Extra", ports[i].Extra)
		f.inElement(at, path, i)
	}
}

func (m *AllocMetric) validate(f *faults) {
	if m == nil {
		return
	}
	for name, score := range m.Scores {
		if !isFinite(score) {
			f.invalid(entryPath("Scores", name), "%v is no number", score)
		}
		f.key("Scores", name)
	}
	f.keys("ClassFiltered", m.ClassFiltered)
	f.keys("ConstraintFiltered", m.ConstraintFiltered)
	f.keys("ClassExhausted", m.ClassExhausted)
	f.keys("DimensionExhausted", m.DimensionExhausted)
	validateExtra[AllocMetric](f, "Extra", m.Extra)
}

// Validate reports the faults of a job for which the store refuses an allocation with it, as
// [Allocation.Validate] does.
func (j *Job) Validate() error {
	var f faults
	j.validate(&f)
	f.inField(0, "Job")
	return f.join()
}

func (j *Job) validate(f *faults) {
	if j == nil {
		return
	}
	f.texts("StatusDescription", j.StatusDescription, "Status", j.Status, "Region", j.Region, "ID", j.ID, "Name", j.Name, "Type", j.Type)
	f.textMap("Meta", j.Meta)
	f.textList("Datacenters", j.Datacenters)
	validateConstraints(f, j.Constraints)
	validateExtra[Job](f, "Extra", j.Extra)
	if j.Update != nil && len(j.Update.Extra) > 0 {
		validateExtra[UpdateStrategy](f, "Update.Extra", j.Update.Extra)
	}
	for i := range j.TaskGroups {
		at := len(*f)
		j.TaskGroups[i].validate(f)
		f.inElement(at, "TaskGroups", i)
	}
}

func (g *TaskGroup) validate(f *faults) {
	f.texts("Name", g.Name)
	f.textMap("Meta", g.Meta)
	validateConstraints(f, g.Constraints)
	validateExtra[TaskGroup](f, "Extra", g.Extra)
	if g.RestartPolicy != nil {
		validateExtra[RestartPolicy](f, "RestartPolicy.Extra", g.RestartPolicy.Extra)
	}
	for i := range g.Tasks {
		at := len(*f)
		g.Tasks[i].validate(f)
		f.inElement(at, "Tasks", i)
	}
}

func validateConstraints(f *faults, constraints []Constraint) {
	for i := range constraints {
		k, at := &constraints[i], len(*f)
		f.texts("Operand", k.Operand, "RTarget", k.RTarget, "LTarget", k.LTarget)
		validateExtra[Constraint](f, "Extra", k.Extra)
		f.inElement(at, "Constraints", i)
	}
}

func (t *Task) validate(f *faults) {
	f.texts("Driver", t.Driver, "Name", t.Name)
	f.textMap("Meta", t.Meta)
	f.textMap("Env", t.Env)
	validateConstraints(f, t.Constraints)
	validateExtra[Task](f, "Extra", t.Extra)
	at := len(*f)
	t.Resources.validate(f)
	f.inField(at, "Resources")
	for i := range t.Services {
		at := len(*f)
		t.Services[i].validate(f)
		f.inElement(at, "Services", i)
	}
	for key, v := range t.Config {
		if inside, what := faultOf(v, 1); what != "" {
			f.invalid(entryPath("Config", key)+inside, "%s", what)
		}
		f.key("Config", key)
	}
}

func (s *Service) validate(f *faults) {
	f.texts("PortLabel", s.PortLabel, "Name", s.Name, "Id", s.Id)
	f.textList("Tags", s.Tags)
	validateExtra[Service](f, "Extra", s.Extra)
	for i := range s.Checks {
		k, at := &s.Checks[i], len(*f)
		f.texts("Protocol", k.Protocol, "Http", k.Http, "Script", k.Script, "Type", k.Type, "Name", k.Name, "Id", k.Id)
		validateExtra[ServiceCheck](f, "Extra", k.Extra)
		f.inElement(at, "Checks", i)
	}
}

// faultOf returns the first fault inside a free-form value, and the path to it; "" if the value
// is valid. The list or map around the value is depth levels deep.
func faultOf(v any, depth int) (path, what string) {
	if depth == maxDepth && isCollection(v) {
		return "", errTooDeep.Error()
	}
	switch v := v.(type) {
	case string:
		if !utf8.ValidString(v) {
			return "", notUTF8
		}
	case nil, bool, time.Duration, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64,
		[]int:
	case []string:
		var f faults
		if f.textList("", v); len(f) > 0 {
			return f[0].path, notUTF8
		}
	case map[string]string:
		var f faults
		if f.textMap("", v); len(f) > 0 {
			return f[0].path, notUTF8
		}
	case float32:
		return faultOf(float64(v), depth)
	case float64:
		if !isFinite(v) {
			return "", fmt.Sprintf("%v is no number", v)
		}
	case json.Number:
		if _, ok := numberOf(string(v)); !ok {
			return "", fmt.Sprintf("%q is no number", abbreviated(string(v)))
		}
	case []any:
		return faultInList(v, depth)
	case []map[string]any:
		return faultInList(v, depth)
	case []map[string]string:
		for i, m := range v {
			if path, what := faultOf(m, depth+1); what != "" {
				return elementPath("", i) + path, what
			}
		}
	case map[string]any:
		return faultInMap(v, depth)
	default:
		return "", fmt.Sprintf("a value of type %T cannot be stored", v)
	}
	return "", ""
}

func isCollection(v any) bool {
	switch v.(type) {
	case []any, []string, []int, []map[string]any, []map[string]string, map[string]any, map[string]string:
		return true
	}
	return false
}

func faultInList[T any](list []T, depth int) (path, what string) {
	for i, element := range list {
		if path, what := faultOf(element, depth+1); what != "" {
			return elementPath("", i) + path, what
		}
	}
	return "", ""
}

func faultInMap(m map[string]any, depth int) (path, what string) {
	for key, element := range m {
		path, what := faultOf(element, depth+1)
		if what == "" && !utf8.ValidString(key) {
			what = notUTF8
		}
		if what != "" {
			return entryPath("", key) + path, what
		}
	}
	return "", ""
}
