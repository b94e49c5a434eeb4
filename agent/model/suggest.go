package model

import (
	"fmt"
	"strings"
)

// meant is a sentence with the name that was probably meant instead of another; empty: none is like it.
func meant(name string, names []string) string {
	const longest = 80
	if len(name) > longest || name == "" {
		return ""
	}
	lower := strings.ToLower(name)
	best, least := "", max(len(name)/3, 1)+1
	for _, n := range names {
		if d := len(n) - len(name); d >= least || -d >= least || n == "" {
			continue
		}
		if d := distance(lower, strings.ToLower(n)); d < least {
			best, least = n, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(". Did you mean %q?", best)
}

// distance is how many letters have to be put in, left out, replaced or changed with their neighbour to
// make b of a (the optimal string alignment distance).
func distance(a, b string) int {
	before := make([]int, len(b)+1) // the row above the one above
	above := make([]int, len(b)+1)
	row := make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, above, row = above, row, before
	}
	return above[len(b)]
}
