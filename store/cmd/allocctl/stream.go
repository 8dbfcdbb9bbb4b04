package main

import (
	"context"
	"io"
	"sync"
	"time"
)

// patience is the time that a blocked call has to end by itself when its context has ended.
const patience = 250 * time.Millisecond

// A stream is a writer whose writes end with a context. A write to a pipe without a reader that reads, or
// to a terminal that is stopped, would block for ever, and keep a signal from ending the process.
type stream struct {
	to  io.Writer
	ctx context.Context

	// always: each write has its own patience, even after ctx has ended, so that a message about the
	// end is written. Otherwise all writes fail once over is closed.
	always bool
	over   chan struct{} // closed when patience has passed since the end of ctx

	mu     sync.Mutex // guards all below; held during a write
	text   []byte     // of the write under way
	next   chan []byte
	wrote  chan writeResult
	begun  bool  // run has been started
	failed error // the first error
	stuck  bool  // a write was given up, and has not ended yet
}

type writeResult struct {
	n   int
	err error
}

// newStream returns a stream to a writer.
func newStream(ctx context.Context, to io.Writer, always bool) *stream {
	s := &stream{to: to, ctx: ctx, always: always, over: make(chan struct{}), next: make(chan []byte), wrote: make(chan writeResult, 1)}
	context.AfterFunc(ctx, func() { time.AfterFunc(patience, func() { close(s.over) }) })
	return s
}

// Unwrap returns the writer that the stream writes to.
func (s *stream) Unwrap() io.Writer { return s.to }

// Write writes p, or returns the context's error if p could not be written in time. Part of p may have been
// written then.
func (s *stream) Write(p []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, err = s.write(p); err != nil && s.failed == nil {
		s.failed = err
	}
	return n, err
}

func (s *stream) write(p []byte) (int, error) {
	over := s.over
	if s.always {
		over = make(chan struct{})
		defer time.AfterFunc(patience, func() { close(over) }).Stop()
	}
	select {
	case <-over:
		return 0, s.ctx.Err()
	default:
	}
	if s.stuck {
		select {
		case <-s.wrote:
			s.stuck = false
		default:
			return 0, s.ctx.Err()
		}
	}
	if !s.begun {
		s.begun = true
		go s.run()
	}
	s.text = append(s.text[:0], p...) // the caller may change p when a write is given up
	s.next <- s.text
	select {
	case r := <-s.wrote:
		return r.n, r.err
	case <-s.ctx.Done():
	}
	select {
	case r := <-s.wrote:
		return r.n, r.err
	case <-over:
		s.stuck, s.text = true, nil
		return 0, s.ctx.Err()
	}
}

// run writes. It is left behind, blocked, if a write is given up: the process ends then.
func (s *stream) run() {
	for p := range s.next {
		n, err := s.to.Write(p)
		s.wrote <- writeResult{n, err}
	}
}

// failure returns the first error of a write.
func (s *stream) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// untilDone returns the result of fn. If ctx ends first and fn blocks, it returns ctx's error and leaves
// fn behind. A result that comes after ctx has ended goes to discard.
func untilDone[T any](ctx context.Context, fn func() (T, error), discard func(T)) (T, error) {
	type result struct {
		value T
		err   error
	}
	got := make(chan result, 1)
	go func() {
		value, err := fn()
		got <- result{value, err}
	}()
	var none T
	select {
	case r := <-got:
		return r.value, r.err
	case <-ctx.Done():
	}
	late := func(r result) {
		if r.err == nil {
			discard(r.value)
		}
	}
	select {
	case r := <-got:
		late(r)
	case <-time.After(patience):
		go func() { late(<-got) }()
	}
	return none, ctx.Err()
}
