package url

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Pure(`
def quote(text, safe = ""):
    """Returns a text as a component of a URL.

    All but letters, digits and -._~ becomes %XX. Secrets stay markers, whose
    values are quoted where the text is used, whatever safe says.

    Args:
      text (string or bytes): what to quote.
      safe (string): ASCII characters to leave as they are, such as "/".

    Returns:
      The quoted text.

    Errors:
      invalid: safe has characters that are not ASCII, or a %.

    Example:
      url.quote("a b/é")  # "a%20b%2F%C3%A9"
      url.quote("/a b", safe = "/")  # "/a%20b"
    """`, &quote{})

// quote is the function url.quote.
type quote struct {
	Text []byte `star:"text"`
	Safe string `star:"safe"`
}

func (q *quote) Compute(*effect.Env) (any, error) {
	for _, r := range q.Safe {
		if r >= 0x80 || r == '%' {
			return nil, fault.New(fault.Invalid, "cannot quote: safe must be ASCII without %%")
		}
	}
	return quoted(string(q.Text), q.Safe), nil
}

const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

// quoted is text with all but unreserved and safe characters as %XX. Within
// markers there are only letters and digits, so leaving out their ends is enough.
func quoted(text, safe string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if rest := text[i:]; strings.HasPrefix(rest, value.MarkOpen) || strings.HasPrefix(rest, value.MarkClose) {
			b.WriteString(rest[:len(value.MarkOpen)])
			i += len(value.MarkOpen) - 1
		} else if c := text[i]; strings.IndexByte(unreserved, c) >= 0 || strings.IndexByte(safe, c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return value.Through(b.String(), value.LayerURL)
}

var _ = Module.Pure(`
def unquote(text, plus = False):
    """Returns what a component of a URL stands for.

    Args:
      text (string): the quoted text.
      plus (bool): + stands for a space, as in forms and queries.

    Returns:
      The text with each %XX replaced.

    Errors:
      invalid: a % is not followed by two hexadecimal digits.

    Example:
      url.unquote("a%20b+c")  # "a b+c"
      url.unquote("a%20b+c", plus = True)  # "a b c"
    """`, &unquote{})

// unquote is the function url.unquote.
type unquote struct {
	Text string `star:"text"`
	Plus bool   `star:"plus"`
}

func (u *unquote) Compute(env *effect.Env) (any, error) {
	text, err := unquoted(u.Text, u.Plus)
	if err != nil {
		return nil, err
	}
	return env.Run.Secrets.Value(text), nil
}

func unquoted(text string, plus bool) (string, error) {
	unescape := url.PathUnescape
	if plus {
		unescape = url.QueryUnescape
	}
	plain, err := unescape(text)
	if err != nil {
		return "", fault.New(fault.Invalid, "cannot unquote: a %% is not followed by two hexadecimal digits").
			WithHint("a percent sign itself is written %%25")
	}
	return value.Back(plain, value.LayerURL), nil
}
