package render

import (
	"fmt"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"port {{ config.port }}\n{{ primary }}", "1:9 config.port, 2:4 primary"},
		{"{% for x, y in config.list %}{{ x.a }}{{ y }}{{ forloop.Counter }}{% endfor %}", "1:16 config.list"},
		{"{% if a is defined %}{{ b|default:1 }}{% endif %}", "1:7 a?, 1:25 b?"},
		{"{% set p = config.port %}{{ p }}{% with q=1 %}{{ q }}{% endwith %}", "1:12 config.port"},
		{"{% macro m(a) %}{{ a }}{% endmacro %}{{ m(config.x) }}", "1:43 config.x"},
		{"{% if True and not none %}x{% endif %}{# {{ c }} #}", ""},
	} {
		names, err := Names("x", c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		var got []string
		for _, n := range names {
			text := fmt.Sprintf("%d:%d %s", n.Line, n.Col, n.Text)
			if n.Optional {
				text += "?"
			}
			got = append(got, text)
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s: %q, want %q", c.text, strings.Join(got, ", "), c.want)
		}
	}
	if _, err := Names("redis.conf", "a\n{% if x %}"); err == nil || !strings.Contains(err.Error(), "redis.conf:2:") {
		t.Errorf("%v", err)
	}
}
