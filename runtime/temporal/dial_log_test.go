package temporal

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

// TestTroubles says what of the SDK's log people get to see.
func TestTroubles(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(troubles{slog.NewTextHandler(&out, nil)}).With("Namespace", "default")
	log.Info("Started Worker")
	log.Warn("Failed to poll for task.", "Error", errors.New("worker stopping"))
	log.Warn("Failed to poll for task.", "WorkerType", "ActivityWorker", "Error", errors.New("connection refused"))
	if text := out.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "connection refused") {
		t.Errorf("it says\n%s", text)
	}
}
