package schema

// A jsonVisitor visits the keys of a struct in the order of the documented JSON. Each struct
// names its keys once, in its visit method, for the reader and the writer.
type jsonVisitor interface {
	// field visits a documented key. value is a pointer, or a structField.
	field(name string, value any)

	// optional visits a key that is written only if its value is set.
	optional(name string, value any)

	// message visits the DisplayMessage of an event.
	message(*TaskEvent)

	// extra visits the keys that are not documented. A client's are those of isClientKey.
	extra(keys *extras, client bool)
}

// A jsonStruct is a struct with documented keys.
type jsonStruct interface{ visit(jsonVisitor) }

// A pointerTo is a *T that is a jsonStruct.
type pointerTo[T any] interface {
	*T
	jsonStruct
}

// A structField is a field with structs in it.
type structField interface {
	read(*jsonReader)
	write(*jsonWriter)
}

type pointerField[T any, P pointerTo[T]] struct{ v **T }

func structPointer[T any, P pointerTo[T]](v **T) structField { return pointerField[T, P]{v} }

func (f pointerField[T, P]) read(r *jsonReader)  { *f.v = jsonPointer[T, P](r) }
func (f pointerField[T, P]) write(w *jsonWriter) { writePointer(w, P(*f.v)) }

type listField[T any, P pointerTo[T]] struct{ v *[]T }

func structList[T any, P pointerTo[T]](v *[]T) structField { return listField[T, P]{v} }

func (f listField[T, P]) read(r *jsonReader)  { *f.v = jsonList[T, P](r) }
func (f listField[T, P]) write(w *jsonWriter) { writeStructs[T, P](w, *f.v) }

type mapField[T any, P pointerTo[T]] struct{ v *map[string]*T }

func structMap[T any, P pointerTo[T]](v *map[string]*T) structField { return mapField[T, P]{v} }

func (f mapField[T, P]) read(r *jsonReader) {
	*f.v = jsonMap(r, func() *T { return jsonPointer[T, P](r) })
}

func (f mapField[T, P]) write(w *jsonWriter) {
	writeMap(w, *f.v, func(v *T) { writePointer(w, P(v)) })
}

func (a *Allocation) visit(v jsonVisitor) {
	v.field("ID", &a.ID)
	v.field("EvalID", &a.EvalID)
	v.field("Name", &a.Name)
	v.field("NodeID", &a.NodeID)
	v.field("JobID", &a.JobID)
	v.field("ModifyIndex", &a.ModifyIndex)
	v.field("Resources", structPointer(&a.Resources))
	v.field("TaskGroup", &a.TaskGroup)
	v.field("Job", structPointer(&a.Job))
	v.field("TaskResources", structMap(&a.TaskResources))
	v.field("Metrics", structPointer(&a.Metrics))
	v.field("DesiredStatus", &a.DesiredStatus)
	v.field("DesiredDescription", &a.DesiredDescription)
	v.field("ClientStatus", &a.ClientStatus)
	v.field("ClientDescription", &a.ClientDescription)
	v.field("TaskStates", structMap(&a.TaskStates))
	v.field("CreateIndex", &a.CreateIndex)
	v.optional("AllocModifyIndex", &a.AllocModifyIndex)
	v.optional("PreviousAllocation", &a.PreviousAllocation)
	v.optional("NextAllocation", &a.NextAllocation)
	v.extra(&a.ClientExtra, true)
	v.extra(&a.Extra, false)
}

func (j *Job) visit(v jsonVisitor) {
	v.field("ModifyIndex", &j.ModifyIndex)
	v.field("CreateIndex", &j.CreateIndex)
	v.field("StatusDescription", &j.StatusDescription)
	v.field("Status", &j.Status)
	v.field("Meta", &j.Meta)
	v.field("Update", structPointer(&j.Update))
	v.field("TaskGroups", structList(&j.TaskGroups))
	v.field("Region", &j.Region)
	v.field("ID", &j.ID)
	v.field("Name", &j.Name)
	v.field("Type", &j.Type)
	v.field("Priority", &j.Priority)
	v.field("AllAtOnce", &j.AllAtOnce)
	v.field("Datacenters", &j.Datacenters)
	v.field("Constraints", structList(&j.Constraints))
	v.extra(&j.Extra, false)
}

func (u *UpdateStrategy) visit(v jsonVisitor) {
	v.field("MaxParallel", &u.MaxParallel)
	v.field("Stagger", &u.Stagger)
	v.extra(&u.Extra, false)
}

func (g *TaskGroup) visit(v jsonVisitor) {
	v.field("Meta", &g.Meta)
	v.field("Tasks", structList(&g.Tasks))
	v.field("RestartPolicy", structPointer(&g.RestartPolicy))
	v.field("Constraints", structList(&g.Constraints))
	v.field("Count", &g.Count)
	v.field("Name", &g.Name)
	v.extra(&g.Extra, false)
}

func (p *RestartPolicy) visit(v jsonVisitor) {
	v.field("Delay", &p.Delay)
	v.field("Interval", &p.Interval)
	v.field("Attempts", &p.Attempts)
	v.extra(&p.Extra, false)
}

