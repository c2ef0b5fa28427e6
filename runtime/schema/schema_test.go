package schema_test

import (
	"fmt"
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/document"
	"github.com/provisioning-systems/provisioning/runtime/schema"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// compile makes a schema.
func compile(t testing.TB, shape schema.Shape, o schema.Options) *schema.Schema {
	t.Helper()
	s, err := schema.New(shape, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// database has a secret, beside what is none.
func database(t testing.TB, secrets *value.Secrets) *schema.Schema {
	o := schema.Options{Secrets: secrets}
	number := compile(t, &schema.Number{Max: starlark.MakeInt(9)}, schema.Options{Default: starlark.MakeInt(1)})
	return compile(t, &schema.Record{Fields: []schema.Field{
		{Name: "port", Schema: number},
		{Name: "auth", Schema: compile(t, &schema.Record{Fields: []schema.Field{
			{Name: "password", Schema: compile(t, &schema.Text{Secret: true, Min: starlark.MakeInt(8)}, o)},
			{Name: "tries", Schema: number},
		}}, o)},
	}}, o)
}

// TestLines: problems show their lines, except where a secret may be on them.
func TestLines(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a.toml", "port = 10\n[auth]\npassword = \"hunter2\"\ntries = 11\n", `a.toml has 3 mistakes:
  a.toml:1:1: port must be an int of at most 9, not 10
      1 | port = 10
  a.toml:3:1: auth.password must be a string of at least 8 characters
  a.toml:4:1: auth.tries must be an int of at most 9, not 11
      4 | tries = 11`},
		{"a.toml", "auth = {tries = 11, password = \"hunter2\"}\nport = 10", `a.toml has 3 mistakes:
  a.toml:1:9: auth.tries must be an int of at most 9, not 11
  a.toml:1:21: auth.password must be a string of at least 8 characters
  a.toml:2:1: port must be an int of at most 9, not 10
      2 | port = 10`},
		{"a.toml", "auth = {password = \"\"\"12345678\nhunter2\"\"\", tries = 11}\n", "auth.tries must be an int of at most 9, not 11"},
		{"a.toml", "[auth]\npasswort = \"hunter2\" # x\n", "unknown field auth.passwort (did you mean \"password\"?)"},
		{"a.toml", "auth = \"hunter2\"\n", "auth must be a dict with password, tries"},
		{"a.toml", "[[auth]]\npassword = \"hunter2\"\n", "auth must be a dict with password, tries"},
		{"a.yaml", "port: 1\nauth: {password: 'hunter2 hunter2\n  hunter2', tries: 11}\n", "auth.tries must be an int of at most 9, not 11"},
		{"a.yaml", "auth:\n  password: |\n    hunter2 hunter2\n  tries: 11\n", "auth.tries must be an int of at most 9, not 11"},
		{"a.json", `{"auth": {"password": "hunter2 hunter2", "tries": 11}}`, "auth.tries must be an int of at most 9, not 11"},
		{"a.toml", "port = 2\n", "auth.password is required: a string of at least 8 characters"},
		{"a.toml", "port = 2\nauth = {}\n[x]\n", `a.toml has 2 mistakes:
  a.toml:2:1: auth.password is required: a string of at least 8 characters
      2 | auth = {}
  a.toml:3:2: unknown field x; there are port, auth
      3 | [x …`},
	} {
		doc, err := document.Read(c.name, c.text, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, report, err := database(t, value.NewSecrets([]byte("k"))).Validate(nil, doc.Value, doc.At)
		if err != nil {
			t.Fatal(err)
		}
		err = report.Fault(fault.Config, c.name)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s\n got %v\nwant %s", c.text, err, c.want)
		}
		if text := fault.Render(err); strings.Contains(text, "hunter2") {
			t.Errorf("%s\nshows a secret:\n%s", c.text, text)
		}
	}
}

// TestOneMistake: the only one is where the error is.
func TestOneMistake(t *testing.T) {
	doc, err := document.Read("a.yaml", "auth: {password: hunter2hunter2}\nport: x\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, report, _ := database(t, value.NewSecrets([]byte("k"))).Validate(nil, doc.Value, doc.At)
	want := "a.yaml:2:1: port must be an int of at most 9, not \"x\"\n    2 | port: x\n"
	if got := fault.Render(report.Fault(fault.Config, "it")); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if report = new(schema.Report); report.Fault(fault.Config, "it") != nil {
		t.Error("no mistakes are an error")
	}
}

func TestManyMistakes(t *testing.T) {
	list := compile(t, &schema.List{Of: compile(t, &schema.Bool{}, schema.Options{})}, schema.Options{})
	elems := make([]starlark.Value, 70)
	for i := range elems {
		elems[i] = starlark.MakeInt(i)
	}
	_, report, _ := list.Validate(nil, starlark.NewList(elems), nil)
	text := report.Fault(fault.Invalid, "it").Error()
	if len(report.Problems) != 70 || !strings.HasPrefix(text, "it has 70 mistakes:") || !strings.HasSuffix(text, "… and 20 more") {
		t.Errorf("got %s", text)
	}
}

// TestMergeDocuments: each part keeps the position of where it comes from.
func TestMergeDocuments(t *testing.T) {
	var docs []*document.Document
	for name, text := range map[string]string{"a.toml": "port = 1\nhosts = [\"a\", \"b\"]\n[t]\nx = 1\ny = 2\n"} {
		doc, err := document.Read(name, text, nil)
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, doc)
	}
	over, err := document.Read("b.yaml", "hosts: [c]\nt: {y: 3}\nport: null\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	merged, err := schema.MergeDocuments(append(docs, over)...)
	if err != nil {
		t.Fatal(err)
	}
	if got := merged.Value.String(); got != `{"hosts": ["c"], "t": {"x": 1, "y": 3}}` {
		t.Errorf("got %s", got)
	}
	for path, want := range map[string]string{"hosts": "b.yaml:1:1", "hosts[0]": "b.yaml:1:9", "t.x": "a.toml:4:1", "t.y": "b.yaml:2:5"} {
		if got := merged.At[path].String(); got != want {
			t.Errorf("%s comes from %s, want %s", path, got, want)
		}
	}
	if at, ok := merged.At["hosts[1]"]; ok {
		t.Errorf("hosts[1] is still at %s", at)
	}
}

// TestCannotBeStored: a schema holds functions.
func TestCannotBeStored(t *testing.T) {
	_, err := new(codec.Codec).Encode(compile(t, &schema.Any{}, schema.Options{}))
	if err == nil || err.Error() != "a schema cannot be stored" {
		t.Errorf("got %v", err)
	}
}

// TestExamples: an example is read as what the defaults are.
func TestExamples(t *testing.T) {
	text := func(s string) schema.Options {
		return schema.Options{Default: starlark.String(s), Doc: "A text.\nOf two lines."}
	}
	entries := starlark.NewDict(1)
	_ = entries.SetKey(starlark.String("a/b: c"), starlark.MakeInt(1))
	list := starlark.NewList([]starlark.Value{starlark.String("x\ny"), starlark.Float(1.5), starlark.True, entries})
	inner := compile(t, &schema.Record{Fields: []schema.Field{
		{Name: "true", Schema: compile(t, &schema.Text{}, text("no"))},
		{Name: "sub", Schema: compile(t, &schema.Record{Fields: []schema.Field{{Name: "deep", Schema: compile(t, &schema.Any{}, schema.Options{Default: list})}}}, schema.Options{Doc: "Sub."})},
	}}, schema.Options{})
	empty := compile(t, &schema.Record{Fields: []schema.Field{{Name: "o", Schema: compile(t, &schema.Text{}, schema.Options{Optional: true})}}}, schema.Options{})
	s := compile(t, &schema.Record{Fields: []schema.Field{
		{Name: "inner", Schema: inner},
		{Name: "empty", Schema: empty},
		{Name: "quoted key", Schema: compile(t, &schema.Text{}, text("\"x\" # y"))},
		{Name: "maybe", Schema: compile(t, &schema.Number{}, schema.Options{Optional: true})},
	}}, schema.Options{Doc: "All."})
	for _, format := range []string{"toml", "yaml"} {
		example, err := s.Example(format)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := document.Read("x."+format, example, nil)
		if err != nil {
			t.Fatalf("%s\n%v", example, err)
		}
		v, report, err := s.Validate(nil, doc.Value, doc.At)
		if err != nil || !report.OK() {
			t.Fatalf("%s\n%v %v", example, report, err)
		}
		if eq, _ := starlark.Equal(s.Plain(v), s.Defaults()); !eq {
			t.Errorf("%s\nis\n%s\nwant\n%s", example, s.Plain(v), s.Defaults())
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	for _, n := range []int{5, 50} {
		b.Run(fmt.Sprintf("%d fields", n), func(b *testing.B) {
			var fields []schema.Field
			given := new(starlark.Dict)
			for i := range n {
				name := fmt.Sprintf("field_%02d", i)
				fields = append(fields, schema.Field{Name: name, Schema: compile(b, &schema.Text{Pattern: "[a-z]+"}, schema.Options{Default: starlark.String("x")})})
				if i%2 == 0 {
					_ = given.SetKey(starlark.String(name), starlark.String("value"))
				}
			}
			s := compile(b, &schema.Record{Fields: fields}, schema.Options{})
			b.ReportAllocs()
			for b.Loop() {
				if _, report, err := s.Validate(nil, given, nil); err != nil || !report.OK() {
					b.Fatal(report, err)
				}
			}
		})
	}
}
