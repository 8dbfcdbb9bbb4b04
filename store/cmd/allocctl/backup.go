package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"allocstore/store"
)

func newBackup(a *app) *cobra.Command {
	var replace bool
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write a backup to a new file, or - for the standard output",
		Long: `Write the store at its last index, with its feed, to a new file. The file gets its name
when it is complete and on the disk. A file that has the name already stays, unless it is a backup and
--replace is given.`,
		Example: `  allocctl -f state.db backup state.bak
  allocctl -f state.db backup - | gzip > state.bak.gz`,
		Args: cobra.ExactArgs(1),
		RunE: a.onFile(func(cmd *cobra.Command, args []string, s *store.Store) error {
			return a.backup(cmd.Context(), s, args[0], replace)
		}),
	}
	cmd.Flags().BoolVar(&replace, "replace", false, "replace the backup that FILE is")
	return cmd
}

// backup writes a backup to a file, or to the standard output for "-".
func (a *app) backup(ctx context.Context, s *store.Store, path string, replace bool) (err error) {
	var info store.BackupInfo
	if path == "-" && isTerminal(a.out) {
		return usage("a backup is no text for a terminal: give a FILE, or send it to another command")
	}
	if path == "-" {
		info, err = s.Backup(ctx, a.out)
	} else {
		f := newFile{path: path, perm: 0o600, mayReplace: func(path string) error { return a.mayReplace(path, replace) }}
		err = f.write(func(w io.Writer) (err error) {
			bar := a.progress("backing up", s.Stats().LiveBytes+s.Stats().DeadBytes, true)
			defer bar.Finish()
			if info, err = s.Backup(ctx, io.MultiWriter(w, bar)); err == nil {
				bar.Done()
			}
			return err
		})
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(a.err, "index %d: %s, %s, %s\n", info.Index, counted(info.Records, "record"), counted(info.Jobs, "job"), humanize.Bytes(uint64(info.Bytes)))
	if info.Damaged > 0 {
		return fmt.Errorf("%w: the backup is complete, but %d of its records and jobs are damaged, as in the store: see check", store.ErrCorrupt, info.Damaged)
	}
	return nil
}

// mayReplace returns nil if a backup may replace the file at path: that is a backup too, and the command
// has --replace. The content tells a backup, not the name.
func (a *app) mayReplace(path string, replace bool) error {
	old, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("create %s: %w: it is a link to a file that does not exist", path, fs.ErrExist)
	}
	if err != nil {
		return err
	}
	if !old.Mode().IsRegular() {
		return usage("%s is no regular file: - writes to the standard output", path)
	}
	if of, err := os.Stat(a.file); err == nil && os.SameFile(of, old) {
		return usage("%s is the store itself", path)
	}
	head, err := headOf(path)
	switch {
	case err != nil:
		return err
	case kindOf(head) == storeFile:
		return fmt.Errorf("create %s: %w, and it is a store", path, fs.ErrExist)
	case kindOf(head) != backupFile:
		return fmt.Errorf("create %s: %w, and it is no backup", path, fs.ErrExist)
	case !replace:
		return fmt.Errorf("create %s: %w: --replace replaces a backup", path, fs.ErrExist)
	}
	return nil
}
