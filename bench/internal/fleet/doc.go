/*
Package fleet generates the data of a large cluster: copies of the documented
allocation, 1,000 to a job, on 5,000 nodes, and the events of their tasks.

Every allocation and event follows from its number. So the programs can write and
check millions of allocations without keeping them in memory.
*/
package fleet
