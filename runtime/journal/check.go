package journal

import (
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Check looks for damage in the database: pages that are torn, lost or linked
// twice. It reads everything, so it takes its time with a large journal.
func (j *Journal) Check() error {
	// The answer is "ok", or a line per problem, of which ten say enough.
	rows, err := j.db.Query("PRAGMA quick_check(10)")
	if err != nil {
		return fault.Wrap(fault.Failed, err, "cannot check the journal")
	}
	defer rows.Close()
	var problems []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return fault.Wrap(fault.Failed, err, "cannot check the journal")
		}
		if line != "ok" {
			problems = append(problems, line)
		}
	}
	if err := rows.Err(); err != nil {
		return fault.Wrap(fault.Failed, err, "cannot check the journal")
	}
	if len(problems) > 0 {
		return fault.New(fault.Failed, "the journal is damaged: %s", strings.Join(problems, "; ")).
			WithHint("copy %s away, and restore it from a backup, or from what \"sqlite3 %s .recover\" can read", FileName, FileName)
	}
	return nil
}
