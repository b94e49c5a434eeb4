package main

import (
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// narrow is how wide a table is at most, unless a wide one is asked for.
const narrow = 80

// A column of a table. Numbers are never cut; texts are where a table has no room: at the beginning,
// since the end of names and paths tells them apart, or at the end.
type column struct {
	head string
	cut  cutting
}

type cutting uint8

const (
	never cutting = iota
	front
	back
)

// least is how far a text is cut at most.
const least = 8

// writeTable prints rows below the heads of columns, two blanks between them, up to limit characters
// wide as far as texts can be cut; 0: as wide as it is.
func writeTable(w io.Writer, columns []column, rows [][]string, limit int) error {
	widths := make([]int, len(columns))
	total := 2 * (len(columns) - 1)
	for i, c := range columns {
		widths[i] = utf8.RuneCountInString(c.head)
		for _, row := range rows {
			row[i] = printable(orDash(row[i]))
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
		total += widths[i]
	}
	for limit > 0 && total > limit {
		widest := -1
		for i, c := range columns {
			if c.cut != never && widths[i] > max(least, len(c.head)) && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
		total--
	}
	var b strings.Builder
	line := func(cell func(i int) string) {
		for i := range columns {
			text := cell(i)
			b.WriteString(text)
			if i < len(columns)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text)+2))
			}
		}
		b.WriteByte('\n')
	}
	line(func(i int) string { return columns[i].head })
	for _, row := range rows {
		line(func(i int) string { return columns[i].fit(row[i], widths[i]) })
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// fit cuts text to n characters, and says so by an ellipsis.
func (c column) fit(text string, n int) string {
	all := []rune(text)
	switch {
	case len(all) <= n:
		return text
	case c.cut == back:
		return string(all[:n-1]) + "…"
	}
	return "…" + string(all[len(all)-n+1:])
}

// printable is text as a terminal may have it: names of files and of initiators can have control
// characters, which are written as \x1b is.
func printable(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) && utf8.ValidString(text) {
		return text
	}
	quoted := strconv.Quote(text)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}
