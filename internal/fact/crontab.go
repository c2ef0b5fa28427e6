package fact

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// Crontab is the crontab of a user. Its value is a CrontabState.
var Crontab = &Kind{Name: "crontabs", Script: crontabScript, Parse: parseCrontabs}

// CrontabState is what is known of a crontab.
type CrontabState struct {
	Known  bool // the machine has crontabs
	Exists bool
	Text   string
}

func crontabScript(args []string) string {
	return `for _n in` + quoted(args) + `; do
  if ! command -v crontab >/dev/null 2>&1; then echo none
  elif _t=$(crontab -u "$_n" -l 2>/dev/null; _rc=$?; echo .; exit $_rc); then echo "text $(printf %s "${_t%.}" | base64 | tr -d '\n')"
  else echo empty; fi
done
`
}

func parseCrontabs(args []string, text string) ([]any, error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) != len(args) {
		return nil, fmt.Errorf("%d lines for %d crontabs", len(lines), len(args))
	}
	values := make([]any, len(args))
	for i, line := range lines {
		word, encoded, _ := strings.Cut(line, " ")
		s := CrontabState{Known: word != "none", Exists: word == "text"}
		if s.Exists {
			data, err := base64.StdEncoding.DecodeString(encoded)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", args[i], err)
			}
			s.Text = string(data)
		}
		values[i] = s
	}
	return values, nil
}
