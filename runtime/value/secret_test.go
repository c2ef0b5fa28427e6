package value_test

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

func vault() (*value.Secrets, *value.Secret) {
	secrets := value.NewSecrets([]byte("key of the run"))
	secret, _ := secrets.Add("db/password", "pa\"ss wörd")
	return secrets, secret
}

// What a script makes of a secret is, for the world, what it would have made of
// the value, except that changes of case do not reach it.
func TestSecretThroughStrings(t *testing.T) {
	secrets, secret := vault()
	tests := []struct{ expr, want string }{
		{`s`, `pa"ss wörd`},
		{`"x" + s`, `xpa"ss wörd`},
		{`s + "x"`, `pa"ss wördx`},
		{`s + s`, `pa"ss wördpa"ss wörd`},
		{`"u:%s@h" % s`, `u:pa"ss wörd@h`},
		{`"%s-%d" % (s, 1)`, `pa"ss wörd-1`},
		{`"{}/{}".format(s, s)`, `pa"ss wörd/pa"ss wörd`},
		{`"{a}".format(a = s)`, `pa"ss wörd`},
		{`",".join(["a", str(s)])`, `a,pa"ss wörd`},
		{`str(s)`, `pa"ss wörd`},
		{`("a" + s).upper()`, `Apa"ss wörd`},
		{`("A" + s).lower()`, `apa"ss wörd`},
		{`(s + " b").title()`, `pa"ss wörd B`},
		{`("x" + s).split("x")[1]`, `pa"ss wörd`},
		{`("  " + s + " ").strip()`, `pa"ss wörd`},
	}
	for _, test := range tests {
		t.Run(test.expr, func(t *testing.T) {
			v, err := starlark.EvalOptions(&syntax.FileOptions{}, new(starlark.Thread), "x.star", test.expr, starlark.StringDict{"s": secret})
			if err != nil {
				t.Fatal(err)
			}
			text, ok := starlark.AsString(v)
			if !ok {
				text = v.String()
			}
			if strings.Contains(text, "pa") {
				t.Errorf("the script sees the value: %q", text)
			}
			if got, err := secrets.Expand(text); err != nil || got != test.want {
				t.Errorf("expands to %q, %v; want %q", got, err, test.want)
			}
			if shown := secrets.Redact(text); !strings.Contains(shown, "«secret db/password»") || value.HasMarker(shown) {
				t.Errorf("is shown as %q", shown)
			}
		})
	}
}

func TestSecretIsNoString(t *testing.T) {
	_, secret := vault()
	_, other := vault()
	globals := starlark.StringDict{"s": secret, "same": other}
	for expr, want := range map[string]string{
		`s == same`: "True", `s != same`: "False", `s == str(s)`: "False", `bool(s)`: "True", `type(s)`: `"secret"`,
		`{s: 1}[same]`: "1",
	} {
		if v, err := starlark.EvalOptions(&syntax.FileOptions{}, new(starlark.Thread), "x", expr, globals); err != nil || v.String() != want {
			t.Errorf("%s is %v, %v; want %s", expr, v, err, want)
		}
	}
	for _, expr := range []string{`s < same`, `s + 1`, `s * 2`, `s[0]`, `len(s)`, `s.upper()`} {
		if v, err := starlark.EvalOptions(&syntax.FileOptions{}, new(starlark.Thread), "x", expr, globals); err == nil {
			t.Errorf("%s is %v", expr, v)
		}
	}
}

