package main

import (
	"context"
	"fmt"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime/seal"
	"github.com/provisioning-systems/provisioning/runtime/temporal"
)

// engine looks at the cluster, where the workspace has one: whether it can be reached,
// and whether someone works there who understands what this machine sends.
func (d *doctor) engine() {
	if d.ws.Root == "" {
		return
	}
	cfg, err := d.app.engineSettings(d.ws)
	if err != nil {
		d.failed("engine", err, "")
		return
	}
	if cfg.Default != temporal.Name && cfg.Temporal.Address == "" {
		return
	}
	file, err := workspace.KeyFile()
	if err != nil {
		d.failed("engine", err, "")
		return
	}
	key := seal.KeyAt(file)
	if cfg.Temporal.KeyFile == "" && !exists(file) {
		d.because("engine", checkFailed, fault.New(fault.Config, "there is no key yet that workers and clients could share"),
			"make one with: provisioning worker key FILE; and name it in [engine.temporal] key_file")
		return
	}
	staff, err := temporal.Inspect(context.Background(), cfg.Temporal, key)
	if err != nil {
		d.failed("engine", err, "")
		return
	}
	d.add("engine", checkOK, cfg.Temporal.String()+": both are there", "")
	for _, s := range staff {
		if err := s.Err(); err != nil {
			d.failed("queue "+s.Queue, err, "")
			continue
		}
		d.add("queue "+s.Queue, checkOK, fmt.Sprintf("%s with this key", count(s.Workers, "worker")), "")
	}
}
