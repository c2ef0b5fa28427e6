package render

import "github.com/flosch/pongo2/v6"

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
