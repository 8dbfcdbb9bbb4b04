/*
Package logtest writes records into the log of a state, for tests of the packages that read the log
or remove records from it. It commits and publishes as the committer of package store does, and has
neither a plan nor a store: a test says which parts each record has. [Log.Check], which also runs at
the end of the test, compares the file with the memory.
*/
package logtest
