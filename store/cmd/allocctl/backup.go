package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"allocstore/store"
	"allocstore/store/internal/logfile"
)

func newBackup(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Write a backup, or - for the standard output",
		Long: `Write the store at its last index, with its feed, to a new file. The file gets its name
when it is complete and on the disk.`,
		Example: "  allocctl -f state.db backup state.bak",
		Args:    cobra.ExactArgs(1),
		RunE:    a.onFile(a.backup),
	}
}

// checkTarget refuses to replace the store itself, or anything but a regular file.
func (a *app) checkTarget(path string) error {
	target, err := os.Stat(path)
	if err != nil {
		return nil
	}
	if !target.Mode().IsRegular() {
		return usage("%s is no file: - writes to the standard output", path)
	}
	if of, err := os.Stat(a.file); err == nil && os.SameFile(of, target) {
		return usage("%s is the store itself", path)
	}
	return nil
}

// backup writes a backup to a file, or to the standard output for "-".
func (a *app) backup(cmd *cobra.Command, args []string, s *store.Store) (err error) {
	var info store.BackupInfo
	if path := args[0]; path == "-" && isTerminal(a.out) {
		return usage("a backup is no text for a terminal: give a FILE, or send it to another command")
	} else if path == "-" {
		info, err = s.Backup(cmd.Context(), a.out)
	} else if err = a.checkTarget(path); err == nil {
		info, err = a.backupFile(cmd.Context(), s, path)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(a.err, "index %d: %s, %s, %s\n", info.Index, counted(info.Records, "record"), counted(info.Jobs, "job"), humanize.Bytes(uint64(info.Bytes)))
	if info.Damaged > 0 {
		return fmt.Errorf("%w: the backup is complete, as damaged as the store in %d of its records and jobs: see check", store.ErrCorrupt, info.Damaged)
	}
	return nil
}

// backupFile writes a backup to a file that is complete or absent.
func (a *app) backupFile(ctx context.Context, s *store.Store, path string) (info store.BackupInfo, err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return info, err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // has no effect after the rename
	bar := a.progress("backing up", s.Stats().LiveBytes+s.Stats().DeadBytes, true)
	info, err = s.Backup(ctx, io.MultiWriter(tmp, bar))
	if err == nil {
		bar.Done()
	}
	bar.Finish()
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err == nil {
		err = logfile.SyncDir(filepath.Dir(path))
	}
	return info, err
}
