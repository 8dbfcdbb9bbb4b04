package main

import "github.com/stretchr/testify/require"

// tester is a test that needs root and FUSE. It is skipped, with the reason, on a machine
// without them.
type tester interface {
	require.TestingT
	Helper()
	Skip(args ...any)
	Cleanup(func())
}

// needExt4 skips a test if no ext4 can be mounted.
func needExt4(by tester) {
	by.Helper()
	if reason := whyNoExt4(); reason != "" {
		by.Skip("no file system to cut the power of: " + reason)
	}
}

// mounted returns a disk that is closed after the test.
func mounted(by tester) *disk {
	by.Helper()
	if reason := whyNoDisk(); reason != "" {
		by.Skip("no disk to cut the power of: " + reason)
	}
	d, err := startDisk()
	require.NoError(by, err)
	by.Cleanup(func() {
		require.NoError(by, d.close())
		require.NoDirExists(by, d.dir, "nothing stays behind")
	})
	return d
}
