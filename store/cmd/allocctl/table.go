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

type tableRow = table.Row

// newTable returns a table without lines. Render prints it.
func newTable(w io.Writer, header ...any) table.Writer {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.Style().Options = table.OptionsNoBordersAndSeparators
	t.Style().Format.Header = text.FormatDefault
	t.SuppressTrailingSpaces()
	if len(header) > 0 {
		t.AppendHeader(header)
	}
	return t
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

// paint colors a status.
func (a *app) paint(status string) string {
	if color, ok := colors[status]; ok && a.colors() {
		return color.Sprint(status)
	}
	return plain(status)
}

var colors = map[string]text.Color{
	schema.ClientStatusRunning: text.FgGreen, schema.DesiredStatusRun: text.FgGreen,
	schema.ClientStatusFailed: text.FgRed, schema.ClientStatusLost: text.FgRed,
	schema.ClientStatusPending: text.FgYellow, schema.ClientStatusUnknown: text.FgYellow,
}
