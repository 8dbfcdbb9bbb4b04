/*
Package boltfile reads a bbolt database by plain reads, without bbolt and
without mapping it, and believes nothing that it reads.

# Why

bbolt's pages carry no checksum, and it follows what they say: of 2,000 damaged
files it found fault with four, died of 9 % (42 % without a synced freelist) and
returned wrong data from 40 % (store/design/0005). So the store reads a file
itself before bbolt maps it, and reads all of it, for it needs every record
anyway: one pass verifies the structure and hands over the content.

# What is verified

  - One of the two meta pages has the right magic, version and checksum; the newest
    that has is taken, exactly as bbolt takes it, and must have a page size, a
    number of pages and a transaction that can be. One bad meta page is no fault: a
    power cut in a commit leaves that. [File.Before] takes the other one, for a caller
    who finds the newest state not to be whole.
  - The file is as long as the meta page says.
  - Every page that the trees refer to is within the file, says its own number, is
    a branch or a leaf, and is referred to once, its overflow included. So no walk
    is endless, whatever a file says.
  - Every page is one that bbolt would write. Its elements fill it without gap or
    overlap; none has an empty key; keys ascend. A branch has two children or more,
    each under the first key that the child has, for else bbolt would leave the old
    page in the tree when it writes a new one. Only a root may be empty.
  - The freelist, if there is one, names pages within the file, each once, and none
    that a tree refers to: bbolt would write over it.

What is not: whether a page is the one that was written there last, and whether a
value is what was written. That is for checksums of the content, which the caller
has.

# Memory

Pages are read some at a time, the more of them the longer the walk meets pages
that follow one another, into a buffer that is used again. What a walk hands
over aliases that buffer; see [File.Walk].
*/
package boltfile
