package hashlib

import (
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

func TestErrors(t *testing.T) {
	for _, c := range []struct{ script, want string }{
		{`hashlib.sha256(1)`, "must be a string or bytes"},
		{`hashlib.hmac("k", "d", algorithm = "crc32")`, `no algorithm "crc32"`},
	} {
		_, err := builtintest.New(t, Module).Exec(c.script)
		if err == nil || !strings.Contains(err.Error(), c.want) || !fault.Is(err, fault.Invalid) {
			t.Errorf("%s\n got %v\nwant %s", c.script, err, c.want)
		}
	}
}

// TestSecrets checks that the digest is that of the value, not of the marker.
func TestSecrets(t *testing.T) {
	f := builtintest.New(t, Module)
	key, _ := f.Run.Secrets.Add("key", "key")
	data, _ := f.Run.Secrets.Add("data", "data")
	v, err := (&hmacOf{[]byte(key.String()), []byte(data.String()), "sha256"}).Compute(f.Env())
	mac, ok := v.(*value.Secret)
	if !ok || !strings.HasPrefix(f.Run.Secrets.Plain(mac), "5031fe3d") || mac.Name != "key, data (hmac)" {
		t.Fatalf("got %v, %v", v, err)
	}
	v, err = (&md5Of{[]byte(key.String())}).Compute(f.Env())
	if sum, ok := v.(*value.Secret); !ok || f.Run.Secrets.Plain(sum) != "3c6e0b8a9c15224a8228b9a98ca1531d" {
		t.Errorf("the digest of a secret is %v, %v", v, err)
	}
	v, err = (&md5Of{[]byte("x" + key.String())}).Compute(f.Env())
	if v != "9e50e48e6933eab3bde13b42604673d1" {
		t.Errorf("the digest of a document is %v, %v", v, err)
	}
}
