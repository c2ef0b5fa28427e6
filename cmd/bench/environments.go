package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// environmentImage is what the machines of test environments are made of.
const environmentImage = "provisioning/debian:12"

// environments measures a test of redis from nothing to nothing, with the images there,
// and says what of it the container engine and the package manager take.
func (b *bench) environments() {
	if exec.Command("docker", "image", "inspect", environmentImage).Run() != nil {
		fmt.Printf("test environments: skipped, there is no image %s; make images builds it\n", environmentImage)
		return
	}
	dir, _ := b.workspace("")
	began := time.Now()
	out, err := b.program(dir, "test", "quick", "redis", "--out", "json")
	took := time.Since(began)
	if err != nil {
		check(fmt.Errorf("test quick redis: %w\n%s", err, out))
	}
	line("test quick redis, from nothing to nothing", took.Round(time.Millisecond), time.Minute, "the promise")
	spent := b.spent(dir)
	for _, part := range []struct{ what, kinds string }{
		{"  in the container engine", "container."}, {"  in the package manager", "op.package"}, {"  in other commands on the machine", "target.,op."},
	} {
		var sum time.Duration
		for kind, d := range spent {
			for prefix := range strings.SplitSeq(part.kinds, ",") {
				if strings.HasPrefix(kind, prefix) && (kind != "op.package" || prefix == kind) {
					sum += d
				}
			}
		}
		fmt.Printf("%-46s %14s %13.0f%%\n", part.what, sum.Round(time.Millisecond), 100*float64(sum)/float64(took))
	}
}

func (b *bench) program(dir string, args ...string) ([]byte, error) {
	cmd := exec.Command(filepath.Join(b.dir, "provisioning"), args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PROVISIONING_HOME="+b.dir)
	return cmd.Output()
}

// spent is how long the effects of all runs of a workspace took, by their kinds.
func (b *bench) spent(dir string) map[string]time.Duration {
	var runs []struct {
		ID string `json:"id"`
	}
	out, err := b.program(dir, "runs", "list", "--out", "json")
	check(err)
	check(json.Unmarshal(out, &runs))
	all := map[string]time.Duration{}
	for _, r := range runs {
		var run struct {
			Effects []struct {
				Kind  string    `json:"kind"`
				Begun time.Time `json:"begun_at"`
				Ended time.Time `json:"ended_at"`
			} `json:"effects"`
		}
		out, err := b.program(dir, "runs", "show", r.ID, "--out", "json")
		check(err)
		check(json.Unmarshal(out, &run))
		for _, e := range run.Effects {
			all[e.Kind] += e.Ended.Sub(e.Begun)
		}
	}
	return all
}
