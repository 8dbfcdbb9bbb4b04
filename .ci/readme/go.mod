// Module readme runs the shell lines of the READMEs.
module allocstore/ci/readme

go 1.25.0
