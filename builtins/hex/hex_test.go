package hex

import (
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

func TestErrors(t *testing.T) {
	for _, c := range []struct{ script, want string }{
		{`hex.encode(1)`, "must be a string or bytes"},
		{`hex.decode("6x")`, "character 2 is no hexadecimal digit"},
		{`hex.decode("686")`, "odd"},
		{`hex.decode("ff")`, "does not stand for text"},
	} {
		_, err := builtintest.New(t, Module).Exec(c.script)
		if err == nil || !strings.Contains(err.Error(), c.want) || !fault.Is(err, fault.Invalid) {
			t.Errorf("%s\n got %v\nwant %s", c.script, err, c.want)
		}
	}
}

func TestSecrets(t *testing.T) {
	f := builtintest.New(t, Module)
	secret, _ := f.Run.Secrets.Add("db", "hi")
	v, err := (&encode{[]byte(secret.String())}).Compute(f.Env())
	if encoded, ok := v.(*value.Secret); !ok || f.Run.Secrets.Plain(encoded) != "6869" || encoded.Name != "db (hex)" {
		t.Fatalf("got %v, %v", v, err)
	}
}
