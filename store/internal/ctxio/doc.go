// Package ctxio reads with a context.
package ctxio
