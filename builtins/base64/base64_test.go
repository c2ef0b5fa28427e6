package base64

import (
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

func TestValues(t *testing.T) {
	for _, c := range []struct{ expr, want string }{
		{`base64.encode("")`, `""`},
		{`base64.encode(b"\xff\xfe", padding = False)`, `"//4"`},
		{`base64.decode("aG k\n=")`, `"hi"`},
		{`base64.decode(base64.encode(b"\x00\xff"), binary = True)`, `b"\x00\xff"`},
	} {
		if got := builtintest.New(t, Module).Eval("got = " + c.expr); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.expr, got, c.want)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct{ script, want string }{
		{`base64.encode(1)`, "must be a string or bytes"},
		{`base64.decode("aG?k")`, "character 3 does not belong there"},
		{`base64.decode("aGkaa")`, "incomplete"},
		{`base64.decode("/w==")`, "does not stand for text"},
	} {
		_, err := builtintest.New(t, Module).Exec(c.script)
		if err == nil || !strings.Contains(err.Error(), c.want) || !fault.Is(err, fault.Invalid) {
			t.Errorf("%s\n got %v\nwant %s", c.script, err, c.want)
		}
	}
}

func TestSecrets(t *testing.T) {
	f := builtintest.New(t, Module)
	secret, _ := f.Run.Secrets.Add("db", "hunter2")
	v, err := (&encode{Data: []byte("user:" + secret.String()), Padding: true}).Compute(f.Env())
	if err != nil {
		t.Fatal(err)
	}
	encoded, ok := v.(*value.Secret)
	if !ok || f.Run.Secrets.Plain(encoded) != "dXNlcjpodW50ZXIy" || encoded.Name != "db (base64)" {
		t.Fatalf("got %v", v)
	}
	v, err = (&decode{Text: []byte(encoded.String())}).Compute(f.Env())
	if decoded, ok := v.(*value.Secret); !ok || f.Run.Secrets.Plain(decoded) != "user:hunter2" {
		t.Fatalf("got %v, %v", v, err)
	}
}
