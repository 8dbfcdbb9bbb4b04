/*
Package policy has the project's house rules as tests. A broken rule fails a test,
which names the file, the line and the rule. The package has no other code.

# Rules

  - imports_test.go: which package may import which, and the modules it may reach;
  - module_test.go: requirements of the library, and the names in the root directory;
  - rules_test.go, documented_test.go: doc comments, panics, printing, the length of
    files and functions, unfinished work, skipped tests;
  - packages_test.go: package comments, fuzz targets, the size of package store;
  - layers_test.go: the order of the files of package store;
  - english_test.go: plain English in comments and Markdown files. For the sentences
    to rewrite in one directory:
    go test ./store/internal/policy -run TestPlainEnglish -v -unclear store

# Adding a rule

A rule about files is a row of a table in rules_test.go, and one about packages a row
in packages_test.go. A row has two small sources: the rule must report the bad one and
must not report the good one. A package below store/internal needs a row of units in
imports_test.go.
*/
package policy
