// Package spell finds the name that a person probably meant.
package spell

import "strings"

// Nearest returns the candidate closest to x, or "" when none is close enough
// to be worth suggesting. Case, "_" and "-" do not count as differences.
func Nearest(x string, candidates []string) string {
	best, bestDist := "", max(1, len(x)/3)+1
	fx := fold(x)
	for _, c := range candidates {
		if d := distance(fx, fold(c), bestDist); d < bestDist {
			best, bestDist = c, d
		}
	}
	return best
}

func fold(s string) string {
	return strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(s))
}

// distance is the Levenshtein distance of a and b; values of limit and above
// may be reported as limit.
func distance(a, b string, limit int) int {
	if d := len(a) - len(b); d >= limit || -d >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		prev := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := prev
			if a[i-1] != b[j-1] {
				cost = 1 + min(prev, row[j], row[j-1])
			}
			prev, row[j] = row[j], cost
		}
	}
	return row[len(b)]
}
