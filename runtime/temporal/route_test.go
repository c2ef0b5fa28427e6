package temporal

import (
	"testing"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/target"
)

func TestRoutes(t *testing.T) {
	routes, err := routesOf(map[string]string{"target:db-*": "databases", "target:db-eu-*": "eu", "zone:us-?": "us"})
	if err != nil {
		t.Fatal(err)
	}
	host := func(name string) starlark.Value { return target.Make("ssh", name, nil) }
	for _, c := range []struct {
		about string
		value starlark.Value
		want  string
	}{
		{"target", host("db-1"), "databases"},
		{"target", host("db-eu-1"), "eu"}, // the longer pattern wins
		{"target", host("web-1"), ""},
		{"target", starlark.String("db-2"), "databases"},
		{"target", starlark.MakeInt(1), ""},
		{"zone", starlark.String("us-1"), "us"},
		{"zone", starlark.String("us-10"), ""},
		{"name", starlark.String("db-1"), ""},
	} {
		args := starlark.NewDict(1)
		_ = args.SetKey(starlark.String(c.about), c.value) // a string key of a fresh dict
		data, err := new(codec.Codec).Encode(args)
		if err != nil {
			t.Fatal(err)
		}
		if got := routed(routes, data); got != c.want {
			t.Errorf("%s = %v goes to %q, not %q", c.about, c.value, got, c.want)
		}
	}
	for _, key := range []string{"host:a", "target:", "target:[", "web-1"} {
		if _, err := routesOf(map[string]string{key: "q"}); !fault.Is(err, fault.Config) {
			t.Errorf("%q: %v", key, err)
		}
	}
	if _, err := routesOf(map[string]string{"zone:a": ""}); !fault.Is(err, fault.Config) {
		t.Error("a queue without a name is taken")
	}
}
