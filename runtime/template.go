package runtime

import (
	"slices"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/script"
	"github.com/provisioning-systems/provisioning/runtime/seal"
)

// Template makes what runs are made of later: the script with all that it loads, and its
// arguments. Mistakes in these are found now. engine is what executes the runs, "" for
// this program; schedule is what begins them.
func (r *Runtime) Template(in Interrupt, s Start, engine, schedule string) (*journal.Template, error) {
	x, name, err := r.ready(in, s, request{box: seal.NewBox()})
	if x != nil {
		defer x.end()
	}
	if err != nil {
		return nil, err
	}
	if engine != "" {
		if err := kept(s.Limits, x.isolated); err != nil {
			return nil, err
		}
	}
	params, err := s.inputs().Encode()
	if err != nil {
		return nil, fault.Wrap(fault.Usage, err, "cannot record the parameters")
	}
	t := &journal.Template{
		Script: name, Entry: s.Entry, Params: params,
		Options: journal.Options{
			Infra: s.Infra, AllowPaths: s.AllowPaths, RollbackOnFailure: s.RollbackOnFailure, Limits: s.Limits,
			Isolate: x.isolated, Engine: engine, Schedule: schedule,
		},
	}
	for _, l := range x.printed {
		t.Lines = append(t.Lines, journal.Line{Place: "0", Level: l.Level, Text: x.shared.Secrets.Redact(l.Text)})
	}
	if t.Sources, err = x.allSources(name); err != nil {
		return nil, err
	}
	t.Options.Foreign = x.foreign(t.Sources)
	return t, nil
}

// allSources are the texts of all modules that a script can load: also of those that its
// top level comes to only after it has acted.
func (x *execution) allSources(name string) ([]journal.Source, error) {
	sources := x.sources()
	known := map[string]bool{}
	for _, s := range sources {
		known[s.Name] = true
	}
	var failed error
	x.star.Loader.Reaches(name, func(name string) bool {
		if known[name] {
			return false
		}
		known[name] = true
		content, err := x.star.Loader.Source(name)
		if err != nil {
			failed = err
			return true
		}
		sources = append(sources, journal.Source{Name: name, Content: content})
		return false
	})
	seen := map[string]bool{}
	unique := sources[:0]
	for _, s := range sources { // reading reports a text as well
		if !seen[s.Name] {
			seen[s.Name] = true
			unique = append(unique, s)
		}
	}
	return unique, failed
}

// Make makes a run of a template, which is not in the journal yet.
func (r *Runtime) Make(t *journal.Template, id string) (*journal.Bundle, error) {
	b := t.Bundle(id, time.Now())
	var err error
	b.Run.Key, err = r.sealKey(seal.NewBox())
	return b, err
}

// Changed returns the names of modules whose text on the disk is not the one with the
// given hash.
func (r *Runtime) Changed(hashes map[string]string) []string {
	l := &script.Loader{Workspace: r.cfg.Workspace.Root, Stdlib: r.cfg.Stdlib}
	var names []string
	for name, hash := range hashes {
		content, err := l.OnDisk(name)
		if err != nil || (journal.Source{Content: content}).Hash() != hash {
			names = append(names, script.FileName(name))
		}
	}
	slices.Sort(names)
	return names
}
