package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/hashicorp/raft"
	"github.com/spf13/cobra"

	"allocstore/store"
	"allocstore/store/raftstore"
	"allocstore/store/raftstore/rafthttp"
)

func newCluster(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "Look after a cluster of allocctl serve --raft",
		Long: `Look after a cluster whose nodes are processes of allocctl serve --raft. Any node that runs can be
asked: it passes the request on to the leader.

To replace a machine that is lost, remove its node with leave, and start a new one with serve --join. Members
are named by their ID or their address, as status prints them.`,
	}
	cmd.AddCommand(newClusterStatus(a), newClusterJoin(a), newClusterLeave(a), newClusterTransfer(a), newClusterSnapshot(a))
	return cmd
}

func newClusterStatus(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the members, as each one sees itself",
		Long: `Show the members of the cluster. Each is asked for its own state, and has two seconds to answer.

  Last     the last entry of its log
  Applied  the last entry that its store shows
  Contact  the time since it last heard of a leader

The exit code is 1 if there is no leader.`,
		Example:           "  allocctl cluster status --addr localhost:4601",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.onNode(func(cmd *cobra.Command, _ []string, n *rafthttp.Client) error {
			s, err := n.Status(cmd.Context())
			if err != nil {
				return err
			}
			if a.json {
				err = printLine(a.out, s)
			} else {
				err = a.printStatus(s)
			}
			if err == nil && s.Leader == "" {
				err = errors.New("no leader: a majority of the voters must run and reach each other")
			}
			return err
		}),
	}
	cmd.Flags().BoolVar(&a.json, "json", false, "as JSON")
	return cmd
}

// printStatus prints a table of the members, and why some have not answered.
func (a *app) printStatus(s rafthttp.Status) error {
	t := &tableText{columns: []column{
		{"ID", textCell}, {"Address", textCell}, {"Role", textCell}, {"Voter", textCell}, {"Last", numberCell}, {"Applied", numberCell}, {"Contact", textCell},
	}}
	var silent []string
	for _, m := range s.Members {
		row := []string{plain(string(m.ID)), plain(string(m.Address)), "no answer", "no", "", "", ""}
		if m.Voter {
			row[3] = "yes"
		}
		if m.Failure == "" {
			row[2] = plain(strings.ToLower(m.State))
			row[4], row[5], row[6] = fmt.Sprint(m.LastIndex), fmt.Sprint(m.AppliedIndex), contactOf(&m)
		} else {
			silent = append(silent, fmt.Sprintf("%s: %s", m.ID, m.Failure))
		}
		t.add(row...)
	}
	err := t.write(a.out, widthOf(a.out))
	for _, text := range silent {
		fmt.Fprintln(a.err, plain(text))
	}
	return err
}

// contactOf returns the time since a node heard of a leader.
func contactOf(m *raftstore.NodeStatus) string {
	if m.LastContact < 0 {
		return "never"
	}
	return m.LastContact.Round(time.Millisecond).String()
}

func newClusterJoin(a *app) *cobra.Command {
	var nonvoter bool
	cmd := &cobra.Command{
		Use:   "join ID ADDRESS",
		Short: "Add a member, or give it a new address",
		Long: `Add a node that runs already, with serve --raft and without --bootstrap and --join. ADDRESS is that
of its --raft. A member with the ID gets the new address, and becomes a voter, or a non-voter with --nonvoter.`,
		Example:           "  allocctl cluster join --addr localhost:4601 d localhost:4704 --nonvoter",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.onNode(func(cmd *cobra.Command, args []string, n *rafthttp.Client) error {
			j := rafthttp.Join{ID: raft.ServerID(args[0]), Address: raft.ServerAddress(args[1]), Nonvoter: nonvoter}
			if err := n.Join(cmd.Context(), j); err != nil {
				return err
			}
			return a.say("%s at %s is a member", j.ID, j.Address)
		}),
	}
	cmd.Flags().BoolVar(&nonvoter, "nonvoter", false, "without a vote: it has the content and serves reads")
	return cmd
}

func newClusterLeave(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "leave MEMBER",
		Short: "Remove a member, which may be dead",
		Long: `Remove a member, which may be dead, or the leader. A process that runs ends. A node whose directory is
lost is removed before it is started again.`,
		Example:           "  allocctl cluster leave --addr localhost:4601 localhost:4703",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeMember,
		RunE: a.onNode(func(cmd *cobra.Command, args []string, n *rafthttp.Client) error {
			id, err := memberID(cmd.Context(), n, args[0])
			if err == nil {
				err = n.Leave(cmd.Context(), id)
			}
			if err != nil {
				return err
			}
			return a.say("%s is no member any more", id)
		}),
	}
}

