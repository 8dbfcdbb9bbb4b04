package schema

import "time"

// TaskEvent is an event in the life of a task. Type and Time are always set; the other fields
// are annotations, which depend on the type. JSON always has the annotations of the documented
// sample, and the others if they are set.
type TaskEvent struct {
	KillError   string // Killed: why killing it failed
	Message     string // Driver, Task Setup, and any type that is not documented
	Signal      int    // Terminated: the signal that ended it
	ExitCode    int    // Terminated
	DriverError string // Driver Failure
	Time        int64  // unix nanoseconds, set by the observer of the event
	Type        string // one of the TaskEvent constants, or any other string

	FailsTask        bool              `json:",omitempty"` // the event fails the task
	RestartReason    string            `json:",omitempty"` // Restarting, Not Restarting, Restart Signaled
	SetupError       string            `json:",omitempty"` // Setup Failure
	DriverMessage    string            `json:",omitempty"` // Driver
	KillReason       string            `json:",omitempty"` // Killing, Killed
	KillTimeout      time.Duration     `json:",omitempty"` // Killing: how long it has before it is forced
	StartDelay       int64             `json:",omitempty"` // Restarting: nanoseconds until the start
	DownloadError    string            `json:",omitempty"` // Failed Artifact Download
	ValidationError  string            `json:",omitempty"` // Failed Validation
	DiskLimit        int64             `json:",omitempty"` // bytes
	FailedSibling    string            `json:",omitempty"` // Sibling Task Failed: the task that failed
	TaskSignal       string            `json:",omitempty"` // Signaling: the signal's name
	TaskSignalReason string            `json:",omitempty"` // Signaling, Restart Signaled
	Details          map[string]string `json:",omitempty"` // any other annotations of the client
}

// The documented types of task events. The set is open: any other string is
// kept as it is.
const (
	TaskSetupFailure           = "Setup Failure"
	TaskDriverFailure          = "Driver Failure"
	TaskStarted                = "Started"
	TaskTerminated             = "Terminated"
	TaskKilling                = "Killing"
	TaskKilled                 = "Killed"
	TaskReceived               = "Received"
	TaskFailedValidation       = "Failed Validation"
	TaskRestarting             = "Restarting"
	TaskNotRestarting          = "Not Restarting"
	TaskDownloadingArtifacts   = "Downloading Artifacts"
	TaskArtifactDownloadFailed = "Failed Artifact Download"
	TaskRestartSignaled        = "Restart Signaled"
	TaskSignaling              = "Signaling"
	TaskSiblingFailed          = "Sibling Task Failed"
	TaskLeaderDead             = "Leader Task Dead"
	TaskDriverMessage          = "Driver"
	TaskSetup                  = "Task Setup"
)
