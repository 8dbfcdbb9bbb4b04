package main

import (
	"fmt"
	"runtime/debug"
)

// version describes the program: its module's version, and the revision and the Go version that it was
// built from, as far as they are known.
func version(info *debug.BuildInfo, ok bool) string {
	if !ok {
		return "unknown"
	}
	text := info.Main.Version
	if text == "" {
		text = "(devel)"
	}
	setting := make(map[string]string)
	for _, s := range info.Settings {
		setting[s.Key] = s.Value
	}
	if revision := setting["vcs.revision"]; revision != "" {
		text += ", revision " + revision
		if at := setting["vcs.time"]; at != "" {
			text += " of " + at
		}
		if setting["vcs.modified"] == "true" {
			text += ", modified"
		}
	}
	return fmt.Sprintf("%s, %s", text, info.GoVersion)
}
