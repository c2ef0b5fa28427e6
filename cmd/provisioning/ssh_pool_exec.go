package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"

	"github.com/spf13/cobra"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/pool"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/cmdline"
	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/duration"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// poolExec are the flags of ssh pool exec.
type poolExec struct {
	strategy, retry, batch, health, share, active, turn, user, key string
	limit, retries                                                 int
	base, timeout, pause, hold                                     time.Duration
	keepGoing, retryCommand, acceptNew, sudo, check                bool
}

func (a *app) poolExec() *cobra.Command {
	var f poolExec
	cmd := &cobra.Command{
		Use:   "exec HOSTS COMMAND",
		Short: "Run a command on many machines",
		Long: `Run a command on many machines.

HOSTS are names joined by commas, as h1,h2 or [h1, h2]; @group is the machines of a
group of the register, and @all all of them. A machine that is not in the register is
named as USER@HOST:PORT. The command is read by the shell of the machines.

It is a run like any other: journaled, and resumed on the machines that are not done.
It exits with 1 when a machine has failed.`,
		Example: `  provisioning ssh pool exec web-1,web-2 "uptime"
  provisioning ssh pool exec @web "systemctl restart nginx" --strategy rolling --batch-size 25% --health "curl -fs localhost"
  provisioning ssh pool exec @all "apt-get -y upgrade" --strategy canary --hold 10m --sudo
  provisioning ssh pool exec @blue,@green "deploy 1.2" --strategy blue-green --active blue --switch 'point-to $GROUP'`,
		Args: exactly(2, "hosts and a command"),
	}
	fs := cmd.Flags()
	fs.StringVar(&f.strategy, "strategy", "parallel", "parallel, rolling, canary or blue-green; see: provisioning ssh strategies")
	fs.IntVar(&f.limit, "max-parallel", 10, "how many machines at a time; 0 for all")
	fs.StringVar(&f.batch, "batch-size", "1", "rolling: how many machines at a time, a number or a share such as 25%")
	fs.DurationVar(&f.pause, "pause", 0, "rolling: time between two batches")
	fs.StringVar(&f.share, "share", "5%", "canary: how many machines come first, a number or a share")
	fs.DurationVar(&f.hold, "hold", 0, "canary: time before the first machines are looked at")
	fs.StringVar(&f.active, "active", "", "blue-green: the group that is in use now")
	fs.StringVar(&f.turn, "switch", "", "blue-green: command for this machine that makes $GROUP the group in use")
	fs.StringVar(&f.health, "health", "", "command for the machines, or URL with {host} in it, that says whether they are well")
	fs.DurationVar(&f.timeout, "timeout", 10*time.Minute, "time that the command may take on a machine")
	fs.StringVar(&f.retry, "retry", "", "curve of the pauses between attempts to connect (default: see provisioning ssh retry-config)")
	fs.IntVar(&f.retries, "max-retries", -1, "how often it is tried again to connect (default: see provisioning ssh retry-config)")
	fs.DurationVar(&f.base, "base", -1, "first pause (default: see provisioning ssh retry-config)")
	fs.BoolVar(&f.retryCommand, "retry-command", false, "try again a command that ran and failed, too")
	fs.BoolVar(&f.keepGoing, "keep-going", false, "go on with other machines when some have failed")
	fs.StringVar(&f.user, "user", "", "as whom to connect, where the register does not say")
	fs.StringVar(&f.key, "key", "", "file with the private key, where the register does not say")
	fs.BoolVar(&f.acceptNew, "accept-new", false, "record host keys where none is known")
	fs.BoolVar(&f.sudo, "sudo", false, "run the command as root")
	fs.BoolVarP(&f.check, "check", "c", false, "plan: connect to nothing, and show what would be run")
	cmd.RunE = func(_ *cobra.Command, args []string) error { return a.execOnPool(f, args[0], args[1]) }
	return cmd
}

func (a *app) execOnPool(f poolExec, hosts, command string) error {
	register, err := a.poolRegister()
	if err != nil {
		return err
	}
	c, err := register.Read()
	if err != nil {
		return err
	}
	start, err := f.start(c, hosts, command)
	if err != nil {
		return err
	}
	if f.check {
		return a.check(&runFlags{inputFlags: inputFlags{start: start}, check: true})
	}
	a.commands = true
	out, err := a.watched("", func(rt *runtime.Runtime, in runtime.Interrupt) (*runtime.Outcome, error) { return rt.Start(in, start) })
	if out == nil || out.Run == nil {
		return err
	}
	report, rerr := a.poolReport(out.Run, start.Params["hosts"])
	if rerr != nil {
		return rerr
	}
	return a.showPoolReport(report, out, err)
}

