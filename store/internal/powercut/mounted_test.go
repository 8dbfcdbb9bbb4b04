package main

import "github.com/stretchr/testify/require"

// tester is a test that may have to be left out: only a machine with root and FUSE
// can run it, and says so if it is not one.
type tester interface {
	require.TestingT
	Helper()
	Skip(args ...any)
	Cleanup(func())
}

// needExt4 leaves a test out where no ext4 can be mounted.
func needExt4(by tester) {
	by.Helper()
	if reason := whyNoExt4(); reason != "" {
		by.Skip("no file system to cut the power of: " + reason)
	}
}

// mounted returns a disk that goes away with the test.
func mounted(by tester) *disk {
	by.Helper()
	if reason := whyNot(); reason != "" {
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
