package render

import (
	"context"
	"testing"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// FuzzRender finds templates that panic, or that take longer than they may.
func FuzzRender(f *testing.F) {
	for _, text := range []string{
		"{{ host }}", "{% for k, v in d %}{{ k }}{{ v|default:1 }}{% endfor %}", "{{ 7/0 }}", "{{ l[0](d.a) is not none }}",
		"{% macro m(a, b=l[0]) %}{{ a }}{% endmacro %}{{ m(m(1)) }}", "{% with a=1 %}{% set b = a + 1.5 %}{{ b }}{% endwith %}",
		"{% filter upper|cut:\"x\" %}{% verbatim %}{{{% endverbatim %}{% endfilter %}", "{{ \"\\\"\" }}{#x#}{%- if a -%}",
		"{% cycle l as x silent %}{% firstof a b %}{% widthratio 1 2 3 %}", "{{ host|stringformat:\"%s\"|center:9 }}",
	} {
		f.Add(text, true)
		f.Add(text, false)
	}
	vars := func() *starlark.Dict {
		return dict("host", starlark.String("h\u00e4"), "f", starlark.Float(1.5), "n", starlark.None,
			"l", starlark.NewList([]starlark.Value{starlark.MakeInt(1), starlark.String("x")}),
			"d", dict("b", starlark.True, "a", dict("c", starlark.MakeInt(2))))
	}
	f.Fuzz(func(t *testing.T, text string, strict bool) {
		start := time.Now()
		r, err := newRender(context.Background(), vars(), strict, len(text)%2 == 0)
		if err != nil {
			t.Fatal(err)
		}
		out, err := r.text(text)
		if took := time.Since(start); took > 5*time.Second {
			t.Fatalf("took %s", took)
		}
		if len(out) > maxOutput || err != nil && fault.As(err) == nil {
			t.Fatalf("%d bytes, %v", len(out), err)
		}
	})
}
