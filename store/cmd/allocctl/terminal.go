package main

import (
	"bytes"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// fileOf returns the file that a writer writes to in the end, or nil.
func fileOf(w any) *os.File {
	for {
		switch to := w.(type) {
		case *os.File:
			return to
		case interface{ Unwrap() io.Writer }:
			w = to.Unwrap()
		default:
			return nil
		}
	}
}

// isTerminal reports whether w is a terminal.
func isTerminal(w any) bool {
	f := fileOf(w)
	return f != nil && isatty.IsTerminal(f.Fd())
}

// widthOf returns the number of columns of the terminal that w is, or 0 for anything else.
func widthOf(w any) int {
	if !isTerminal(w) {
		return 0
	}
	width, _, err := term.GetSize(int(fileOf(w).Fd()))
	if err != nil {
		return 0
	}
	return width
}

// colors reports whether to use colors: see https://no-color.org.
func (a *app) colors() bool {
	return isTerminal(a.out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// A console is the error output: messages, and on a terminal a bar below them. It breaks messages between
// words.
type console struct {
	to io.Writer

	mu    sync.Mutex
	drawn bool // the last line is a bar
}

// Unwrap returns the writer that the console writes to.
func (c *console) Unwrap() io.Writer { return c.to }

const eraseLine = "\r\x1b[K"

// Write writes lines of text, in the place of the bar.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := wrap(string(p), widthOf(c.to))
	if c.drawn {
		text = eraseLine + text
		c.drawn = false
	}
	if _, err := io.WriteString(c.to, text); err != nil {
		return 0, err
	}
	return len(p), nil
}

// draw draws a bar in the place of the last. An error shows in nothing else than the missing bar.
func (c *console) draw(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drawn = true
	_, _ = io.WriteString(c.to, eraseLine+line)
}

// erase removes the bar.
func (c *console) erase() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.drawn {
		c.drawn = false
		_, _ = io.WriteString(c.to, eraseLine)
	}
}

// wrap breaks the lines of a text between words, so that they have at most width columns; 0 means any
// number. A longer word stays whole. The rest of a line is indented like the second column, if the line
// has columns, and more than its beginning, if that is indented.
func wrap(lines string, width int) string {
	if width <= 0 {
		return lines
	}
	var b strings.Builder
	for line := range strings.Lines(lines) {
		line, end := strings.CutSuffix(line, "\n")
		b.WriteString(wrapLine(line, width))
		if end {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// wrapLine breaks one line.
func wrapLine(line string, width int) string {
	if columns(line) <= width {
		return line
	}
	indent := len(line) - len(strings.TrimLeft(line, " "))
	hang := indent
	if indent > 0 {
		hang += len("    ") // or else it would look like another line of a list
	}
	if gap := strings.LastIndex(line[:min(width/2, len(line))], "  "); gap > indent {
		hang = gap + len("  ")
	}
	var b strings.Builder
	at, first := 0, true // the columns of the current line, and whether it has no word yet
	for rest := line; rest != ""; {
		spaces := len(rest) - len(strings.TrimLeft(rest, " "))
		end := strings.IndexByte(rest[spaces:], ' ')
		if end < 0 {
			end = len(rest) - spaces
		}
		word := rest[spaces : spaces+end]
		rest = rest[spaces+end:]
		if !first && at+spaces+columns(word) > width {
			b.WriteString("\n" + strings.Repeat(" ", hang))
			at, spaces = hang, 0
		}
		b.WriteString(strings.Repeat(" ", spaces) + word)
		at, first = at+spaces+columns(word), false
	}
	return b.String()
}

// columns returns the number of columns that a text takes on a terminal.
func columns(s string) int { return text.StringWidthWithoutEscSequences(s) }

// maxProse is the number of columns of the longest line that is easy to read.
const maxProse = 100

// help prints the help of a command, in lines that fit the terminal.
func (a *app) help(standard func(*cobra.Command, []string)) func(*cobra.Command, []string) {
	return func(cmd *cobra.Command, args []string) {
		var b bytes.Buffer
		out := cmd.OutOrStdout()
		cmd.SetOut(&b)
		standard(cmd, args)
		cmd.SetOut(out)
		lines := b.String()
		if width := widthOf(a.out); width > 0 {
			lines = wrap(joinLines(lines), min(width, maxProse))
		}
		_, _ = io.WriteString(out, lines) // a failure shows when the command ends
	}
}

// joinLines makes one line of each paragraph. A line that is indented, and the one before it, stay lines.
func joinLines(lines string) string {
	var b strings.Builder
	text := strings.Split(lines, "\n")
	prose := func(line string) bool { return line != "" && line[0] != ' ' }
	for i, line := range text {
		b.WriteString(line)
		if i+1 == len(text) {
			break
		}
		if prose(line) && prose(text[i+1]) {
			b.WriteByte(' ')
		} else {
			b.WriteByte('\n')
		}
	}
	return b.String()
}