// start is the run of the embedded script.
func (f poolExec) start(c pool.Content, hosts, command string) (runtime.Start, error) {
	if !slices.Contains(strategyNames(), f.strategy) {
		return runtime.Start{}, suggest(fault.New(fault.Usage, "there is no strategy %q", f.strategy), f.strategy, strategyNames()).
			WithHint("strategies are %s", strings.Join(strategyNames(), ", "))
	}
	retry := f.retrying(c)
	if err := checkRetry(retry); err != nil {
		return runtime.Start{}, err
	}
	specs, groups, err := f.hosts(c, hosts)
	if err != nil {
		return runtime.Start{}, err
	}
	text := func(s string) starlark.Value { return starlark.String(s) }
	return runtime.Start{Script: "@std//commands/ssh_pool_exec.star", Params: map[string]starlark.Value{
		"hosts": starlark.NewList(specs), "command": text(command), "strategy": text(f.strategy),
		"limit": starlark.MakeInt(f.limit), "batch": text(f.batch), "pause": text(f.pause.String()), "share": text(f.share),
		"hold": text(f.hold.String()), "health": text(f.health), "timeout": text(f.timeout.String()),
		"retry_curve": text(retry.Curve), "retries": starlark.MakeInt(retry.Max), "base": text(retry.Base.String()),
		"retry_command": starlark.Bool(f.retryCommand), "keep_going": starlark.Bool(f.keepGoing),
		"active": text(f.active), "groups": starlark.NewList(groups), "switch": text(f.turn),
		"sudo": starlark.Bool(f.sudo), "host_keys": hostKeyPolicy(f.acceptNew),
	}}, nil
}

// retrying is what the flags say of it, and else the register.
func (f poolExec) retrying(c pool.Content) pool.Retry {
	r := retryOf(c)
	if f.retry != "" {
		r.Curve = f.retry
	}
	if f.retries >= 0 {
		r.Max = f.retries
	}
	if f.base >= 0 {
		r.Base = f.base
	}
	return r
}

// hosts are those that the command line names, for the script. With the strategy
// blue-green they are two groups.
func (f poolExec) hosts(c pool.Content, text string) (specs, groups []starlark.Value, err error) {
	words := []string{text}
	if f.strategy == "blue-green" {
		words = strings.Split(text, ",")
		if len(words) != 2 || !strings.HasPrefix(words[0], "@") || !strings.HasPrefix(words[1], "@") || !slices.Contains(words, "@"+f.active) {
			return nil, nil, fault.New(fault.Usage, "blue-green takes two groups, one of which is active").
				WithHint("as in: provisioning ssh pool exec @blue,@green COMMAND --strategy blue-green --active blue")
		}
	}
	for _, word := range words {
		group := strings.TrimPrefix(word, "@")
		hosts, err := c.Select(word)
		if err != nil {
			return nil, nil, err
		}
		for _, h := range hosts {
			if h.User == "" && !strings.Contains(h.Name, "@") {
				h.User = f.user
			}
			if h.Key == "" {
				h.Key = f.key
			}
			spec, err := hostSpec(h)
			if err != nil {
				return nil, nil, err
			}
			spec["group"] = starlark.String(group)
			specs = append(specs, dictOf(spec))
		}
		groups = append(groups, starlark.String(group))
	}
	return specs, groups, nil
}

func dictOf(m map[string]starlark.Value) *starlark.Dict {
	d := starlark.NewDict(len(m))
	for _, k := range sortedKeys(m) {
		_ = d.SetKey(starlark.String(k), m[k]) // a string key of a fresh dict
	}
	return d
}

// hostReport is what became of one machine.
type hostReport struct {
	Host     string `json:"host"`
	State    string `json:"state"` // ok, failed, unknown or untouched
	ExitCode *int   `json:"exit_code"`
	Stdout   string `json:"stdout"`
	Stderr   string `json:"stderr"`
	Duration int64  `json:"duration_ms"`
	Attempts int    `json:"attempts"`
	Error    string `json:"error,omitempty"`
}

func (a *app) codecOf(j *journal.Journal) *codec.Codec { return &codec.Codec{Blobs: j.Blobs} }

