package schema

import (
	"cmp"
	"fmt"
	"time"
)

// DisplayMessage says in a sentence what happened, for people. It is computed
// from the event alone, in English, and never stored. An event of a type that is
// not documented shows its Message, or else its type.
func (ev TaskEvent) DisplayMessage() string {
	if say, ok := displays[ev.Type]; ok {
		return say(&ev)
	}
	return cmp.Or(ev.Message, ev.Type)
}

// displays has one sentence for every documented type.
var displays = map[string]func(*TaskEvent) string{
	TaskSetupFailure: func(ev *TaskEvent) string { return because("Task could not be set up", ev.SetupError, ev.Message) },
	TaskDriverFailure: func(ev *TaskEvent) string {
		return because("Driver could not start the task", ev.DriverError, ev.Message)
	},
	TaskStarted:    func(ev *TaskEvent) string { return because("Task started by the client", ev.Message) },
	TaskTerminated: terminated,
	TaskKilling:    killing,
	TaskKilled:     killed,
	TaskReceived:   func(ev *TaskEvent) string { return because("Task received by the client", ev.Message) },
	TaskFailedValidation: func(ev *TaskEvent) string {
		return because("Task is not valid and was not run", ev.ValidationError, ev.Message)
	},
	TaskRestarting: restarting,
	TaskNotRestarting: func(ev *TaskEvent) string {
		return because("Task has used up its restarts", ev.RestartReason, ev.Message)
	},
	TaskDownloadingArtifacts: func(ev *TaskEvent) string { return because("Client is downloading artifacts", ev.Message) },
	TaskArtifactDownloadFailed: func(ev *TaskEvent) string {
		return because("Artifacts could not be downloaded", ev.DownloadError, ev.Message)
	},
	TaskRestartSignaled: func(ev *TaskEvent) string {
		return because("Task was signaled to restart", ev.RestartReason, ev.TaskSignalReason, ev.Message)
	},
	TaskSignaling: signaling,
	TaskSiblingFailed: func(ev *TaskEvent) string {
		if ev.FailedSibling == "" {
			return because("A sibling of the task failed", ev.Message)
		}
		return because(fmt.Sprintf("Sibling %q of the task failed", ev.FailedSibling), ev.Message)
	},
	TaskLeaderDead:    func(ev *TaskEvent) string { return because("Leader of the task's group is dead", ev.Message) },
	TaskDriverMessage: func(ev *TaskEvent) string { return cmp.Or(ev.DriverMessage, ev.Message, "Message from the driver") },
	TaskSetup:         func(ev *TaskEvent) string { return cmp.Or(ev.Message, "Task is being set up") },
}

// because adds the first reason that is given.
func because(what string, reasons ...string) string {
	if reason := cmp.Or(reasons...); reason != "" {
		return what + ": " + reason
	}
	return what
}

func terminated(ev *TaskEvent) string {
	what := fmt.Sprintf("Task exited with code %d", ev.ExitCode)
	if ev.Signal != 0 {
		what += fmt.Sprintf(", ended by signal %d", ev.Signal)
	}
	return because(what, ev.Message)
}

func killing(ev *TaskEvent) string {
	what := "Task is being killed"
	if ev.KillTimeout != 0 {
		what += fmt.Sprintf(", by force after %v", ev.KillTimeout)
	}
	return because(what, ev.KillReason, ev.Message)
}

func killed(ev *TaskEvent) string {
	if ev.KillError != "" {
		return because("Task could not be killed cleanly", ev.KillError)
	}
	return because("Task was killed", ev.KillReason, ev.Message)
}

func restarting(ev *TaskEvent) string {
	return because(fmt.Sprintf("Task restarts in %v", time.Duration(ev.StartDelay)), ev.RestartReason, ev.Message)
}

func signaling(ev *TaskEvent) string {
	what := "Task is being sent a signal"
	if ev.TaskSignal != "" {
		what = "Task is being sent " + ev.TaskSignal
	}
	return because(what, ev.TaskSignalReason, ev.Message)
}