func TestDamagedMarker(t *testing.T) {
	secrets, secret := vault()
	marker := secret.String()
	changed := []byte(marker)
	changed[10] ^= 1
	for name, text := range map[string]string{
		"end cut":    marker[:len(marker)-6],
		"start cut":  marker[6:],
		"half":       marker[:20],
		"changed":    string(changed),
		"in a text":  "password=" + marker[:12] + ";",
		"only first": marker[:4],
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := secrets.Expand(text); !fault.Is(err, fault.Invalid) || fault.As(err).Hint == "" {
				t.Errorf("expands to %q, %v", got, err)
			}
			if shown := secrets.Redact(text); strings.ContainsAny(shown, value.MarkOpen+value.MarkClose) {
				t.Errorf("is shown as %q", shown)
			}
		})
	}
	foreign, _ := value.NewSecrets([]byte("another run")).Add("x", "y")
	if _, err := secrets.Expand(foreign.String()); !fault.Is(err, fault.Invalid) {
		t.Errorf("the marker of another run: %v", err)
	}
	for _, harmless := range []string{"", "plain", "\U00013259", "\xf0\x93", "č\xff"} {
		if got, err := secrets.Expand(harmless); err != nil || got != harmless {
			t.Errorf("%q expands to %q, %v", harmless, got, err)
		}
	}
}

func TestLayers(t *testing.T) {
	secrets, secret := vault()
	tests := []struct {
		name, text, want string
	}{
		{"JSON", value.Through("\""+secret.String()+"\"", value.LayerJSON), `"pa\"ss wörd"`},
		{"URL", value.Through(secret.String(), value.LayerURL), `pa%22ss%20w%C3%B6rd`},
		{"JSON in JSON", value.Through(value.Through(secret.String(), value.LayerJSON), value.LayerJSON), `pa\\\"ss wörd`},
		{"JSON in a URL", value.Through(value.Through(secret.String(), value.LayerJSON), value.LayerURL), `pa%5C%22ss%20w%C3%B6rd`},
		{"upper case after", strings.ToUpper(value.Through(secret.String(), value.LayerJSON)), `pa\"ss wörd`},
		{"there and back", value.Back(value.Through(secret.String(), value.LayerJSON), value.LayerJSON), `pa"ss wörd`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got, err := secrets.Expand(test.text); err != nil || got != test.want {
				t.Errorf("got %q, %v; want %q", got, err, test.want)
			}
		})
	}
	if text := "no secret"; value.Through(text, value.LayerJSON) != text || value.Back(text, value.LayerJSON) != text {
		t.Error("a text without secrets is changed")
	}
}

func TestMark(t *testing.T) {
	secrets := value.NewSecrets([]byte("k"))
	long, _ := secrets.Add("long", "secret-token-2")
	short, _ := secrets.Add("short", "token")
	tiny, _ := secrets.Add("tiny", "abcd")
	digits, _ := secrets.Add("digits", long.ID()[7:12]) // a value that is a part of a marker
	tests := []struct{ text, want string }{
		{"a token", "a " + short.String()},
		{"secret-token-2 token", long.String() + " " + short.String()},
		{"tokentoken", short.String() + short.String()},
		{"abcd", "abcd"}, // too short to be looked for
		{"x" + long.String() + "y", "x" + long.String() + "y"},
		{"token" + long.String() + long.ID()[7:12], short.String() + long.String() + digits.String()},
		{tiny.String()[:9] + "token", tiny.String()[:9] + short.String()},
	}
	for _, test := range tests {
		got := secrets.Mark(test.text)
		if got != test.want {
			t.Errorf("Mark(%q) = %q, want %q", test.text, got, test.want)
		}
		if again := secrets.Mark(got); again != got {
			t.Errorf("marking %q twice gives %q", test.text, again)
		}
	}
}

func TestAddIsStable(t *testing.T) {
	var added []string
	secrets := value.NewSecrets([]byte("k"))
	secrets.OnAdd = func(name, plain string) { added = append(added, name+"="+plain) }
	if !secrets.Empty() {
		t.Error("a new registry is not empty")
	}
	one, isNew := secrets.Add("a", "1")
	again, isNewAgain := secrets.Add("a", "1")
	if one != again || !isNew || isNewAgain || secrets.Empty() {
		t.Error("the same secret was added twice")
	}
	secrets.Add("a", "2")
	if want := []string{"a=1", "a=2"}; !reflect.DeepEqual(added, want) {
		t.Errorf("OnAdd heard of %q, want %q", added, want)
	}
	other, _ := value.NewSecrets([]byte("k")).Add("a", "1")
	if other.String() != one.String() {
		t.Error("a resumed run makes other markers")
	}
	if ambiguous, _ := secrets.Add("a1", ""); ambiguous.ID() == one.ID() {
		t.Error("name and value run together")
	}
	if secrets.Plain(one) != "1" || secrets.Lookup(one.ID()) != one || secrets.Lookup("x") != nil {
		t.Error("a secret is not found again")
	}
	if !secrets.IsSecret(one.String()) || secrets.IsSecret("") || secrets.IsSecret("x"+one.String()) {
		t.Error("IsSecret is wrong")
	}
	if got := secrets.Names("x" + one.String() + one.String()[3:]); !reflect.DeepEqual(got, []string{"a"}) {
		t.Errorf("Names are %q", got)
	}
}

