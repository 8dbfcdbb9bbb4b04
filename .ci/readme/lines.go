package readme

import (
	"fmt"
	"regexp"
	"strings"
)

// A Line is a shell line of a file.
type Line struct {
	File   string
	Number int    // from 1
	Text   string // as people read it, without the comment
	Run    string // as it is run: Text, or its small form
	Dir    string // the directory in the sandbox
	Prints string // must be in the output

	// Transcript: the output must be Output, with any exit status.
	Transcript bool
	Output     string
}

// String returns the place and the text.
func (l *Line) String() string { return fmt.Sprintf("%s:%d: %s", l.File, l.Number, l.Text) }

var (
	inDir  = regexp.MustCompile(`^<!-- test in (\S+) -->$`)
	asForm = regexp.MustCompile(`^<!-- test as (.+) -->$`)
)

// A reader reads the shell lines of a Markdown file.
type reader struct {
	file  string
	lines []Line
	block int // index of the first line of the current block
	dir   string
	forms []string
	fence bool // within a fenced block
	shell bool // within a block of shell lines
}

// Markdown returns the shell lines of a Markdown file. It is an error if a small form has no line.
func Markdown(file, text string) ([]Line, error) {
	r := &reader{file: file}
	for i, line := range strings.Split(text, "\n") {
		if err := r.read(i+1, line); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, i+1, err)
		}
	}
	return r.lines, r.end()
}

// read reads one line of the file.
func (r *reader) read(number int, line string) error {
	indented, isIndented := strings.CutPrefix(line, "    ")
	switch {
	case strings.HasPrefix(line, "```"):
		was := r.shell
		r.fence = !r.fence
		r.shell = r.fence && line == "```sh"
		if was {
			return r.end()
		}
	case r.fence && r.shell:
		r.add(number, line)
	case r.fence:
	case isIndented && (r.shell || strings.TrimSpace(indented) != ""):
		r.shell = true
		r.add(number, indented)
	case r.shell && strings.TrimSpace(line) != "":
		r.shell = false
		if err := r.end(); err != nil {
			return err
		}
		r.direct(line)
	default:
		r.direct(line)
	}
	return nil
}

// direct notes a comment for the next block.
func (r *reader) direct(line string) {
	if m := inDir.FindStringSubmatch(line); m != nil {
		r.dir = m[1]
	}
	if m := asForm.FindStringSubmatch(line); m != nil {
		r.forms = append(r.forms, m[1])
	}
}

// add adds a shell line to the block.
func (r *reader) add(number int, line string) {
	l := newLine(r.file, number, line)
	if l.Text == "" {
		return
	}
	if r.dir != "" {
		l.Dir = r.dir
	}
	r.lines = append(r.lines, l)
}

// newLine splits a line from its comment.
func newLine(file string, number int, line string) Line {
	text, comment, _ := strings.Cut(" "+line, " # ")
	text = strings.TrimSpace(text)
	_, prints, _ := strings.Cut(comment, "prints ")
	return Line{File: file, Number: number, Text: text, Run: text, Dir: "allocstore", Prints: prints}
}

// end ends the block: each small form is given to the line that it begins with.
func (r *reader) end() error {
	block := r.lines[r.block:]
	for _, form := range r.forms {
		found := false
		for i := range block {
			if l := &block[i]; form == l.Text || strings.HasPrefix(form, l.Text+" ") {
				l.Run, found = form, true
			}
		}
		if !found {
			return fmt.Errorf("%s: no line of the block is the beginning of %q", r.file, form)
		}
	}
	r.block, r.dir, r.forms = len(r.lines), "", nil
	return nil
}

// fenced matches a fenced block.
var fenced = regexp.MustCompile("(?s)```.*?```")

// spans matches the commands within sentences.
var spans = regexp.MustCompile("`((?:go|allocctl|curl) [^`\n]*|\\.ci/\\w+)`")

// Inline returns the commands within the sentences of a Markdown file.
func Inline(text string) []string {
	var all []string
	for _, m := range spans.FindAllStringSubmatch(strings.ReplaceAll(fenced.ReplaceAllString(text, ""), "\n", " "), -1) {
		all = append(all, m[1])
	}
	return all
}

// assignment matches a line that sets variables and does nothing else.
var assignment = regexp.MustCompile(`^(?:export )?(?:[A-Z_]+=\S+ ?)+$`)

// Doc returns the shell lines of a package's documentation.
func Doc(file, text string) []Line {
	var lines []Line
	shell, transcript := false, false
	for i, line := range strings.Split(text, "\n") {
		code, ok := strings.CutPrefix(line, "\t")
		prompted, isPrompted := strings.CutPrefix(code, "$ ")
		switch {
		case !ok:
			shell, transcript = false, false
		case isPrompted:
			shell, transcript = false, true
			l := newLine(file, i+1, prompted)
			l.Transcript, l.Dir = true, "transcript"
			lines = append(lines, l)
		case transcript:
			lines[len(lines)-1].Output += code + "\n"
		case shell || assignment.MatchString(code) || strings.HasPrefix(code, "allocctl "):
			shell = true
			l := newLine(file, i+1, code)
			l.Dir = "commands"
			lines = append(lines, l)
		}
	}
	return lines
}
