/*
Package damagetest damages bbolt files in the ways that disks, people and other
programs do, and runs tests on them in child processes, since bbolt may die of the
damage.

It is for tests. A case is a number that decides all that is random, so that a finding
can be repeated by its number alone.
*/
package damagetest
