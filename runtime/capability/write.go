package capability

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Format writes entries as TOML, each as a table of the array called table.
func Format(table string, entries []Capability) string {
	var b strings.Builder
	for _, c := range entries {
		fmt.Fprintf(&b, "\n[[%s]]\neffect = %s\n", table, quote(c.Effect))
		if c.Mode != "" {
			fmt.Fprintf(&b, "mode = %s\n", quote(c.Mode))
		}
		if c.Why != "" {
			fmt.Fprintf(&b, "why = %s\n", quote(c.Why))
		}
		for _, name := range sortedNames(c.Args) {
			fmt.Fprintf(&b, "args.%s = %s\n", name, tomlValue(c.Args[name]))
		}
	}
	return b.String()
}

// String is the manifest as TOML.
func (m *Manifest) String() string {
	id := m.Extension
	text := fmt.Sprintf("[extension]\nname = %s\ntype = %s\nversion = %s\n", quote(id.Name), quote(id.Type), quote(id.Version))
	if id.Description != "" {
		text += "description = " + quote(id.Description) + "\n"
	}
	return text + Format("capabilities", m.Capabilities)
}

func tomlValue(v any) string {
	switch v := v.(type) {
	case string:
		return quote(v)
	case []any:
		parts := make([]string, len(v))
		for i, x := range v {
			parts[i] = tomlValue(x)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return fmt.Sprint(v)
}

// quote writes a string of TOML: that of JSON, without its one exception.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string
	return strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "\x7f", `\u007F`)
}
