package testenv

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// The logs of a node, in the order in which they are shown: what process 1 has printed, what
// the recipes have done on it, and what its services have logged.
const (
	ContainerLog = "container"
	RunLog       = "run"
	JournalLog   = "journal"
)

// Logs are the names of all logs of a node.
var Logs = []string{ContainerLog, RunLog, JournalLog}

// LogFile is the name of the file with a log of a node.
func LogFile(node, log string) string { return node + "." + log + ".log" }

// LogsDir is where the logs of an environment are.
func (s *Store) LogsDir(id string) string { return filepath.Join(s.Dir, id, logsDir) }

// SaveLogs writes the logs of nodes, by the names of their files.
func (s *Store) SaveLogs(id string, logs map[string]string) error {
	dir := s.LogsDir(id)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fault.Wrap(fault.Failed, err, "cannot keep the logs of the environment %s", id)
	}
	for name, text := range logs {
		if err := write(filepath.Join(dir, name), []byte(text)); err != nil {
			return fault.Wrap(fault.Failed, err, "cannot keep the logs of the environment %s", id)
		}
	}
	return nil
}

// AddRunLog adds to what the recipes have done on a node.
func (s *Store) AddRunLog(id, node, text string) error {
	before, err := s.Log(id, node, RunLog)
	if err != nil {
		return err
	}
	return s.SaveLogs(id, map[string]string{LogFile(node, RunLog): before + text})
}

// Log reads a log of a node; "" when there is none.
func (s *Store) Log(id, node, log string) (string, error) {
	data, err := os.ReadFile(filepath.Join(s.LogsDir(id), LogFile(node, log)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fault.Wrap(fault.Failed, err, "cannot read the logs of the environment %s", id)
	}
	return string(data), nil
}

// SaveResult keeps a result with the logs of its tests, which may be long: they are no part
// of the record, which every command reads. It returns the name of the file.
func (s *Store) SaveResult(id string, r *Result) (string, error) {
	data, err := json.MarshalIndent(r, "", "  ")
	file := s.resultFile(id, r.RunID)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(file), 0o755)
	}
	if err == nil {
		err = write(file, data)
	}
	if err != nil {
		return "", fault.Wrap(fault.Failed, err, "cannot keep the result of the environment %s", id)
	}
	return file, nil
}

func (s *Store) resultFile(id, run string) string {
	return filepath.Join(s.Dir, id, resultsDir, run+".json")
}

// ResultFiles are the files with the results of an environment, the oldest first.
func (s *Store) ResultFiles(e *Environment) []string {
	var files []string
	for _, r := range e.Results {
		file := s.resultFile(e.ID, r.RunID)
		if _, err := os.Stat(file); err == nil && r.RunID != "" {
			files = append(files, file)
		}
	}
	return files
}

// Complete fills in the logs of the tests of an environment, as far as they are kept.
func (s *Store) Complete(e *Environment) error {
	for i := range e.Results {
		data, err := os.ReadFile(s.resultFile(e.ID, e.Results[i].RunID))
		if errors.Is(err, fs.ErrNotExist) {
			continue // of another version, or of a run that was not begun
		}
		if err == nil {
			err = json.Unmarshal(data, &e.Results[i])
		}
		if err != nil {
			return fault.Wrap(fault.Failed, err, "cannot read the results of the environment %s", e.ID)
		}
	}
	return nil
}

// withoutLogs is the environment as its record has it.
func (e *Environment) withoutLogs() *Environment {
	record := *e
	record.Results = slices.Clone(e.Results)
	for i := range record.Results {
		r := &record.Results[i]
		r.Tests = slices.Clone(r.Tests)
		for j := range r.Tests {
			r.Tests[j].Log = ""
		}
	}
	return &record
}
