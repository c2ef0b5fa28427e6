package main

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/capability"
	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
	"github.com/provisioning-systems/provisioning/runtime/script"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

func (a *app) runsCapabilities() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use: "capabilities RUN", Short: "Print the smallest manifest that would have allowed a run", Args: exactly(1, "a run"),
		Long: `Print the smallest manifest, as an extension.toml, that would have allowed what a
run did: for code that is to become an extension, or asks for too much. Without
any one of its entries, something would have been refused. Where the same was done
with four files of a directory or more, it asks for the directory.

With --extension, only what an extension had a part in counts; the run is replayed
for that, acting on nothing. What was refused in the run is left out.`,
		Example: `  provisioning runs capabilities last
  provisioning runs capabilities last --extension git-tools > extensions/git-tools/extension.toml`,
	}
	cmd.Flags().StringVar(&name, "extension", "", "only what this extension had a part in")
	cmd.RunE = func(_ *cobra.Command, args []string) error { return a.capabilities(args[0], name) }
	return cmd
}

func (a *app) capabilities(id, name string) error {
	ws, err := a.workspace("")
	if err != nil {
		return err
	}
	rt, err := a.runtime(ws, nil)
	if err != nil {
		return err
	}
	j, err := rt.Journal()
	if err != nil {
		return err
	}
	run, err := a.find(j, id)
	if err != nil {
		return err
	}
	files, err := sandbox.OpenFiles(ws.Root, ws.State, run.Options.AllowPaths...)
	if err != nil {
		return err
	}
	defer files.Close()
	m := &capability.Manifest{Extension: identityFor(run)}
	counts := func(*journal.Effect) bool { return true }
	if name != "" {
		if m.Extension, counts, err = a.partOf(rt, ws, run, files, name); err != nil {
			return err
		}
	}
	secrets, err := rt.Secrets(run)
	if err != nil {
		return err
	}
	calls, records, err := callsOf(run, &codec.Codec{Blobs: j.Blobs, Secrets: secrets}, counts)
	if err != nil {
		return err
	}
	return a.printManifest(m, calls, records, files, secrets)
}

func (a *app) printManifest(m *capability.Manifest, calls []capability.Call, records []effectRecord, files *sandbox.Files, secrets *value.Secrets) error {
	var never []capability.Never
	var err error
	m.Capabilities, never, err = capability.Synthesize(calls, catalog(), capability.InWorkspace{Files: files}, secrets)
	if err != nil {
		return err
	}
	for _, n := range never {
		rec, reason := records[n.Index], n.Reason
		if n.Arg != "" {
			reason = n.Arg + ": " + reason
		}
		a.console.Note("no entry of a manifest can allow effect %d, %s at %s: %s", rec.Number, rec.Kind, rec.Position, secrets.Redact(reason))
	}
	if a.console.Structured() {
		return a.console.Result(map[string]any{"extension": m.Extension, "capabilities": m.Capabilities})
	}
	a.console.Print("%s", strings.TrimRight(secrets.Redact(m.String()), "\n"))
	return nil
}

var notInNames = regexp.MustCompile(`[^a-z0-9_-]+`)

// identityFor names the extension that the script of a run could become.
func identityFor(run *journal.Run) capability.Identity {
	base := strings.TrimSuffix(path.Base(script.FileName(run.Script)), ".star")
	name := strings.Trim(notInNames.ReplaceAllString(strings.ToLower(base), "-"), "-_0123456789")
	if name == "" {
		name = "extension"
	}
	return capability.Identity{Name: name[:min(len(name), 63)], Type: "workflow", Version: "0.1.0"}
}

// partOf tells which effects of a run an extension had a part in.
func (a *app) partOf(rt *runtime.Runtime, ws workspace.Workspace, run *journal.Run, files *sandbox.Files, name string) (capability.Identity, func(*journal.Effect) bool, error) {
	all, err := capability.Extensions(ws.Root, catalog())
	if err != nil {
		return capability.Identity{}, nil, err
	}
	e, err := capability.Find(all, name)
	if err != nil {
		return capability.Identity{}, nil, err
	}
	id := capability.Identity{Name: name, Type: "workflow", Version: "0.1.0"}
	if e.Manifest != nil {
		id = e.Manifest.Extension
	}
	in, done := a.interrupt()
	defer done()
	callers, err := rt.Callers(in, run)
	if err != nil {
		return id, nil, err
	}
	guard := capability.NewGuard(catalog(), files)
	return id, func(rec *journal.Effect) bool {
		return slices.Contains(guard.Restricted(callers[rec.Place]), e.Dir)
	}, nil
}

// callsOf reads the effects of a run from its journal.
func callsOf(run *journal.Run, values *codec.Codec, counts func(*journal.Effect) bool) (calls []capability.Call, records []effectRecord, err error) {
	effects, err := run.Effects()
	if err != nil {
		return nil, nil, err
	}
	for i, rec := range effects {
		if door.Refused(rec) || effect.Bookkeeping(rec.Kind) || !counts(rec) {
			continue
		}
		if err := run.Details(rec); err != nil {
			return nil, nil, err
		}
		v, err := values.Decode(rec.Args)
		args, ok := v.(*starlark.Dict)
		if err != nil || !ok {
			return nil, nil, fault.New(fault.Failed, "the arguments of %s %s cannot be read", rec.Kind, rec.Place)
		}
		call, err := capability.CallFrom(rec.Kind, args)
		if err != nil {
			return nil, nil, err
		}
		shown := effectOf(rec)
		shown.Number = i + 1
		calls, records = append(calls, call), append(records, shown)
	}
	return calls, records, nil
}
