/*
Package boltfile reads a bbolt database by plain reads, without bbolt and without
mapping the file, and verifies all that it reads.

# Why

bbolt's pages carry no checksum, and bbolt trusts them: of 2,000 damaged files it
reported four, died of 9 % (42 % without a synced freelist) and returned wrong data from
40 % (store/design/0005). So the store reads a file itself before bbolt maps it. It reads
all of it, since it needs every record anyway: one pass verifies the structure and
hands over the content.

# What is verified

  - One of the two meta pages has the right magic, version and checksum. The newest such
    page is used, as in bbolt; its page size, number of pages and transaction must be
    possible. One bad meta page is no fault: a power cut in a commit leaves that.
    [File.Before] uses the other one, for a caller that finds the newest state incomplete.
  - The file is as long as the meta page says.
  - Every page that the trees refer to is within the file, has its own number, is a branch
    or a leaf, and is referred to once, with its overflow. So every walk ends, whatever
    the file holds.
  - Every page is one that bbolt would write. Its elements fill it without gap or
    overlap; every element has a key; keys ascend. A branch has two children or more, each
    under the child's first key: otherwise bbolt would leave the old page in the tree when
    it writes a new one. Only a root may be empty.
  - The freelist, if there is one, names pages within the file, each once, and no page of
    a tree: bbolt would overwrite it.

Not verified: whether a page is the one that was written there last, and whether a value
is the one that was written. The caller has checksums of the content for that.
*/
package boltfile
