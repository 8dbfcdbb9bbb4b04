/*
Package policy holds the project's house rules as tests, so that a rule that
breaks is a test that fails, with the file, the line and the rule in its message.

# What it checks

Which package may import which, what the library may require, what the top level
may show, that everything exported is documented, that library code neither
panics nor prints, how long files and functions may grow, and that nothing was
left open. There is no code here, only tests.

# Adding a rule

A rule is one row of a table in rules_test.go (about one file) or
packages_test.go (about one package). A row carries two small sources of its own:
one that the rule must report and one that it must not. A rule that cannot fail
does not get in.
*/
package policy
