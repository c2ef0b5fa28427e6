package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/provisioning-systems/provisioning/internal/backoff"
	"github.com/provisioning-systems/provisioning/internal/breaker"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/pool"
	"github.com/provisioning-systems/provisioning/runtime/duration"
	"github.com/provisioning-systems/provisioning/runtime/reference"
	"github.com/provisioning-systems/provisioning/stdlib"
)

func (a *app) sshCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "ssh VERB", Short: "Machines over SSH: pools, strategies, retries, circuit breakers",
		Example: "  provisioning ssh pool connect web-1 deploy --group web\n  provisioning ssh pool exec @web uptime",
	}
	cmd.AddCommand(a.sshPool(), a.sshStrategies(), a.sshRetryConfig(), a.sshBreaker())
	return cmd
}

// poolRegister is that of the workspace.
func (a *app) poolRegister() (pool.Register, error) {
	ws, err := a.workspace("")
	return pool.At(ws.State), err
}

// strategies says which function of the library a strategy is.
var strategies = []struct{ name, function string }{
	{"parallel", "parallel_each"}, {"rolling", "rolling"}, {"canary", "canary"}, {"blue-green", "blue_green"},
}

func strategyNames() []string {
	var names []string
	for _, s := range strategies {
		names = append(names, s.name)
	}
	return names
}

func (a *app) sshStrategies() *cobra.Command {
	return &cobra.Command{
		Use: "strategies", Short: "List the strategies for many machines", Args: exactly(0, "no arguments"),
		Example: "  provisioning ssh strategies",
		RunE: func(*cobra.Command, []string) error {
			libs, err := reference.Libraries(stdlib.FS)
			if err != nil {
				return err
			}
			var rows [][]string
			var records []map[string]string
			for _, s := range strategies {
				f := libraryFunc(libs, "rollout", s.function)
				rows = append(rows, []string{s.name, f.Doc.Summary, "@std//rollout.star: " + s.function})
				records = append(records, map[string]string{"name": s.name, "summary": f.Doc.Summary, "library": "@std//rollout.star", "function": s.function})
			}
			if a.console.Structured() {
				return a.console.Result(records)
			}
			a.console.Table([]string{"strategy", "", "function"}, rows)
			return nil
		},
	}
}

func libraryFunc(libs []reference.Library, library, name string) reference.LibraryFunc {
	for _, lib := range libs {
		for _, f := range lib.Funcs {
			if lib.Name == library && f.Name == name {
				return f
			}
		}
	}
	return reference.LibraryFunc{Name: name}
}

// shownPauses is how many pauses are shown of a curve.
const shownPauses = 8

func (a *app) sshRetryConfig() *cobra.Command {
	retries, base := pool.StandardRetry.Max, pool.StandardRetry.Base
	cmd := &cobra.Command{
		Use:   "retry-config [CURVE]",
		Short: "Show, or set, how connections to machines are tried again",
		Long: `Show, or set, how "ssh pool exec" tries again to connect to machines.

The curve is exponential, linear, fibonacci or constant. Each pause is in fact a
random part of the one that is shown, so that many callers spread. A command that
ran and failed is tried again only with --retry-command.`,
		Example: "  provisioning ssh retry-config\n  provisioning ssh retry-config fibonacci --max-retries 5 --base 100ms",
		Args:    cobra.MaximumNArgs(1),
	}
	cmd.Flags().IntVar(&retries, "max-retries", retries, "how often it is tried again")
	cmd.Flags().DurationVar(&base, "base", base, "first pause")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		register, err := a.poolRegister()
		if err != nil {
			return err
		}
		if len(args) == 0 {
			c, err := register.Read()
			if err != nil {
				return err
			}
			return a.showRetry(retryOf(c))
		}
		r := pool.Retry{Curve: args[0], Max: retries, Base: base}
		if err := checkRetry(r); err != nil {
			return err
		}
		if err := register.Change(func(c *pool.Content) error { c.Retry = &r; return nil }); err != nil {
			return err
		}
		return a.showRetry(r)
	}
	cmd.ValidArgs = backoff.Names()
	return cmd
}

func retryOf(c pool.Content) pool.Retry {
	if c.Retry != nil {
		return *c.Retry
	}
	return pool.StandardRetry
}

func curveOf(r pool.Retry) backoff.Curve {
	return backoff.Curve{Name: r.Curve, Initial: r.Base, Factor: 2, Max: time.Minute}
}

