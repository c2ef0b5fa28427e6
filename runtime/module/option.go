package module

import (
	"reflect"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/rewrite"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Option is an argument that every effect takes. Its name begins with an
// underscore, so that it never collides with those of the effect.
type Option struct {
	Name    string
	Type    string
	Doc     string
	Command bool // only effects that run commands take it
	Many    bool // only effects that act on several things at once take it
	field   string
}

// Options are the underscore arguments, in the order of the documentation.
var Options = []Option{
	{"_timeout", "duration", "Time that one attempt may take, such as \"30s\".", false, false, "Timeout"},
	{"_retries", "int", "Attempts after the first one. By default reads and effects that may be repeated are tried three times when the failure is transient.", false, false, "Retries"},
	{"_description", "string", "The line that plans, progress and logs show for this effect.", false, false, "Description"},
	{"_when", "bool", "False skips the effect; its value is then None.", false, false, "When"},
	{"_queue", "string", "Queue of the workers that perform the effect, where an engine executes the run (see with_queue).", false, false, "Queue"},
	{"_sudo", "bool", "Run the command as root, by sudo.", true, false, "Sudo"},
	{"_user", "string", "Run the command as this user, by sudo.", true, false, "User"},
	{"_env", "dict of string to string", "Added to the environment of the command.", true, false, "Env"},
	{"_cwd", "string", "Working directory of the command.", true, false, "Cwd"},
	{"_once", "bool", "Leave a marker, so that a resumed run can tell whether the command ran.", true, false, "Once"},
	{"_limit", "int", "Several targets: how many of them at a time; 0 for all. By default what the pool says, else all.", false, true, ""},
	{"_on_error", "string", "Several targets: \"stop\" fails when all have ended and some have failed; \"continue\" goes on, and the results tell. One target is taken for a list of one.", false, true, ""},
}

// Options are the underscore arguments that the function takes.
func (f *Func) Options() []Option {
	if f.Decl() == nil {
		return nil
	}
	commands := f.Prototype().Implements(commanderType)
	many := f.Prototype().Implements(spreaderType)
	var all []Option
	for _, o := range Options {
		if (commands || !o.Command) && (many || !o.Many) {
			all = append(all, o)
		}
	}
	return all
}

func optionNames() []string {
	names := make([]string, len(Options))
	for i, o := range Options {
		names[i] = o.Name
	}
	return names
}

var (
	optionFields  = map[string]field{}
	commanderType = reflect.TypeFor[effect.Commander]()
)

func init() {
	t := reflect.TypeFor[effect.Options]()
	for _, o := range Options {
		if o.Many {
			continue // see spread
		}
		sf, _ := t.FieldByName(o.field)
		optionFields[o.Name] = newField(sf)
	}
}

// option sets the underscore argument called name. It returns its value, which an
// arm of a plan may have chosen.
func (u *unpacking) option(name string, v starlark.Value) (starlark.Value, error) {
	fd, ok := optionFields[name]
	if name == limitOption || name == onErrorOption {
		return nil, u.fail("%s is for effects that act on several targets", name)
	}
	if !ok {
		return nil, u.unexpected(name)
	}
	for _, o := range Options {
		if o.Name == name && o.Command && !u.f.Prototype().Implements(commanderType) {
			return nil, u.fail("%s is for effects that run commands", name)
		}
	}
	if u.check {
		if unknown := value.FindUnknown(v); unknown != nil {
			undecided := &value.Undecided{Unknown: unknown, Op: name}
			if name != "_when" || v != starlark.Value(unknown) {
				return nil, undecided
			}
			n, err := rewrite.Ask(u.thread, undecided)
			if err != nil {
				return nil, err
			}
			v = starlark.Bool(n != 0)
		}
	}
	if v == starlark.None {
		return v, nil
	}
	if err := fd.set(reflect.ValueOf(&u.options).Elem().FieldByIndex(fd.index), v); err != nil {
		return nil, u.fail("the argument %q %s", name, err)
	}
	if u.options.Timeout < 0 || u.options.Retries < -1 || u.options.Timeout > 1000*time.Hour {
		return nil, u.fail("the argument %q is out of range", name)
	}
	return v, nil
}

var (
	undoerType = reflect.TypeFor[effect.Undoer]()
	askerType  = reflect.TypeFor[effect.Asker]()
)
