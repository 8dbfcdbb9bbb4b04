/*
Package fleet is the data of a large cluster: the documented allocation as often
as wanted, 1,000 to a job, on 5,000 nodes, each with the life of its task.

Everything follows from the number of the allocation and that of the event, so
that millions of them need not be kept to be written, nor to be checked.
*/
package fleet
