package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"

	"github.com/spf13/cobra"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/console"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/script"
)

// graphNode is one branch of a run.
type graphNode struct {
	Path     string         `json:"path"`
	Effects  []effectRecord `json:"effects"`
	Branches []*graphNode   `json:"branches,omitempty"`
}

func (a *app) runsGraph() *cobra.Command {
	var dot bool
	cmd := &cobra.Command{
		Use: "graph RUN", Short: "Show the branches of a run as a tree", Args: exactly(1, "a run"),
		Example: "  provisioning runs graph last\n  provisioning runs graph last --dot | dot -Tsvg > run.svg",
	}
	cmd.Flags().BoolVar(&dot, "dot", false, "in the language of Graphviz")
	cmd.RunE = a.withRun(func(_ *journal.Journal, run *journal.Run) error {
		effects, err := run.Effects()
		if err != nil {
			return err
		}
		roots := graphOf(effects)
		switch {
		case dot:
			a.printDot(run, roots)
		case a.console.Structured():
			return a.console.Result(roots)
		default:
			a.console.Print("%s %s", script.FileName(run.Script), state(run))
			for _, root := range roots {
				a.printNode(root, "  ")
			}
		}
		return nil
	})
	return cmd
}

// graphOf makes the trees of the branches: that of the run, and those of what a
// rollback called.
func graphOf(effects []*journal.Effect) []*graphNode {
	nodes := map[string]*graphNode{}
	var roots []*graphNode
	var node func(path string) *graphNode
	node = func(path string) *graphNode {
		if n := nodes[path]; n != nil {
			return n
		}
		n := &graphNode{Path: path}
		nodes[path] = n
		if i := strings.LastIndexByte(path, '.'); i > 0 && path[0] == '0' {
			parent := node(path[:i])
			parent.Branches = append(parent.Branches, n)
		} else {
			roots = append(roots, n)
		}
		return n
	}
	for _, e := range effects {
		n := node(branch.PathOf(e.Place))
		n.Effects = append(n.Effects, effectOf(e))
	}
	for _, n := range nodes {
		sort.Slice(n.Branches, func(i, j int) bool {
			x, y := n.Branches[i].Path, n.Branches[j].Path
			return len(x) < len(y) || len(x) == len(y) && x < y
		})
	}
	return roots
}

func (a *app) printNode(n *graphNode, indent string) {
	a.console.Print("%sbranch %s", indent, n.Path)
	for _, e := range n.Effects {
		a.console.Print("%s  %-8s %s %s", indent, e.Status, e.Kind, firstLine(e.Description))
	}
	for _, b := range n.Branches {
		a.printNode(b, indent+"  ")
	}
}

func (a *app) printDot(run *journal.Run, roots []*graphNode) {
	a.console.Print("digraph %q {\n  rankdir = LR; node [shape = box];", run.ID)
	var walk func(n *graphNode)
	walk = func(n *graphNode) {
		previous := fmt.Sprintf("%q", n.Path)
		a.console.Print("  %s [shape = ellipse];", previous)
		for _, e := range n.Effects {
			a.console.Print("  %q [label = %q];\n  %s -> %q;", e.Place, e.Kind+"\n"+firstLine(e.Description), previous, e.Place)
			previous = fmt.Sprintf("%q", e.Place)
		}
		for _, b := range n.Branches {
			a.console.Print("  %q -> %q [style = dashed];", n.Path, b.Path)
			walk(b)
		}
	}
	for _, root := range roots {
		walk(root)
	}
	a.console.Print("}")
}

// exportedRun is all that the journal knows of a run; secrets are only named.
type exportedRun struct {
	runRecord
	Effects []exportedEffect  `json:"effects"`
	Sources map[string]string `json:"sources"`
	Logs    []journal.Line    `json:"logs"`
}

type exportedEffect struct {
	effectRecord
	Args   string         `json:"args"`             // as a Starlark dict
	Result string         `json:"result,omitempty"` // as Starlark
	Error  *journal.Fault `json:"error,omitempty"`
}

