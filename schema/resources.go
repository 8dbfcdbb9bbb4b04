package schema

import "encoding/json"

// Resources are the resources that a task, or a whole allocation, requests or has received.
type Resources struct {
	Networks []NetworkResource
	IOPS     int
	DiskMB   int
	MemoryMB int
	CPU      int // MHz
	Extra    map[string]json.RawMessage
}

// NetworkResource is one network of Resources: its bandwidth and its ports.
type NetworkResource struct {
	DynamicPorts  []Port
	ReservedPorts []Port
	MBits         int
	IP            string
	CIDR          string
	Device        string
	Extra         map[string]json.RawMessage
}

// Port is a labelled port number.
type Port struct {
	Value int
	Label string
	Extra map[string]json.RawMessage
}
