// Package machine describes the machine that runs a benchmark, and measures the
// resources of the process: its heap and stacks, its memory as the system counts it,
// and the processor time spent on garbage collection.
package machine
