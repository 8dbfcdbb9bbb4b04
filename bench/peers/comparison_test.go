package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOutput(t *testing.T) {
	cfg := tiny(t)
	cfg.only = regexp.MustCompile("^open/" + ours + "|^place/(" + ours + "|Pebble)$")
	var table bytes.Buffer
	require.NoError(t, run(cfg, &table))
	require.Regexp(t, `(?s)work.*open +allocstore.*place +allocstore +\d+`, table.String(), "the table")
	require.Regexp(t, `durable placement.* (not )?met`, table.String(), "the design's targets")

	cfg.json = true
	var text bytes.Buffer
	require.NoError(t, run(cfg, &text))
	var r comparison
	require.NoError(t, json.Unmarshal(text.Bytes(), &r), "-json prints JSON")
	var works []string
	for _, r := range r.Results {
		works = append(works, r.Work+"/"+r.Peer)
	}
	require.Equal(t, []string{"open/" + ours, "heap after open/" + ours, "place/" + ours, "place/Pebble"}, works,
		"-only leaves out what does not match")
}

// TestSave compares the saved report with the results, and checks the pictures.
func TestSave(t *testing.T) {
	cfg := tiny(t)
	cfg.curves, cfg.rounds, cfg.out = true, 2, t.TempDir()
	cfg.command, cfg.date = "peers -curves", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	cfg.only = regexp.MustCompile("^curve/.*/(" + ours + "|Pebble|sync.Map)$")
	r, err := newComparison(cfg)
	require.NoError(t, err)
	results, notes, err := measure(cfg)
	require.NoError(t, err)
	r.setResults(results, notes)
	require.NoError(t, r.write(io.Discard, false, cfg.out))

	text, err := os.ReadFile(filepath.Join(cfg.out, "peers.json"))
	require.NoError(t, err)
	var again comparison
	require.NoError(t, json.Unmarshal(text, &again))
	require.Equal(t, *r, again, "JSON keeps everything")
	for _, r := range again.Results {
		if r.Rate != 0 {
			require.Len(t, r.Samples, cfg.rounds, "%s/%s has the samples of every round", r.Work, r.Peer)
		}
	}
	table, err := os.ReadFile(filepath.Join(cfg.out, "peers.txt"))
	require.NoError(t, err)
	require.Contains(t, string(table), "2026-01-02T03:04:05Z")
	for _, p := range pictures {
		wellFormed(t, filepath.Join(cfg.out, p.file))
	}
}

// TestSinglePoint draws curves of one point, at whole powers of ten and elsewhere.
func TestSinglePoint(t *testing.T) {
	for _, at := range []struct {
		writers string
		rate    float64
	}{{"1", 1}, {"1", 1000}, {"16", 30}} {
		dir := t.TempDir()
		work := "curve/update/writers=" + at.writers
		require.NoError(t, drawAll(dir, []result{{Work: work, Peer: ours, sample: sample{Rate: at.rate}}}))
		wellFormed(t, filepath.Join(dir, pictures[0].file))
	}
}

// wellFormed checks that the file is one complete SVG element.
func wellFormed(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	elements := 0
	for dec := xml.NewDecoder(bytes.NewReader(text)); ; {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err, "%s is well-formed", file)
		if start, ok := token.(xml.StartElement); ok {
			if elements == 0 {
				require.Equal(t, "svg", start.Name.Local, "%s is an SVG", file)
			}
			elements++
		}
	}
	require.Greater(t, elements, 10, "%s shows something", file)
	require.Contains(t, string(text), ours, "%s says which curve is whose", file)
}

func TestMachine(t *testing.T) {
	m, err := describe(t.TempDir())
	require.NoError(t, err)
	require.Positive(t, m.Cores)
	require.Positive(t, m.Sync.Fdatasync)
	require.Equal(t, 2*m.Sync.Fdatasync, m.Sync.CommitFloor)
}
