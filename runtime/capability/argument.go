package capability

import "slices"

// class is what an argument means, and so how patterns for it are read.
type class uint8

const (
	text     class = iota // text, number or truth value: "*" in a text stands for any characters
	file                  // a file: by components, relative to the workspace
	written               // a file that is changed, see isCode; only patterns have this class
	wildcard              // files, as fs.glob takes them
	address               // a URL: scheme, host, port and path, each by itself
	secret                // the name or URI of a secret, by components
	command               // a program with its arguments, or a text for the shell
	environ               // variables by name
	headers               // those of a request by name, see freeHeaders
	machines              // a target, or several: where they are, see machinePattern
)

// classes are the arguments that are more than text, by kind and by module.
var classes = map[string]map[string]class{
	"fs":            {"path": file, "source": file, "target": file, "pattern": wildcard},
	"template.file": {"path": file, "roots": file},
	"http":          {"url": address, "headers": headers, "path": file, "ca_file": file, "client_cert": file},
	"secret":        {"uri": secret, "name": secret},
	"exec":          {"command": command},

	// Of files, those of the workspace: on another machine there are no forms of a
	// name to compare.
	"container.copy_from":    {"dest": file},
	"container.copy_to":      {"source": file},
	"container.create":       {"command": command},
	"container.exec":         {"command": command},
	"container.image_build":  {"dir": file},
	"container.image_import": {"archive": file},
	"container.run":          {"command": command},
	"op":                     {"target": machines},
	"op.archive":             {"source": file},
	"op.command":             {"command": command},
	"op.file":                {"source": file},
	"op.template":            {"source": file, "roots": file},
	"runtime.compose":        {"file": file, "argv": command},
	"runtime.exec":           {"argv": command},
	"ssh":                    {"target": machines, "host": machines},
	"ssh.exec":               {"command": command},
	"target":                 {"target": machines},
	"target.get":             {"destination": file},
	"target.put":             {"source": file},
	"target.query":           {"command": command},
	"target.run":             {"command": command},
	"target.script":          {"path": file},
}

// options are the underscore arguments that a rule has to name. The others say
// only when and how often something is tried.
var options = map[string]class{"_sudo": text, "_user": text, "_env": environ, "_cwd": file}

// free are the arguments that decide neither what is reached nor what is
// executed, by kind and by module. Everything else has to be named, so that an
// argument that a builtin gets later is not allowed by old manifests.
var free = map[string][]string{
	"exec.run":   {"timeout", "ok_codes", "check", "quiet"},
	"exec.query": {"timeout", "ok_codes", "check", "quiet"},
	"exec.start": {"ready_timeout", "stop_signal", "stop_grace", "log_lines", "quiet"},
	"http": {
		"params", "json", "form", "body", "timeout", "ok", "check", "max_bytes", "idempotency_key",
		"user", "password", "token", "sha256", "mode",
	},
	"fs.append":     {"content", "mode", "parents"},
	"fs.copy":       {"recursive", "parents"},
	"fs.hash":       {"algorithm"},
	"fs.mkdir":      {"mode", "parents"},
	"fs.move":       {"overwrite", "parents"},
	"fs.read":       {"binary", "limit"},
	"fs.remove":     {"recursive", "missing_ok"},
	"fs.stat":       {"follow"},
	"fs.temp":       {"prefix", "suffix", "directory"},
	"fs.write":      {"content", "mode", "parents"},
	"container.run": {"ok_codes", "check"},
	"runtime":       {"check"},
	"ssh.exec":      {"ok_codes", "check"},
	"target":        {"ok_codes", "check"},
	"env.get":       {"default"},
	"random":        {"n", "list", "length", "alphabet", "low", "high"},
	"secret":        {"value", "text", "length", "alphabet"},
	"tls":           {"authority_certificate", "authority_key", "name", "names", "addresses", "days", "server", "client"},
	"template.file": {"vars", "strict", "autoescape"},
	"sleep":         {"duration"},
	"checkpoint":    {"name"},
	"approval":      {"question", "choices"},
}

func classOf(kind, arg string) class {
	if c, ok := options[arg]; ok {
		return c
	}
	if c, ok := classes[kind][arg]; ok {
		return c
	}
	return classes[moduleOf(kind)][arg]
}

// matters reports whether rules have to name an argument.
func matters(kind, arg string, cat Catalog) bool {
	if arg != "" && arg[0] == '_' {
		_, ok := options[arg]
		return ok || !harmlessOption[arg]
	}
	d := cat[kind].Decl()
	if i := slices.Index(d.Params, arg); i >= 0 && d.Tuning[i] {
		return false
	}
	return !slices.Contains(free[kind], arg) && !slices.Contains(free[moduleOf(kind)], arg)
}

// harmlessOption are the underscore arguments that a rule need not name.
var harmlessOption = map[string]bool{
	"_timeout": true, "_retries": true, "_once": true, "_description": true, "_when": true,
}

// Stale returns what the tables of this package say of arguments that no builtin
// has: renamed, one would be read in another way.
func Stale(cat Catalog) []string {
	var stale []string
	check := func(table, arg string) {
		for kind, f := range cat {
			if (kind == table || moduleOf(kind) == table) && slices.Contains(f.Params(), arg) {
				return
			}
		}
		stale = append(stale, table+" "+arg)
	}
	for table, args := range classes {
		for arg := range args {
			check(table, arg)
		}
	}
	for table, args := range free {
		for _, arg := range args {
			check(table, arg)
		}
	}
	slices.Sort(stale)
	return stale
}