func newClusterTransfer(a *app) *cobra.Command {
	return &cobra.Command{
		Use:               "transfer [MEMBER]",
		Short:             "Give the leadership to a voter, or to any other",
		Example:           "  allocctl cluster transfer --addr localhost:4601 localhost:4702",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeMember,
		RunE: a.onNode(func(cmd *cobra.Command, args []string, n *rafthttp.Client) (err error) {
			id := ""
			if len(args) > 0 {
				if id, err = memberID(cmd.Context(), n, args[0]); err != nil {
					return err
				}
			}
			if err := n.Transfer(cmd.Context(), id); err != nil {
				return err
			}
			if id == "" {
				return a.say("the leadership was transferred")
			}
			return a.say("%s leads", id)
		}),
	}
}

// memberID returns the ID of the member with an ID or an address.
func memberID(ctx context.Context, n *rafthttp.Client, name string) (string, error) {
	s, err := n.Status(ctx)
	if err != nil {
		return "", err
	}
	for _, m := range s.Members {
		if string(m.ID) == name {
			return name, nil
		}
	}
	for _, m := range s.Members {
		if string(m.Address) == name {
			return string(m.ID), nil
		}
	}
	return "", fmt.Errorf("%w: no member has the ID or the address %q", store.ErrNotFound, name)
}

func newClusterSnapshot(a *app) *cobra.Command {
	var stale, replace bool
	cmd := &cobra.Command{
		Use:   "snapshot FILE",
		Short: "Save the content of the cluster to a new file, or - for the standard output",
		Long: `Save the content of the cluster as of now to a new file, as allocctl backup does for a file.
allocctl restore makes a store of it. To replace the content of a cluster, send the file to the leader:

  curl -T FILE http://LEADER/v1/operator/snapshot

Nodes cut their logs by themselves: that needs no command.`,
		Example:           "  allocctl cluster snapshot --addr localhost:4601 state.bak",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault),
		RunE: a.onNode(func(cmd *cobra.Command, args []string, _ *rafthttp.Client) error {
			return a.saveSnapshot(cmd.Context(), args[0], stale, replace)
		}),
	}
	cmd.Flags().BoolVar(&stale, "stale", false, "as the node has it, also without a leader")
	cmd.Flags().BoolVar(&replace, "replace", false, "replace the backup that FILE is")
	return cmd
}

// saveSnapshot writes the content of the cluster to a file, or to the standard output for "-".
func (a *app) saveSnapshot(ctx context.Context, path string, stale, replace bool) error {
	if path == "-" && isTerminal(a.out) {
		return usage("a backup is no text for a terminal: give a FILE, or send it to another command")
	}
	var size int64
	var index string
	fetch := func(to io.Writer) (err error) {
		size, index, err = a.fetchSnapshot(ctx, to, stale)
		return err
	}
	err := error(nil)
	if path == "-" {
		err = fetch(a.out)
	} else {
		f := newFile{path: path, perm: 0o600, mayReplace: func(path string) error { return a.mayReplace(path, replace) }}
		err = f.write(fetch)
	}
	if err == nil {
		fmt.Fprintf(a.err, "index %s: %s\n", plain(index), humanize.Bytes(uint64(size)))
	}
	return err
}

// fetchSnapshot copies a backup, and verifies its digest. It returns its size and its index.
func (a *app) fetchSnapshot(ctx context.Context, to io.Writer, stale bool) (size int64, index string, err error) {
	address := strings.TrimRight(addressOf(a.addr), "/") + "/v1/operator/snapshot"
	if stale {
		address += "?stale"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, "", err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return 0, "", statusError(answer)
	}
	bar := a.progress("saving", answer.ContentLength, true)
	defer bar.Finish()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(to, bar, sum), answer.Body)
	if err != nil {
		return n, "", err
	}
	if want := "sha-256=" + base64.StdEncoding.EncodeToString(sum.Sum(nil)); want != answer.Header.Get("Digest") {
		return n, "", fmt.Errorf("%w: the backup arrived with the digest %s, and was sent with %q", store.ErrCorrupt, want, answer.Header.Get("Digest"))
	}
	return n, answer.Header.Get("X-Nomad-Index"), nil
}

// onNode returns the runner of a command that asks the node at the address.
func (a *app) onNode(fn func(cmd *cobra.Command, args []string, n *rafthttp.Client) error) runner {
	return func(cmd *cobra.Command, args []string) error {
		n, err := a.node()
		if err != nil {
			return err
		}
		return fn(cmd, args, n)
	}
}

// node returns a client of the node at the address.
func (a *app) node() (*rafthttp.Client, error) {
	if a.addr == "" {
		return nil, usage("which node? Give --addr, or set ALLOCSTORE_ADDR")
	}
	n, err := rafthttp.NewClient(addressOf(a.addr), nil)
	if err != nil {
		return nil, usage("--addr %q: want something like localhost:4646", a.addr)
	}
	return n, nil
}

// completeMember completes the ID of a member.
func (a *app) completeMember(cmd *cobra.Command, args []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(context.Background(), completeTime)
	defer cancel()
	n, err := a.node()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	s, err := n.Status(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return offer(func(yield func(string) bool) {
		for _, m := range s.Members {
			if !yield(string(m.ID)) {
				return
			}
		}
	}, prefix), cobra.ShellCompDirectiveNoFileComp
}