func checkRetry(r pool.Retry) error {
	if !slices.Contains(backoff.Names(), r.Curve) {
		return suggest(fault.New(fault.Usage, "there is no curve %q", r.Curve), r.Curve, backoff.Names()).
			WithHint("curves are %s", strings.Join(backoff.Names(), ", "))
	}
	if r.Max < 0 || r.Base < 0 {
		return fault.New(fault.Usage, "--max-retries and --base must not be negative")
	}
	return nil
}

func (a *app) showRetry(r pool.Retry) error {
	curve := curveOf(r)
	pauses := make([]string, 0, shownPauses)
	for n := 1; n <= min(r.Max, shownPauses); n++ {
		pauses = append(pauses, duration.Short(curve.Pause(n)))
	}
	if a.console.Structured() {
		return a.console.Result(map[string]any{"curve": r.Curve, "max_retries": r.Max, "base": r.Base.String(), "pauses": pauses})
	}
	text := strings.Join(pauses, ", ")
	if r.Max > shownPauses {
		text += ", …"
	}
	a.console.Print("%s: %d retries, pauses up to %s", r.Curve, r.Max, text)
	return nil
}

func (a *app) sshBreaker() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "circuit-breaker [HOST]",
		Short: "Show which machines are left alone because they do not answer",
		Long: fmt.Sprintf(`Show which machines are left alone because they do not answer.

After %d failures in a row nothing is sent to a machine for %s: every effect
fails at once, and says how long that lasts. Then one attempt is made.`, breaker.Limit, breaker.Pause),
		Example: "  provisioning ssh circuit-breaker\n  provisioning ssh circuit-breaker web-1\n  provisioning ssh circuit-breaker reset web-1",
		Args:    cobra.MaximumNArgs(1),
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		ws, err := a.workspace("")
		if err != nil {
			return err
		}
		all, err := breaker.At(ws.State).All(time.Now())
		if err != nil {
			return err
		}
		if len(args) == 0 {
			return a.showBreakers(all)
		}
		all = slices.DeleteFunc(all, func(f breaker.Failures) bool { return !slices.Contains(breaker.Names(f.Endpoint), args[0]) })
		if len(all) == 0 {
			all = []breaker.Failures{{Endpoint: args[0]}}
		}
		return a.showBreakers(all)
	}
	cmd.AddCommand(a.sshBreakerReset())
	return cmd
}

func (a *app) sshBreakerReset() *cobra.Command {
	return &cobra.Command{
		Use: "reset HOST", Short: "Close the circuit breaker of a machine", Args: exactly(1, "a host"),
		Example: "  provisioning ssh circuit-breaker reset web-1",
		RunE: func(_ *cobra.Command, args []string) error {
			ws, err := a.workspace("")
			if err != nil {
				return err
			}
			register := breaker.At(ws.State)
			found, err := register.Find(args[0], time.Now())
			if err != nil {
				return err
			}
			for _, f := range found {
				if err := register.Reset(f.Endpoint); err != nil {
					return err
				}
				a.console.Print("%s: state=%s, failures=0/%d", f.Endpoint, breaker.Closed, breaker.Limit)
			}
			if a.console.Structured() {
				return a.console.Result(map[string]any{"reset": len(found)})
			}
			return nil
		},
	}
}

// breakerRecord is what programs see of a circuit breaker.
type breakerRecord struct {
	Endpoint string `json:"endpoint"`
	State    string `json:"state"`
	Failures int    `json:"failures"`
	Limit    int    `json:"limit"`
	Left     string `json:"left,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

func breakerOf(f breaker.Failures) breakerRecord {
	state, left := f.State(time.Now())
	r := breakerRecord{Endpoint: f.Endpoint, State: state, Failures: f.Count, Limit: breaker.Limit, Reason: f.Reason}
	if left > 0 {
		r.Left = duration.Short(left.Round(time.Second))
	}
	return r
}

func (a *app) showBreakers(all []breaker.Failures) error {
	records := make([]breakerRecord, 0, len(all))
	for _, f := range all {
		records = append(records, breakerOf(f))
	}
	if a.console.Structured() {
		return a.console.Result(records)
	}
	if len(records) == 0 {
		a.console.Print("all circuit breakers are closed")
	}
	for _, r := range records {
		line := fmt.Sprintf("%s: state=%s, failures=%d/%d", r.Endpoint, r.State, r.Failures, r.Limit)
		if r.Left != "" {
			line += ", for another " + r.Left
		}
		if r.Reason != "" {
			line += " (" + firstLine(r.Reason) + ")"
		}
		a.console.Print("%s", line)
	}
	return nil
}
