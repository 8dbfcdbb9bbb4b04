package main

import (
	"flag"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"allocstore/bench/internal/program"
)

// config holds the values of the flags.
type config struct {
	program.Flags
	n         int
	rounds    int
	each      time.Duration // length of one measurement
	writers   []int
	readers   []int
	failovers int
	away      time.Duration
	restart   []int // numbers of allocations
	install   []int
	quick     bool
	only      *regexp.Regexp // matched with "work/peer"
	profile   string
}

// members is the number of nodes of a cluster.
const members = 3

// aloneSize is the most allocations that go-memdb keeps on several nodes in one process, for they take 4 kB each.
const aloneSize = 300_000

// parseFlags parses the command line.
func parseFlags(args []string, stderr io.Writer) (*config, error) {
	cfg := new(config)
	lists := map[string]*[]int{"writers": &cfg.writers, "readers": &cfg.readers, "restart": &cfg.restart, "install": &cfg.install}
	texts := make(map[string]*string)
	var only *string
	var seconds *float64
	err := cfg.Parse("bench/cluster", args, stderr, func(f *flag.FlagSet) {
		_ = f.Set("sample", "../../testdata/allocation.json")
		f.IntVar(&cfg.n, "n", 100_000, "allocations that are there already")
		f.IntVar(&cfg.rounds, "rounds", 5, "rounds; figures are medians over them")
		seconds = f.Float64("seconds", 1, "length of one measurement")
		texts["writers"] = f.String("writers", "1,16,256,1024", "numbers of concurrent writers")
		texts["readers"] = f.String("readers", "16,256", "numbers of concurrent readers")
		f.IntVar(&cfg.failovers, "failovers", 5, "how often the leader is stopped")
		f.DurationVar(&cfg.away, "away", time.Minute, "how long a node is away under load")
		texts["restart"] = f.String("restart", "300000,2000000", "allocations of a node that is restarted")
		texts["install"] = f.String("install", "300000,2000000", "allocations of a snapshot that is installed")
		f.BoolVar(&cfg.quick, "quick", false, "a small size of everything")
		only = f.String("only", "", `regexp: run what matches "work/system", such as write/256/etcd`)
		f.StringVar(&cfg.profile, "cpuprofile", "", "write CPU profiles of the work on clusters to this name and the system's")
		f.StringVar(&cfg.Out, "out", "", "directory for cluster.txt and cluster.json; empty: nowhere")
	})
	if err != nil {
		return nil, err
	}
	cfg.Command = strings.Join(append([]string{"go -C bench/cluster run ."}, quoted(args)...), " ")
	cfg.each = time.Duration(*seconds * float64(time.Second))
	for name, into := range lists {
		if *into, err = parseNumbers(name, *texts[name]); err != nil {
			return nil, err
		}
	}
	if cfg.only, err = regexp.Compile(*only); err != nil {
		return nil, fmt.Errorf("-only: %w", err)
	}
	if cfg.quick {
		cfg.shrink()
	}
	return cfg, cfg.validate()
}

// shrink sets the small size, for tests of the program.
func (cfg *config) shrink() {
	cfg.n, cfg.rounds, cfg.each = 2000, 1, 100*time.Millisecond
	cfg.writers, cfg.readers = []int{1, 16, 256}, []int{16}
	cfg.failovers, cfg.away = 1, 500*time.Millisecond
	cfg.restart, cfg.install = []int{3000}, []int{3000}
}

// quoted quotes arguments for a shell.
func quoted(args []string) (all []string) {
	for _, arg := range args {
		if arg == "" || strings.ContainsAny(arg, " \t\n\"'\\$^&|;()<>*?[]{}!`~#") {
			arg = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
		all = append(all, arg)
	}
	return all
}

// parseNumbers parses a flag with a list of numbers.
func parseNumbers(name, list string) (numbers []int, err error) {
	for field := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(field))
		if err != nil || n < 1 {
			return nil, fmt.Errorf("-%s: %q is no number above 0", name, field)
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}

func (cfg *config) validate() error {
	if cfg.n < slices.Max(cfg.writers) || cfg.rounds < 1 || cfg.failovers < 1 || cfg.each <= 0 || cfg.away <= 0 {
		return fmt.Errorf("-n must be at least the number of writers, -rounds and -failovers at least 1, -seconds and -away above 0")
	}
	return nil
}
