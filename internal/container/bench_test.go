package container_test

import (
	"context"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/container/containertest"
	"github.com/provisioning-systems/provisioning/internal/machine"
)

// BenchmarkExec compares a line of a container with the same by the engine's client
// alone. Both take turns, so that what else the machine does hits both; the ratio is
// that of the medians.
func BenchmarkExec(b *testing.B) {
	f := containertest.New(b)
	name := f.Run(nil)
	conn := f.Engine.Conn(name, "")
	ctx := context.Background()
	var ours, raw []time.Duration
	for b.Loop() {
		began := time.Now()
		if _, err := container.RawExec(ctx, f.Engine, name, []string{"/bin/sh", "-c", "echo hello"}, io.Discard); err != nil {
			b.Fatal(err)
		}
		middle := time.Now()
		if _, err := conn.Exec(ctx, "echo hello", machine.Streams{Stdout: io.Discard, Stderr: io.Discard}); err != nil {
			b.Fatal(err)
		}
		raw, ours = append(raw, middle.Sub(began)), append(ours, time.Since(middle))
	}
	slices.Sort(raw)
	slices.Sort(ours)
	b.ReportMetric(float64(raw[len(raw)/2].Microseconds())/1000, "raw-ms")
	b.ReportMetric(float64(ours[len(ours)/2].Microseconds())/1000, "ours-ms")
	b.ReportMetric(float64(ours[len(ours)/2])/float64(raw[len(raw)/2]), "ratio")
}
