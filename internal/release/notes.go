package release

import (
	"regexp"
	"strings"
)

var (
	heading  = regexp.MustCompile(`^(?:(#{1,6})\s+(.+?)\s*#*|\*\*(.+?)\*\*:?)$`)
	bullet   = regexp.MustCompile(`^(?:[-*+]|[0-9]+[.)])\s+`)
	breaking = regexp.MustCompile(`(?i)\bbreaking\b|\bbackwards?[- ]incompatible\b`)
	denial   = regexp.MustCompile(`(?i)\b(?:no|non|not|without)\b[ -](?:\w+ )?(?:breaking|backwards?[- ]incompatible)\b`)
)

// underBold is the level of a heading that is a bold line: below all that have a number.
const underBold = 7

// Breaking are the lines of notes that tell of changes which break something: those below
// a heading that says so, and others that say it themselves. What is quoted as code is
// left out.
func Breaking(notes string) []string {
	lines := []string{}
	section, fenced := 0, false // the level of the heading that says so; 0 outside
	for line := range strings.Lines(notes) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
			continue
		}
		if line == "" || fenced {
			continue
		}
		if level, title := headed(line); level > 0 {
			if section == 0 || level <= section {
				if section = 0; breaks(title) {
					section = level
				}
			}
			continue
		}
		if section > 0 || breaks(line) {
			lines = append(lines, bullet.ReplaceAllString(line, ""))
		}
	}
	return lines
}

// headed is the level and the text of a heading; 0 for another line.
func headed(line string) (level int, title string) {
	m := heading.FindStringSubmatch(line)
	switch {
	case m == nil:
		return 0, ""
	case m[1] == "":
		return underBold, m[3]
	}
	return len(m[1]), m[2]
}

func breaks(text string) bool { return breaking.MatchString(text) && !denial.MatchString(text) }
