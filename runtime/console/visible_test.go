package console

import "testing"

func TestVisible(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "",
		"plain, é, 漢\tand\nnext": "plain, é, 漢\tand\nnext",
		"\x1b[2J\x1b]0;x\x07":    `\x1b[2J\x1b]0;x\x07`,
		"a\rb\x7f\x00":           `a\x0db\x7f\x00`,
		"\u009b31m\u202e\xff":    `\u009b31m\u202e\xff`,
	} {
		if got := Visible(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}

func TestShown(t *testing.T) {
	for text, want := range map[string]string{
		"\x1b[31mfailed\x1b[0m web\x1b[8m\x1b]0;x\x07": "\x1b[31mfailed\x1b[0m web" + `\x1b[8m\x1b]0;x\x07`,
		"a\r\nb\rc\x1b[2Ad":                            "a\r\nb" + `\x0dc\x1b[2Ad`,
	} {
		if got := shown(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}
