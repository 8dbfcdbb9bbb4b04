package main

import (
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"allocstore/schema"
)

// A tableText is a table for people. On a terminal that is too narrow for it, it has short IDs, then a last
// column of several lines, and at last a block of lines for each row. It breaks no word.
type tableText struct {
	columns []column
	rows    [][]string
}

// A column has a title, and cells of one kind.
type column struct {
	title string
	kind  cellKind
}

type cellKind int

const (
	textCell   cellKind = iota
	idCell              // of an allocation: a command takes the beginning of it
	otherID             // marked where it is cut off: commands want the whole
	numberCell          // to the right
)

const (
	columnGap   = 2  // between two columns
	minLastCell = 20 // columns of the last cell of a row in several lines
	shortID     = 8  // digits, or more if they are the same for two
	cutMark     = "…"
)

// add adds a row.
func (t *tableText) add(cells ...string) { t.rows = append(t.rows, cells) }

// write writes the table, in at most width columns if that is not 0. Without rows it writes nothing.
func (t *tableText) write(w io.Writer, width int) error {
	if len(t.rows) == 0 {
		return nil
	}
	_, err := io.WriteString(w, t.render(width))
	return err
}

// render returns the table in the first form that fits.
func (t *tableText) render(width int) string {
	fits := func(t *tableText) bool { return width <= 0 || t.width() <= width }
	if fits(t) {
		return t.lines(0)
	}
	short := t.shortened(otherID)
	if !fits(short) {
		short = short.shortened(idCell)
	}
	if fits(short) {
		return short.lines(0)
	}
	last := len(t.columns) - 1
	if room := width - short.width() + short.widest(last); room >= max(minLastCell, short.longestWord(last)) {
		return short.lines(room)
	}
	return t.blocks(width)
}

// width returns the columns of the table without breaks.
func (t *tableText) width() int {
	sum := columnGap * (len(t.columns) - 1)
	for i := range t.columns {
		sum += t.widest(i)
	}
	return sum
}

// widest returns the width of the widest cell of a column, its title included.
func (t *tableText) widest(i int) int {
	width := columns(t.columns[i].title)
	for _, row := range t.rows {
		width = max(width, columns(row[i]))
	}
	return width
}

// longestWord returns the width of the longest word of a column.
func (t *tableText) longestWord(i int) int {
	longest := 0
	for _, row := range t.rows {
		for _, word := range strings.Fields(row[i]) {
			longest = max(longest, columns(word))
		}
	}
	return longest
}

// shortened returns the table with short IDs in the columns of a kind.
func (t *tableText) shortened(kind cellKind) *tableText {
	short := &tableText{columns: t.columns, rows: make([][]string, len(t.rows))}
	for r, row := range t.rows {
		short.rows[r] = append([]string(nil), row...)
	}
	for i, c := range t.columns {
		if c.kind != kind {
			continue
		}
		n := t.distinct(i)
		for _, row := range short.rows {
			if len(row[i]) <= n || !isID(row[i]) {
				continue
			}
			row[i] = strings.TrimRight(row[i][:n], "-")
			if kind == otherID {
				row[i] += cutMark
			}
		}
	}
	return short
}

// distinct returns the smallest length, shortID at least, at which no two IDs of a column become equal.
func (t *tableText) distinct(i int) int {
	ids := make(map[string]bool)
	for _, row := range t.rows {
		if isID(row[i]) {
			ids[row[i]] = true
		}
	}
	for n := shortID; ; n++ {
		short := make(map[string]bool, len(ids))
		for id := range ids {
			short[id[:min(n, len(id))]] = true
		}
		if len(short) == len(ids) {
			return n
		}
	}
}

// isID reports whether a cell is like the ID of an allocation, as those of many nodes are.
func isID(cell string) bool {
	_, err := schema.ParseID(cell)
	return err == nil
}

