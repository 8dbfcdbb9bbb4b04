package main

import (
	"net"
	"strings"
)

// addressOf returns the address of a process with its scheme: localhost:4646 is http://localhost:4646.
func addressOf(text string) string {
	if _, port, err := net.SplitHostPort(text); err == nil && port != "" && !strings.Contains(text, "/") {
		return "http://" + text
	}
	return text
}