func TestDerive(t *testing.T) {
	secrets, secret := vault()
	upper := func(plain []string) (string, error) { return strings.ToUpper(strings.Join(plain, "+")), nil }
	v, err := secrets.Derive("upper", []string{"a", "b"}, upper)
	if err != nil || v != starlark.String("A+B") {
		t.Errorf("without secrets: %v, %v", v, err)
	}
	v, err = secrets.Derive("upper", []string{"a", secret.String(), secret.String()}, upper)
	derived, ok := v.(*value.Secret)
	if err != nil || !ok || derived.Name != "db/password (upper)" || secrets.Plain(derived) != `A+PA"SS WÖRD+PA"SS WÖRD` {
		t.Errorf("with secrets: %v, %v", v, err)
	}
	if _, err := secrets.Derive("x", []string{secret.String()[:9]}, upper); err == nil {
		t.Error("a damaged marker is no error")
	}
}

var partOfMarker = regexp.MustCompile(value.MarkOpen + "[0-9]|[0-9jq]" + value.MarkClose)

func FuzzExpand(f *testing.F) {
	_, secret := vault()
	f.Add("a" + secret.String())
	f.Add(value.Through(secret.String(), value.LayerJSON))
	f.Add(secret.String()[:20] + secret.String())
	f.Fuzz(func(t *testing.T, text string) {
		secrets, _ := vault()
		expanded, err := secrets.Expand(text)
		if err == nil && !value.HasMarker(text) && expanded != text {
			t.Errorf("%q expands to %q", text, expanded)
		}
		if err == nil && partOfMarker.MatchString(expanded) {
			t.Errorf("a part of a marker is left in %q", expanded)
		}
		if marked := secrets.Mark(text); secrets.Mark(marked) != marked {
			t.Errorf("marking %q twice differs from once", text)
		}
	})
}

func FuzzRedact(f *testing.F) {
	f.Add("hunter2!", "12345", "the password is hunter2!12345")
	f.Add("aaaaa", "aaaaaa", "aaaaaaaaaaaaaaa")
	f.Fuzz(func(t *testing.T, one, two, text string) {
		secrets := value.NewSecrets([]byte("k"))
		a, _ := secrets.Add("α", one)
		b, _ := secrets.Add("β", two)
		for _, text := range []string{text, text + one + text, one + two, fmt.Sprintf("%s%s%s%s", a, two, b, one), a.String()[:20] + one} {
			shown := withoutNotices.Replace(secrets.Redact(text))
			for _, plain := range []string{one, two} {
				if len(plain) >= 5 && strings.Contains(shown, plain) && !inNotice(plain) {
					t.Errorf("Redact(%q) = %q shows %q", text, shown, plain)
				}
			}
		}
	})
}

// withoutNotices takes out what Redact itself writes, so that nothing is found
// that lies half in it.
var withoutNotices = strings.NewReplacer("«secret ", "\x00", "»", "\x00")

// inNotice reports whether plain may stand in what is left of a notice.
func inNotice(plain string) bool {
	return strings.ContainsAny(plain, "\x00«»αβ"+value.MarkOpen+value.MarkClose) || !utf8.ValidString(plain) ||
		strings.Trim(plain, "0123456789jq") == "" // the digits of a damaged marker
}
