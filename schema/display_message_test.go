package schema

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// documentedTypes are the documented types of events.
var documentedTypes = []string{
	TaskSetupFailure, TaskDriverFailure, TaskStarted, TaskTerminated, TaskKilling, TaskKilled, TaskReceived,
	TaskFailedValidation, TaskRestarting, TaskNotRestarting, TaskDownloadingArtifacts, TaskArtifactDownloadFailed,
	TaskRestartSignaled, TaskSignaling, TaskSiblingFailed, TaskLeaderDead, TaskDriverMessage, TaskSetup,
}

// annotated returns an event of a type with the annotations of all types.
func annotated(kind string) TaskEvent {
	return TaskEvent{
		Type: kind, Time: 1447806038427841000, ExitCode: 137, Signal: 9,
		DriverError: "no such image", KillError: "no such process", FailsTask: true,
		RestartReason: "exceeded its delay mode", SetupError: "disk full", KillReason: "user asked for it",
		KillTimeout: 5 * time.Second, StartDelay: int64(25 * time.Second), DownloadError: "404", ValidationError: "no driver",
		FailedSibling: "db", TaskSignal: "SIGHUP", TaskSignalReason: "template changed", DriverMessage: "pulling the image",
	}
}

// TestDisplayMessages compares the sentence of each type with
// testdata/display_message.txt: bare, with annotations, and with a Message only.
func TestDisplayMessages(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	for _, kind := range append(documentedTypes, "Of No Documented Type") {
		for _, ev := range []TaskEvent{{Type: kind}, annotated(kind), {Type: kind, Message: "said the client"}} {
			fmt.Fprintf(&got, "%s\n", ev.DisplayMessage())
		}
	}
	killed := annotated(TaskKilled)
	killed.KillError = ""
	fmt.Fprintf(&got, "%s\n%s\n", killed.DisplayMessage(), TaskEvent{}.DisplayMessage())

	path := filepath.Join("testdata", "display_message.txt")
	if *rewrite {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got.String()), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got.String(), "sentences that people read change by intent only: -rewrite")
}

func TestDisplayMessageOfEveryDocumentedType(t *testing.T) {
	t.Parallel()
	require.Len(t, displays, 18, "18 types are documented")
	said := map[string]string{}
	for _, kind := range documentedTypes {
		require.Contains(t, displays, kind, "every documented type has a sentence")
		bare := TaskEvent{Type: kind}.DisplayMessage()
		require.Empty(t, said[bare], "%s has the sentence of another type", kind)
		said[bare] = kind
		require.Contains(t, TaskEvent{Type: kind, Message: "own words"}.DisplayMessage(), "own words", "%s shows the client's message", kind)
		early, late := annotated(kind), annotated(kind)
		late.Time++
		require.Equal(t, early.DisplayMessage(), late.DisplayMessage(), "%s says when by Time alone", kind)
	}
}
