// Package machine says where figures come from, and what the process takes of it:
// memory as the runtime and as the system see it, and the processors' time that
// goes to collecting garbage.
package machine
