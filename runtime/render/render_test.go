package render

import (
	"context"
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

func TestSecretsPass(t *testing.T) {
	secrets := value.NewSecrets([]byte("test"))
	s, _ := secrets.Add("db/password", "hunter22")
	vars := dict("pw", s, "l", starlark.NewList([]starlark.Value{s}))
	got, err := Text(context.Background(), "pw={{ pw }} {{ l }} {{ l|join:\",\" }}", vars, Options{Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := secrets.Expand(got)
	if err != nil || plain != `pw=hunter22 ["hunter22"] hunter22` || strings.Contains(got, "hunter22") {
		t.Errorf("%q %v", plain, err)
	}
}

func dict(kv ...any) *starlark.Dict {
	d := new(starlark.Dict)
	for i := 0; i < len(kv); i += 2 {
		_ = d.SetKey(starlark.String(kv[i].(string)), kv[i+1].(starlark.Value))
	}
	return d
}
