/*
Bench is the store's main job as a program: it places allocations, looks them up,
parks readers, plays the life of the tasks, deletes, closes, reopens, and checks
everything against what it knows. See README for what it prints.

	go run ./bench [-allocs n] [-readers n] [-writers n] [-dir path] [-seed n] [-json]

It ends with exit status 1 and the first difference when anything is wrong.

The hot paths' benchmarks stand beside it in bench_test.go:

	go test -bench . ./bench
*/
package main
