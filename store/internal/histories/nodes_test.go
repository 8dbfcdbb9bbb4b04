package histories

func (c *child) nodes(begin int64) error { return nil }