func (t *Task) visit(v jsonVisitor) {
	v.field("Meta", &t.Meta)
	v.field("Resources", structPointer(&t.Resources))
	v.field("Constraints", structList(&t.Constraints))
	v.field("Services", structList(&t.Services))
	v.field("Env", &t.Env)
	v.field("Config", &t.Config)
	v.field("Driver", &t.Driver)
	v.field("Name", &t.Name)
	v.extra(&t.Extra, false)
}

func (s *Service) visit(v jsonVisitor) {
	v.field("Checks", structList(&s.Checks))
	v.field("PortLabel", &s.PortLabel)
	v.field("Tags", &s.Tags)
	v.field("Name", &s.Name)
	v.field("Id", &s.Id)
	v.extra(&s.Extra, false)
}

func (s *ServiceCheck) visit(v jsonVisitor) {
	v.field("Timeout", &s.Timeout)
	v.field("Interval", &s.Interval)
	v.field("Protocol", &s.Protocol)
	v.field("Http", &s.Http)
	v.field("Script", &s.Script)
	v.field("Type", &s.Type)
	v.field("Name", &s.Name)
	v.field("Id", &s.Id)
	v.extra(&s.Extra, false)
}

func (k *Constraint) visit(v jsonVisitor) {
	v.field("Operand", &k.Operand)
	v.field("RTarget", &k.RTarget)
	v.field("LTarget", &k.LTarget)
	v.extra(&k.Extra, false)
}

func (r *Resources) visit(v jsonVisitor) {
	v.field("Networks", structList(&r.Networks))
	v.field("IOPS", &r.IOPS)
	v.field("DiskMB", &r.DiskMB)
	v.field("MemoryMB", &r.MemoryMB)
	v.field("CPU", &r.CPU)
	v.extra(&r.Extra, false)
}

func (n *NetworkResource) visit(v jsonVisitor) {
	v.field("DynamicPorts", structList(&n.DynamicPorts))
	v.field("ReservedPorts", structList(&n.ReservedPorts))
	v.field("MBits", &n.MBits)
	v.field("IP", &n.IP)
	v.field("CIDR", &n.CIDR)
	v.field("Device", &n.Device)
	v.extra(&n.Extra, false)
}

func (p *Port) visit(v jsonVisitor) {
	v.field("Value", &p.Value)
	v.field("Label", &p.Label)
	v.extra(&p.Extra, false)
}

func (m *AllocMetric) visit(v jsonVisitor) {
	v.field("CoalescedFailures", &m.CoalescedFailures)
	v.field("AllocationTime", &m.AllocationTime)
	v.field("NodesEvaluated", &m.NodesEvaluated)
	v.field("NodesFiltered", &m.NodesFiltered)
	v.field("ClassFiltered", &m.ClassFiltered)
	v.field("ConstraintFiltered", &m.ConstraintFiltered)
	v.field("NodesExhausted", &m.NodesExhausted)
	v.field("ClassExhausted", &m.ClassExhausted)
	v.field("DimensionExhausted", &m.DimensionExhausted)
	v.field("Scores", &m.Scores)
	v.extra(&m.Extra, false)
}

func (ts *TaskState) visit(v jsonVisitor) {
	v.field("Events", &ts.Events)
	v.field("State", &ts.State)
	v.field("Failed", &ts.Failed)
	v.optional("Restarts", &ts.Restarts)
	v.optional("LastRestart", &ts.LastRestart)
	v.optional("StartedAt", &ts.StartedAt)
	v.optional("FinishedAt", &ts.FinishedAt)
	v.optional("EventsDropped", (*droppedEvents)(&ts.Events))
	v.extra(&ts.Extra, false)
}

// droppedEvents is a ring as the number of its dropped events.
type droppedEvents EventRing

func (ev *TaskEvent) visit(v jsonVisitor) {
	v.field("KillError", &ev.KillError)
	v.field("Message", &ev.Message)
	v.field("Signal", &ev.Signal)
	v.field("ExitCode", &ev.ExitCode)
	v.field("DriverError", &ev.DriverError)
	v.field("Time", &ev.Time)
	v.field("Type", &ev.Type)
	v.optional("FailsTask", &ev.FailsTask)
	v.optional("RestartReason", &ev.RestartReason)
	v.optional("SetupError", &ev.SetupError)
	v.optional("DriverMessage", &ev.DriverMessage)
	v.optional("KillReason", &ev.KillReason)
	v.optional("KillTimeout", &ev.KillTimeout)
	v.optional("StartDelay", &ev.StartDelay)
	v.optional("DownloadError", &ev.DownloadError)
	v.optional("ValidationError", &ev.ValidationError)
	v.optional("DiskLimit", &ev.DiskLimit)
	v.optional("FailedSibling", &ev.FailedSibling)
	v.optional("TaskSignal", &ev.TaskSignal)
	v.optional("TaskSignalReason", &ev.TaskSignalReason)
	v.optional("Details", &ev.Details)
	v.message(ev)
	v.extra(&ev.Extra, false)
}
