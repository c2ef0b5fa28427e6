// Package template is the module template: texts with variables in them,
// rendered by pongo2, whose language is that of Django and nearly that of Jinja.
//
// pongo2 renders an undefined variable as nothing, prints floats with six
// digits, forgets the order of dicts, and can be made to read any file and to
// end the process. So a template is rewritten before pongo2 compiles it (see
// [source]): each name in it becomes a call of ours, which knows where it stands
// in the template and refuses what is not defined.
package template

import (
	"github.com/flosch/pongo2/v6"

	"github.com/provisioning-systems/provisioning/runtime/module"
)

// Module is the module template.
var Module = module.New("template", `Texts with variables in them.

The language is that of Django templates: {{ name }} prints a variable,
{% if %}, {% for %}, {% set %}, {% macro %} and {% include %} do what they say,
and {{ name|upper }} passes it through a filter. A variable that is not defined
is an error, unless it has a default: {{ name|default:"x" }}, or is only asked
about: {% if name is defined %}.`)

// Limits of one rendering. They protect against accidents; templates of others
// run in the sandbox's child process.
const (
	maxSource  = 1 << 20   // bytes of one template
	maxOutput  = 16 << 20  // bytes of the text
	maxMoved   = 256 << 20 // bytes of all the strings that variables gave
	maxSteps   = 1_000_000 // variables looked up and rounds of loops
	maxTokens  = 2_000     // in one tag: pongo2 parses by recursion
	maxNesting = 100       // of brackets, and of tags
	maxCalls   = 200       // of macros within macros, and of includes within includes
	maxLoads   = 10_000    // of template files
	maxWidth   = 10_000    // of what center, floatformat and their like make
)

// forbidden are the tags that read the world, each with what to do instead.
var forbidden = map[string]string{
	"ssi":   "use {% include %}, which is confined to the directory of the template",
	"lorem": "pass the text as a variable",
	"now":   "pass time.now() as a variable: the journal then records it",
}

func init() {
	// The switch is global to pongo2 and not synchronised, so it is set once,
	// here; autoescape = True wraps the template in {% autoescape on %}.
	pongo2.SetAutoescape(false)
	must(pongo2.ReplaceTag("for", parseFor))
	must(pongo2.ReplaceFilter("join", joinFilter))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
