// Package schema is the script module schema: types of configuration. What they do
// is in runtime/schema.
package schema

import "github.com/provisioning-systems/provisioning/runtime/module"

// Module is the script module schema.
var Module = module.New("schema", `Types of configuration: what values may be, their defaults, and all mistakes at once.

A type is a value. Called with a value, it returns it completed, with defaults in
place and records as structs, so that their fields are attributes:

    Config = schema.record(port = schema.int(min = 1, max = 65535, default = 8080))
    Config({"port": 80}).port
    Config(port = 80).port

What is not optional and has no default has to be given. None is the same as nothing
given. A type has these methods:

    validate(value)   the completed value, as calling it; all mistakes are one error
    parse(text, name) the completed value of a file's text; its name says what it is:
                      .toml, .yaml, .json, or .star that sets config. Mistakes show
                      the lines
    errors(value)     the mistakes, a list of structs with path, message, expected, found
    warnings(value)   what is deprecated in the value, such a list too
    merge(a, b, ...)  merges values and returns the completed one: dicts by key, the
                      rest is replaced, None takes back what was said before
    dict(value)       the completed value as dicts, in the order of the fields, without
                      what is None
    defaults()        what applies when nothing is given, as dicts
    doc()             a text that explains the fields
    example(format)   the defaults as a commented file, "toml" or "yaml"
    json_schema()     the type as JSON Schema, draft 2020-12, a dict`)