// poolReport tells of all hosts of a run, also those that it never came to.
func (a *app) poolReport(run *journal.Run, hosts starlark.Value) ([]hostReport, error) {
	j, err := a.journal()
	if err != nil {
		return nil, err
	}
	execs, err := a.execsOf(j, run)
	if err != nil {
		return nil, err
	}
	byHost := map[string]*hostReport{}
	for _, e := range execs {
		if e.check {
			if byHost[e.host] == nil {
				byHost[e.host] = &hostReport{Host: e.host}
			}
			byHost[e.host].add(e)
		}
	}
	var report []hostReport
	list := hosts.(*starlark.List)
	for i := range list.Len() {
		name, _ := starlark.AsString(argOf(list.Index(i), "name"))
		if r := byHost[name]; r != nil {
			report = append(report, *r)
		} else {
			report = append(report, hostReport{Host: name, State: "untouched"})
		}
	}
	return report, nil
}

// add notes what an attempt gave.
func (r *hostReport) add(e poolStep) {
	r.Attempts += e.attempts
	r.ExitCode, r.Stdout, r.Stderr, r.Error = nil, "", "", ""
	switch {
	case e.failure != nil:
		r.State, r.Error = "failed", e.failure.Msg
		r.Stdout, r.Stderr = textIn(e.failure.Details["stdout"]), textIn(e.failure.Details["stderr"])
		if code, ok := intIn(e.failure.Details["code"]); ok {
			r.ExitCode = &code
		}
	case e.result != nil:
		r.State = "ok"
		r.Stdout, _ = plainOf(e.result, "stdout").(string)
		r.Stderr, _ = plainOf(e.result, "stderr").(string)
		if code, ok := intIn(plainOf(e.result, "rc")); ok {
			r.ExitCode = &code
		}
		if h, ok := e.result.(starlark.HasAttrs); ok {
			if d, err := h.Attr("duration"); err == nil {
				if d, ok := d.(startime.Duration); ok {
					r.Duration = time.Duration(d).Milliseconds()
				}
			}
		}
	default:
		r.State = "unknown"
	}
}

// why is the reason of a failure in a line. Which command has failed is known.
func (r hostReport) why() string {
	if r.State != "failed" || r.ExitCode == nil {
		return r.Error
	}
	why := fmt.Sprintf("exit code %d", *r.ExitCode)
	if line := cmdline.LastLine(r.Stderr); line != "" {
		why += ": " + line
	}
	return why
}

func textIn(v any) string {
	s, _ := v.(starlark.String)
	return string(s)
}

func intIn(v any) (int, bool) {
	switch v := v.(type) {
	case int64:
		return int(v), true
	case float64:
		return int(v), true
	case json.Number:
		n, err := v.Int64()
		return int(n), err == nil
	case starlark.Value:
		n, err := starlark.AsInt32(v)
		return n, err == nil
	}
	return 0, false
}

func (a *app) showPoolReport(report []hostReport, out *runtime.Outcome, err error) error {
	count := map[string]int{}
	for _, r := range report {
		count[r.State]++
	}
	summary := map[string]any{
		"hosts": len(report), "ok": count["ok"], "failed": count["failed"], "unknown": count["unknown"], "untouched": count["untouched"],
	}
	if a.console.Structured() {
		result := map[string]any{"run": out.Run.ID, "state": out.State, "hosts": report, "summary": summary}
		if err != nil {
			result["error"] = journal.FaultOf(err)
			result["resume"] = "provisioning resume " + out.Run.ID[:8]
		}
		if rerr := a.console.Result(result); rerr != nil {
			return rerr
		}
	} else {
		a.printPoolReport(report)
		a.console.Print("%d hosts: %d ok, %d failed, %d untouched", len(report), count["ok"], count["failed"], count["untouched"]+count["unknown"])
	}
	if err == nil {
		return nil
	}
	a.inRun = true
	if !a.console.Structured() {
		a.report(err)
		a.console.Note("run %s %s; resume it with: provisioning resume %[1]s", out.Run.ID[:8], out.State)
	}
	code, _ := a.codeOf(err)
	return exitCode(code)
}

func (a *app) printPoolReport(report []hostReport) {
	var rows [][]string
	for _, r := range report {
		code, took, attempts := "", "", ""
		if r.ExitCode != nil {
			code = strconv.Itoa(*r.ExitCode)
		}
		if r.State == "ok" {
			took = duration.Short(time.Duration(r.Duration) * time.Millisecond)
		}
		if r.Attempts > 0 {
			attempts = fmt.Sprint(r.Attempts)
		}
		rows = append(rows, []string{r.Host, r.State, code, took, attempts, firstLine(r.why())})
	}
	a.console.Table([]string{"host", "state", "exit", "took", "attempts", "why"}, rows)
}
