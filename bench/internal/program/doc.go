/*
Package program holds the parts that the benchmark programs share: a main function
that an interrupt ends, the common flags, a temporary directory, goroutines with
joined errors, and the report at the end.
*/
package program
