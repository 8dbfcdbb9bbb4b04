/*
Package damagetest damages bbolt files in the ways that disks, people and other
programs do, and runs in child processes what may die of it.

It is for tests. A case is a number: it decides what is damaged and how, so that a
finding can be had again by its number alone.
*/
package damagetest
