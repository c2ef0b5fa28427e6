package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/testenv"
	"github.com/provisioning-systems/provisioning/runtime/duration"
)

// testenvFlags are those of commands that make environments or test them.
type testenvFlags struct {
	tests   []string
	timeout timeFlag
	config  string
	output  string

	version, profile  string
	autoStart         bool
	autoCleanup, keep bool
	runtime           string
	image             string
	cpu, memory       int
	privileged        bool
	noInternet, ssh   bool
}

func (f *testenvFlags) defineRun(fs *pflag.FlagSet) {
	f.timeout = timeFlag(testenv.RunTimeout)
	fs.StringSliceVar(&f.tests, "tests", nil, "only these tests, separated by commas, also of those that taskservs ship")
	fs.Var(&f.timeout, "timeout", "how long the tests may take: 5m, or a number of seconds")
	fs.StringVar(&f.config, "config", "", "file with the configuration of the taskserv: TOML, YAML or JSON")
	fs.StringVar(&f.output, "output", "", "directory to write the logs and results to, for CI")
	fs.BoolVar(&f.keep, "keep-on-failure", false, "keep the environment when a test fails")
}

func (f *testenvFlags) defineMake(fs *pflag.FlagSet) {
	f.defineRun(fs)
	fs.StringVar(&f.runtime, "runtime", "", runtimeHelp)
	fs.StringVar(&f.image, "base-image", testenv.BaseImage, "what the machines are made of; without an init system, it gets one")
	fs.IntVar(&f.cpu, "cpu", testenv.CPU, "processors of a machine, in thousandths")
	fs.IntVar(&f.memory, "memory", testenv.MemoryMB, "memory of a machine, in MB")
	fs.BoolVar(&f.privileged, "privileged", false, "give the machines all rights on this one, as Kubernetes needs them")
	fs.BoolVar(&f.noInternet, "no-internet", false, "cut the machines off from outside once their taskservs are installed")
	fs.BoolVar(&f.ssh, "ssh", false, "reach the machines over SSH, as real ones are, not through the container engine")
	fs.StringVar(&f.version, "version", "", "version to install, and to update from")
	fs.StringVar(&f.profile, "profile", "", "name of a set of configuration that the recipe has")
}

func (f *testenvFlags) defineStart(fs *pflag.FlagSet) {
	f.defineMake(fs)
	fs.BoolVar(&f.autoStart, "auto-start", false, "test it at once")
	fs.BoolVar(&f.autoCleanup, "auto-cleanup", false, "remove it after its tests, however they end")
}

// trial is what the flags ask for.
func (f *testenvFlags) trial(e *testenv.Environment) trial {
	kind, _, _ := strings.Cut(e.Type, "_") // as tests name it that are only for some
	return trial{
		function: "test", timeout: time.Duration(f.timeout), config: f.config,
		arguments: starlark.StringDict{
			"outside": starlark.String(e.Network.Outside), "kind": starlark.String(kind),
			"tests": stringsValue(namesIn(f.tests)), "version": starlark.String(e.Config.Version), "profile": starlark.String(e.Config.Profile),
		},
	}
}

// configure completes what an environment is asked for with: a flag that was given goes
// before it, and the standard of a flag comes after it.
func (f *testenvFlags) configure(fs *pflag.FlagSet, c testenv.Config) testenv.Config {
	text := func(name string, into *string, value string) {
		if *into == "" || fs.Changed(name) {
			*into = value
		}
	}
	number := func(name string, into *int, value int) {
		if *into == 0 || fs.Changed(name) {
			*into = value
		}
	}
	yes := func(name string, into *bool, value bool) {
		if fs.Changed(name) {
			*into = value
		}
	}
	text("runtime", &c.Runtime, f.runtime)
	text("base-image", &c.BaseImage, f.image)
	text("version", &c.Version, f.version)
	text("profile", &c.Profile, f.profile)
	number("cpu", &c.Resources.CPU, f.cpu)
	number("memory", &c.Resources.MemoryMB, f.memory)
	yes("privileged", &c.Privileged, f.privileged)
	yes("no-internet", &c.NoInternet, f.noInternet)
	yes("ssh", &c.SSH, f.ssh)
	return c
}

// timeFlag is a flag with a time, of which a number alone is seconds.
type timeFlag time.Duration

var _ pflag.Value = (*timeFlag)(nil)

func (t *timeFlag) Set(text string) error {
	if _, err := strconv.ParseFloat(strings.TrimSpace(text), 64); err == nil {
		text += "s"
	}
	d, err := duration.Parse(text)
	if err != nil {
		return fault.New(fault.Usage, "it has to be a number of seconds, or a duration such as 90s or 1h30m")
	}
	if d <= 0 {
		return fault.New(fault.Usage, "it has to be longer than 0")
	}
	*t = timeFlag(d)
	return nil
}

func (t *timeFlag) String() string { return time.Duration(*t).String() }
func (*timeFlag) Type() string     { return "duration" }