func (a *app) runsExport() *cobra.Command {
	var outfile, tape string
	var canonical bool
	var asScript scriptFlags
	cmd := &cobra.Command{
		Use: "export RUN", Short: "Write all that is known of a run as JSON, or what it did as a script", Args: exactly(1, "a run"),
		Long:    exportHelp,
		Example: "  provisioning runs export last --outfile run.json\n  provisioning runs export last --script --outfile deploy.star\n  provisioning runs export last --cassette deploy.cassette",
	}
	cmd.Flags().StringVar(&outfile, "outfile", "", "file to write (default: standard output)")
	cmd.Flags().StringVar(&tape, "cassette", "", "file to write what the effects came to, for tests to play")
	cmd.Flags().BoolVar(&canonical, "canonical", false, "a line for each effect, by place, without what is another each time: to compare runs")
	asScript.add(cmd.Flags())
	cmd.RunE = a.withRun(func(j *journal.Journal, run *journal.Run) error {
		if canonical && (tape != "" || asScript.wanted) {
			return fault.New(fault.Usage, "--canonical is given without --cassette and --script")
		}
		if tape != "" && (outfile != "" || asScript.wanted) {
			return fault.New(fault.Usage, "--cassette is given without --outfile and --script")
		}
		if outfile == "-" {
			outfile = ""
		}
		if err := asScript.check(); err != nil {
			return err
		}
		if tape != "" {
			return a.exportCassette(j, run, tape)
		}
		if asScript.wanted {
			return a.exportScript(j, run, asScript, outfile)
		}
		if canonical {
			return a.exportCanonical(run, outfile)
		}
		exported, err := a.export(j, run)
		if err != nil {
			return err
		}
		if outfile == "" && a.console.Format == console.YAML {
			return a.console.Result(exported)
		}
		data, err := json.MarshalIndent(exported, "", "  ")
		if err != nil {
			return err
		}
		return a.writeExport(append(data, '\n'), outfile)
	})
	return cmd
}

func (a *app) exportCanonical(run *journal.Run, outfile string) error {
	ws, err := a.workspace("")
	if err != nil {
		return err
	}
	rt, err := a.runtime(ws, nil)
	if err != nil {
		return err
	}
	data, err := rt.Canonical(run)
	if err != nil {
		return err
	}
	return a.writeExport(data, outfile)
}

// writeExport writes to a file; "" is standard output.
func (a *app) writeExport(data []byte, outfile string) error {
	if outfile == "" {
		_, err := a.console.Out.Write(data)
		return err
	}
	if err := os.WriteFile(outfile, data, 0o600); err != nil {
		return fault.Wrap(fault.Failed, err, "cannot write %q", outfile)
	}
	return nil
}

func (a *app) export(j *journal.Journal, run *journal.Run) (*exportedRun, error) {
	effects, err := run.Effects()
	if err != nil {
		return nil, err
	}
	out := &exportedRun{runRecord: recordOf(run), Effects: []exportedEffect{}, Sources: map[string]string{}}
	values, redact, err := a.reader(run, &codec.Codec{Blobs: j.Blobs})
	if err != nil {
		return nil, err
	}
	for _, e := range effects {
		x := exportedEffect{effectRecord: effectOf(e)}
		if err := run.Details(e); err != nil {
			return nil, err
		}
		x.Args = redact(showValue(values.Decode(e.Args)))
		switch e.Status {
		case journal.Done, journal.Assumed, journal.Skipped:
			x.Result = redact(showValue(values.Decode(e.Result)))
		case journal.Erred, journal.Caught:
			if x.Error, err = e.Failure(); err != nil {
				return nil, err
			}
		}
		out.Effects = append(out.Effects, x)
	}
	sources, err := run.Sources()
	if err != nil {
		return nil, err
	}
	for _, name := range sortedKeys(sources) {
		out.Sources[script.FileName(name)] = redact(string(sources[name]))
	}
	out.Logs, _, err = run.Lines(0)
	return out, err
}

// reader gives a codec the secrets of a run, so that what it decodes can be
// shown with their names.
func (a *app) reader(run *journal.Run, c *codec.Codec) (*codec.Codec, func(string) string, error) {
	ws, err := a.workspace("")
	if err != nil {
		return nil, nil, err
	}
	rt, err := a.runtime(ws, nil)
	if err != nil {
		return nil, nil, err
	}
	secrets, err := rt.Secrets(run)
	if err != nil {
		return nil, nil, err
	}
	c.Secrets = secrets
	return c, secrets.Redact, nil
}
