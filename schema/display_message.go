package schema

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"
)

// DisplayMessage describes the event in an English sentence. It is computed from the event
// alone, and never stored. Annotations have precedence over the client's own Message. An event
// of an undocumented type shows its Message, or else its type.
//
// An Extra with the key DisplayMessage has precedence over all that: another version's sentence.
func (ev TaskEvent) DisplayMessage() string {
	if raw, kept := ev.Extra[displayMessage]; kept {
		var text string
		if json.Unmarshal(raw, &text) == nil && string(raw) != "null" {
			return text
		}
	}
	return ev.ownMessage()
}

// withoutOwnMessage returns the event without a DisplayMessage in Extra that says nothing: null, or
// the event's own sentence.
func (ev *TaskEvent) withoutOwnMessage() *TaskEvent {
	raw, kept := ev.Extra[displayMessage]
	if !kept {
		return ev
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil || string(raw) != "null" && text != ev.ownMessage() {
		return ev
	}
	other := ev.Clone()
	delete(other.Extra, displayMessage)
	return &other
}

// ownMessage is DisplayMessage without Extra.
func (ev *TaskEvent) ownMessage() string {
	what, documented := displays[ev.Type]
	reason := cmp.Or(ev.reason(), ev.Message)
	switch {
	case !documented:
		return cmp.Or(ev.Message, ev.Type)
	case ev.Type == TaskDriverMessage || ev.Type == TaskSetup:
		return cmp.Or(reason, what)
	case ev.Type == TaskKilled && ev.KillError != "":
		return "Killing the task went wrong: " + ev.KillError
	case ev.Type == TaskSiblingFailed && ev.FailedSibling != "":
		what = fmt.Sprintf("Task %q of the same group failed", ev.FailedSibling)
	}
	what += ev.detail()
	if reason == "" {
		return what
	}
	return what + ": " + reason
}

// displays has the sentence of every documented type.
var displays = map[string]string{
	TaskSetupFailure:           "The task's setup failed before it could run",
	TaskDriverFailure:          "The driver could not start the task",
	TaskStarted:                "The task is up",
	TaskTerminated:             "The task ended with exit code ",
	TaskKilling:                "The task is being killed",
	TaskKilled:                 "The task was killed",
	TaskReceived:               "The task has arrived at its client",
	TaskFailedValidation:       "The task is invalid and was not run",
	TaskRestarting:             "The task is being restarted",
	TaskNotRestarting:          "The task failed and has no restarts left",
	TaskDownloadingArtifacts:   "The task's artifacts are being fetched",
	TaskArtifactDownloadFailed: "The task's artifacts could not be fetched",
	TaskRestartSignaled:        "The task was asked to restart",
	TaskSignaling:              "The task is being sent ",
	TaskSiblingFailed:          "Another task of the group failed",
	TaskLeaderDead:             "The task ends because its group's leader is dead",
	TaskDriverMessage:          "The driver has something to say",
	TaskSetup:                  "The task is being set up",
}

// detail returns the end of the event's sentence, before its reason.
func (ev *TaskEvent) detail() string {
	switch {
	case ev.Type == TaskTerminated && ev.Signal != 0:
		return fmt.Sprintf("%d on signal %d", ev.ExitCode, ev.Signal)
	case ev.Type == TaskTerminated:
		return fmt.Sprint(ev.ExitCode)
	case ev.Type == TaskKilling && ev.KillTimeout != 0:
		return fmt.Sprintf(", by force after %v", ev.KillTimeout)
	case ev.Type == TaskRestarting && ev.StartDelay != 0:
		return fmt.Sprintf(" after a pause of %v", time.Duration(ev.StartDelay))
	case ev.Type == TaskSignaling:
		return cmp.Or(ev.TaskSignal, "a signal")
	}
	return ""
}

// reason returns the annotation that tells the reason of an event of its type.
func (ev *TaskEvent) reason() string {
	switch ev.Type {
	case TaskSetupFailure:
		return ev.SetupError
	case TaskDriverFailure:
		return cmp.Or(ev.DriverError, ev.DriverMessage)
	case TaskKilling, TaskKilled:
		return ev.KillReason
	case TaskFailedValidation:
		return ev.ValidationError
	case TaskRestarting, TaskNotRestarting:
		return ev.RestartReason
	case TaskArtifactDownloadFailed:
		return ev.DownloadError
	case TaskRestartSignaled:
		return cmp.Or(ev.RestartReason, ev.TaskSignalReason)
	case TaskSignaling:
		return ev.TaskSignalReason
	case TaskDriverMessage:
		return ev.DriverMessage
	}
	return ""
}
