package program

import (
	"errors"
	"sync"
	"time"
)

// Parallel runs fn in n goroutines, numbered from 0, and returns their errors
// joined.
func Parallel(n int, fn func(g int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for g := range n {
		wg.Go(func() { errs[g] = fn(g) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Patience is the time that the programs wait for a reader without progress.
const Patience = 30 * time.Second

// Await polls count until it returns want or more. It gives up when count has not
// changed for the given patience, and returns the last count in either case.
func Await(want int, patience time.Duration, count func() int) (last int, ok bool) {
	for since := time.Now(); last < want; time.Sleep(time.Millisecond) {
		if now := count(); now != last {
			since, last = time.Now(), now
		}
		if time.Since(since) > patience {
			return last, false
		}
	}
	return last, true
}
