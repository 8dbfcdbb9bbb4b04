package schema

import (
	"cmp"
	"fmt"
	"time"
)

// DisplayMessage describes the event in an English sentence. It is computed from the event
// alone, and never stored. An event of an undocumented type shows its Message, or else its
// type.
func (ev TaskEvent) DisplayMessage() string {
	if say, ok := displays[ev.Type]; ok {
		return say(&ev)
	}
	return cmp.Or(ev.Message, ev.Type)
}

// displays has one sentence for every documented type. Annotations have precedence over the
// client's own Message.
var displays = map[string]func(*TaskEvent) string{
	TaskSetupFailure: func(ev *TaskEvent) string {
		return because("The task's setup failed before it could run", ev.SetupError, ev.Message)
	},
	TaskDriverFailure: func(ev *TaskEvent) string {
		return because("The driver could not start the task", ev.DriverError, ev.DriverMessage, ev.Message)
	},
	TaskStarted:    func(ev *TaskEvent) string { return because("The task is up", ev.Message) },
	TaskTerminated: terminated,
	TaskKilling:    killing,
	TaskKilled:     killed,
	TaskReceived:   func(ev *TaskEvent) string { return because("The task has arrived at its client", ev.Message) },
	TaskFailedValidation: func(ev *TaskEvent) string {
		return because("The task is invalid and was not run", ev.ValidationError, ev.Message)
	},
	TaskRestarting: restarting,
	TaskNotRestarting: func(ev *TaskEvent) string {
		return because("The task failed and has no restarts left", ev.RestartReason, ev.Message)
	},
	TaskDownloadingArtifacts: func(ev *TaskEvent) string {
		return because("The task's artifacts are being fetched", ev.Message)
	},
	TaskArtifactDownloadFailed: func(ev *TaskEvent) string {
		return because("The task's artifacts could not be fetched", ev.DownloadError, ev.Message)
	},
	TaskRestartSignaled: func(ev *TaskEvent) string {
		return because("The task was asked to restart", ev.RestartReason, ev.TaskSignalReason, ev.Message)
	},
	TaskSignaling:     signaling,
	TaskSiblingFailed: siblingFailed,
	TaskLeaderDead: func(ev *TaskEvent) string {
		return because("The task ends because its group's leader is dead", ev.Message)
	},
	TaskDriverMessage: func(ev *TaskEvent) string {
		return cmp.Or(ev.DriverMessage, ev.Message, "The driver has something to say")
	},
	TaskSetup: func(ev *TaskEvent) string { return cmp.Or(ev.Message, "The task is being set up") },
}

// because adds the first reason that is not empty.
func because(what string, reasons ...string) string {
	if reason := cmp.Or(reasons...); reason != "" {
		return what + ": " + reason
	}
	return what
}

func terminated(ev *TaskEvent) string {
	what := fmt.Sprintf("The task ended with exit code %d", ev.ExitCode)
	if ev.Signal != 0 {
		what += fmt.Sprintf(" on signal %d", ev.Signal)
	}
	return because(what, ev.Message)
}

func killing(ev *TaskEvent) string {
	what := "The task is being killed"
	if ev.KillTimeout != 0 {
		what += fmt.Sprintf(", by force after %v", ev.KillTimeout)
	}
	return because(what, ev.KillReason, ev.Message)
}

func killed(ev *TaskEvent) string {
	if ev.KillError != "" {
		return because("Killing the task went wrong", ev.KillError)
	}
	return because("The task was killed", ev.KillReason, ev.Message)
}

func restarting(ev *TaskEvent) string {
	what := "The task is being restarted"
	if ev.StartDelay != 0 {
		what += fmt.Sprintf(" after a pause of %v", time.Duration(ev.StartDelay))
	}
	return because(what, ev.RestartReason, ev.Message)
}

func signaling(ev *TaskEvent) string {
	what := "The task is being sent " + cmp.Or(ev.TaskSignal, "a signal")
	return because(what, ev.TaskSignalReason, ev.Message)
}

func siblingFailed(ev *TaskEvent) string {
	what := "Another task of the group failed"
	if ev.FailedSibling != "" {
		what = fmt.Sprintf("Task %q of the same group failed", ev.FailedSibling)
	}
	return because(what, ev.Message)
}
