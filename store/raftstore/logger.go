package raftstore

import (
	"context"
	"io"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// newHCLogger returns a logger for raft whose messages go to l.
func newHCLogger(l *slog.Logger) hclog.Logger {
	h := hclog.NewInterceptLogger(&hclog.LoggerOptions{Name: "raft", Level: hclog.Debug, Output: io.Discard})
	h.RegisterSink(sink{l})
	return h
}

// A sink passes messages of an hclog.Logger on.
type sink struct{ to *slog.Logger }

// Accept passes one message on. Most of raft's messages are for its developers: Info becomes Debug.
func (s sink) Accept(name string, level hclog.Level, msg string, args ...any) {
	to := slog.LevelDebug
	switch {
	case level >= hclog.Error:
		to = slog.LevelError
	case level == hclog.Warn:
		to = slog.LevelWarn
	}
	s.to.Log(context.Background(), to, msg, append([]any{"from", name}, args...)...)
}
