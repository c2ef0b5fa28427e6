package uuid

import "github.com/provisioning-systems/provisioning/runtime/effect"

var _ = Module.Pure(`
def parse(text):
    """Returns a UUID in its usual form: lower case, with dashes.

    Args:
      text: a UUID; also in upper case, without dashes, in braces, or with
        urn:uuid: before it.

    Returns:
      A string of 36 characters.

    Errors:
      invalid: the text is not a UUID.

    Example:
      uuid.parse("{6BA7B810-9DAD-11D1-80B4-00C04FD430C8}")
    """`, &parse{})

// parse is the function uuid.parse.
type parse struct {
	Text string `star:"text"`
}

func (p *parse) Compute(*effect.Env) (any, error) {
	u, err := read(p.Text)
	if err != nil {
		return nil, err
	}
	return u.String(), nil
}
