/*
Package report is what a long run has measured: its phases, and the figures that
are judged, as a table for people and as JSON for programs, with the machine and
the command that they come from.
*/
package report
