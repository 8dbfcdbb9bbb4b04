package store

import "allocstore/schema"

// codec encodes writes, and decodes the client's part for those that add to it.
var codec schema.Codec
