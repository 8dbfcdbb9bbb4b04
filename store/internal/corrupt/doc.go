/*
Package corrupt has the one error that marks damaged or foreign content. Every layer below the
store wraps it, and every layer above tests for it.
*/
package corrupt

import "errors"

// Err is in the chain of every error about such content. Packages record and store export it as
// ErrCorrupt.
var Err = errors.New("corrupt")
