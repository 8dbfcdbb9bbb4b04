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
	if strings.IndexFunc(text, notGraphic) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if notGraphic(r) {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func notGraphic(r rune) bool { return !unicode.IsGraphic(r) }

// paint colors a status.
func (a *app) paint(status string) string {
	status = plain(status)
	if !a.colors() {
		return status
	}
	switch status {
	case schema.ClientStatusRunning, schema.DesiredStatusRun:
		return text.FgGreen.Sprint(status)
	case schema.ClientStatusFailed, schema.ClientStatusLost:
		return text.FgRed.Sprint(status)
	case schema.ClientStatusPending, schema.ClientStatusUnknown:
		return text.FgYellow.Sprint(status)
	}
	return status
}
