/*
Package program is what the benchmark programs have in common: a main function that an
interrupt ends, the flags that all of them have, a directory that is thrown away, and the
report at the end.
*/
package program