// lines returns a line for each row. If last is not 0, the last column has at most that width, and more
// lines.
func (t *tableText) lines(last int) string {
	w := table.NewWriter()
	w.SetStyle(table.StyleLight)
	w.Style().Options = table.OptionsNoBordersAndSeparators
	w.Style().Format.Header = text.FormatDefault
	w.Style().Box.PaddingLeft, w.Style().Box.PaddingRight = "", strings.Repeat(" ", columnGap)
	w.SuppressTrailingSpaces()
	var configs []table.ColumnConfig
	header, hasHeader := make(table.Row, len(t.columns)), false
	for i, c := range t.columns {
		header[i], hasHeader = c.title, hasHeader || c.title != ""
		config := table.ColumnConfig{Number: i + 1}
		if c.kind == numberCell {
			config.Align, config.AlignHeader = text.AlignRight, text.AlignRight
		}
		if i == len(t.columns)-1 && last > 0 {
			config.WidthMax, config.WidthMaxEnforcer = last, text.WrapSoft
		}
		configs = append(configs, config)
	}
	w.SetColumnConfigs(configs)
	if hasHeader {
		w.AppendHeader(header)
	}
	for _, cells := range t.rows {
		row := make(table.Row, len(cells))
		for i, cell := range cells {
			row[i] = cell
		}
		w.AppendRow(row)
	}
	return w.Render() + "\n"
}

// blocks returns a block of lines for each row: its first cell, and the others with their titles below.
func (t *tableText) blocks(width int) string {
	titles := 0
	for _, c := range t.columns[1:] {
		titles = max(titles, columns(c.title))
	}
	var b strings.Builder
	for i, row := range t.rows {
		if i > 0 && len(row) > 2 {
			b.WriteByte('\n')
		}
		b.WriteString(wrap(row[0], width) + "\n")
		for c, cell := range row[1:] {
			if cell == "" {
				continue
			}
			title := "  "
			if titles > 0 && t.columns[c+1].title != "" {
				title += text.Pad(t.columns[c+1].title, titles, ' ') + "  "
			}
			line := title + cell
			if room := width - columns(title); columns(cell) > room && !strings.Contains(cell, " ") {
				line = strings.TrimRight(title, " ") + "\n    " + cell
			}
			b.WriteString(wrap(line, width) + "\n")
		}
	}
	return b.String()
}

// plain makes text safe for a terminal: it escapes characters that would move the cursor, or worse.
// Names, and the messages of a task's driver, are not to be trusted.
func plain(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) }) < 0 {
		return text
	}
	quoted := strconv.QuoteToGraphic(text)
	return quoted[1 : len(quoted)-1]
}

// paint colors a status, if the output shows colors.
func (a *app) paint(status string, color text.Color) string {
	if status = plain(status); status == "" || color == noColor || !a.colors() {
		return status
	}
	return color.Sprint(status)
}

// noColor leaves a text as it is.
const noColor = text.Reset

// colorsOf returns the colors of an allocation's two statuses. Green is one that runs as it should, red one
// that has failed, and yellow one that is not yet as the scheduler wants it.
func colorsOf(alloc *schema.Allocation) (desired, client text.Color) {
	wanted := alloc.DesiredStatus == schema.DesiredStatusRun
	switch alloc.ClientStatus {
	case schema.ClientStatusRunning:
		if wanted {
			return text.FgGreen, text.FgGreen
		}
		return text.FgYellow, text.FgYellow
	case schema.ClientStatusPending, schema.ClientStatusUnknown:
		return noColor, text.FgYellow
	case schema.ClientStatusFailed, schema.ClientStatusLost:
		return noColor, text.FgRed
	}
	return noColor, noColor
}

// colorOfTask returns the color of a task's state.
func colorOfTask(ts *schema.TaskState) text.Color {
	switch {
	case ts.Failed:
		return text.FgRed
	case ts.State == schema.TaskStateRunning:
		return text.FgGreen
	case ts.State == schema.TaskStatePending:
		return text.FgYellow
	}
	return noColor
}
