package schema

import (
	"encoding/json"
	"time"
)

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

	FailsTask        bool              // the event fails the task
	RestartReason    string            // Restarting, Not Restarting, Restart Signaled
	SetupError       string            // Setup Failure
	DriverMessage    string            // Driver
	KillReason       string            // Killing, Killed
	KillTimeout      time.Duration     // Killing: how long it has before it is forced
	StartDelay       int64             // Restarting: nanoseconds until the start
	DownloadError    string            // Failed Artifact Download
	ValidationError  string            // Failed Validation
	DiskLimit        int64             // bytes
	FailedSibling    string            // Sibling Task Failed: the task that failed
	TaskSignal       string            // Signaling: the signal's name
	TaskSignalReason string            // Signaling, Restart Signaled
	Details          map[string]string // any other annotations of the client
	Extra            map[string]json.RawMessage
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
