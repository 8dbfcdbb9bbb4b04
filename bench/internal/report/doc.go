/*
Package report records the results of a run: its phases with their rates and
latencies, and figures with the targets that the design sets. It writes them as a
table and as JSON, together with the command, the revision and the machine.
*/
package report
