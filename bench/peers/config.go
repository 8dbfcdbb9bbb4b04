package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// config holds the values of the flags.
type config struct {
	n       int
	rounds  int
	each    time.Duration // length of one measurement
	writers []int
	herd    int            // readers on one allocation
	only    *regexp.Regexp // matched with "work/peer"

	curves       bool
	sizes        []int // numbers of allocations on the curves
	curveWriters []int

	dir     string
	out     string // directory for the report; empty: it is not saved
	profile string
	json    bool

	command string    // the command line
	date    time.Time // of the run
}

// parseFlags parses the command line. A bad flag ends the program with its usage.
func parseFlags(args []string) (config, error) {
	var cfg config
	flags := flag.NewFlagSet("peers", flag.ExitOnError)
	flags.IntVar(&cfg.n, "n", 300_000, "allocations that are there already")
	flags.IntVar(&cfg.rounds, "rounds", 5, "rounds; figures are medians over them")
	seconds := flags.Float64("seconds", 1, "length of one measurement")
	writers := flags.String("writers", "1,4,16,64,256,4096", "numbers of concurrent writers")
	flags.IntVar(&cfg.herd, "herd", 100_000, "readers on one allocation")
	only := flags.String("only", "", `regexp: run what matches "work/peer", such as writers=256/allocstore`)
	flags.StringVar(&cfg.dir, "dir", os.TempDir(), "where to put a throw-away directory; its disk is what is measured")
	flags.StringVar(&cfg.profile, "cpuprofile", "", "write a CPU profile of the measurements, preparations of the first aside")
	flags.BoolVar(&cfg.json, "json", false, "print JSON")
	flags.BoolVar(&cfg.curves, "curves", false, "measure the curves too; -only ^curve/ measures them alone")
	sizes := flags.String("sizes", "10000,100000,1000000,2000000", "numbers of allocations of the curves")
	curveWriters := flags.String("curve-writers", "1,4,16,64,256,1024,4096", "numbers of writers of the curves")
	flags.StringVar(&cfg.out, "out", "../results", "write peers.json, peers.txt and SVGs here; empty: nowhere")
	date := flags.String("date", "", "date of the run, as in 2006-01-02T15:04:05Z (default now)")
	flags.Parse(args)

	cfg.each = time.Duration(*seconds * float64(time.Second))
	cfg.command = commandLine(args)
	var err error
	if cfg.date, err = parseDate(*date); err != nil {
		return cfg, err
	}
	if cfg.only, err = regexp.Compile(*only); err != nil {
		return cfg, err
	}
	for name, list := range map[string]struct {
		text string
		into *[]int
	}{"writers": {*writers, &cfg.writers}, "sizes": {*sizes, &cfg.sizes}, "curve-writers": {*curveWriters, &cfg.curveWriters}} {
		if *list.into, err = parseNumbers(name, list.text); err != nil {
			return cfg, err
		}
	}
	return cfg, cfg.validate()
}

// commandLine returns the command line, quoted for a shell.
func commandLine(args []string) string {
	line := "peers"
	for _, arg := range args {
		if arg == "" || strings.ContainsAny(arg, " \t\n\"'\\$^&|;()<>*?[]{}!`~#") {
			arg = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
		line += " " + arg
	}
	return line
}

func parseDate(text string) (time.Time, error) {
	if text == "" {
		return time.Now().UTC().Truncate(time.Second), nil
	}
	return time.Parse(time.RFC3339, text)
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
	writers := slices.Max(cfg.writers)
	if cfg.curves {
		writers = max(writers, slices.Max(cfg.curveWriters))
		if slices.Min(cfg.sizes) < curveUpdaters {
			return fmt.Errorf("-sizes must be at least %d, the writers of their updates", curveUpdaters)
		}
	}
	if cfg.n < writers || cfg.rounds < 1 || cfg.herd < 1 || cfg.each <= 0 {
		return fmt.Errorf("-n must be at least the number of writers, -rounds and -herd at least 1, -seconds above 0")
	}
	return nil
}
