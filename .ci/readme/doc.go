/*
Package readme runs the shell lines of the project's READMEs and of the documentation of httpapi and allocctl.
It is a module of its own, which .ci/run tests with the other nested modules:

	go -C .ci/readme test -count=1 -v

A shell line is a line of an indented block, or of a block that begins with ```sh; in a doc.go, a line of a
block that begins with an assignment, with "allocctl " or with "$ ". All lines are run in the order of the
files, by bash. A line of the go command that two files have is run once.

The lines share one sandbox. The project is its directory allocstore; in scheduler beside it README's snippet
becomes main.go, and makes state.db. Blocks of a doc.go are run in commands, which has a copy of that state.db,
and lines that begin with "$ " in transcript, which has the documented allocation as allocations.jsonl. GOBIN is
in PATH. Port 4646 is replaced by a free one, host by localhost, and ID by the example's.

A line must exit with 0. After "# prints ", its comment has a text that must be in the output. A line that
begins with "$ " must print exactly the lines after it, and may exit with any status; years ago are not
compared. A line that ends with & runs until all lines of its kind of file have been run, and so does allocctl
serve; allocctl follow and wait are ended after a moment. An assignment holds for the rest of its file.

HTML comments before a block change how it is run:

	<!-- test in scheduler -->                                the directory; without it, allocstore
	<!-- test as go run ./bench -allocs 2000 -readers 200 --> a small form of the line go run ./bench

A small form begins with the whole line, so a wrong line is a wrong small form.

A command in backticks within a sentence must be the beginning of a shell line, or run itself.
*/
package readme
