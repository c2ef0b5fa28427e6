package uuid

import "github.com/provisioning-systems/provisioning/runtime/effect"

var _ = Module.Pure(`
def valid(text):
    """Tells whether a text is a UUID that uuid.parse can read.

    Args:
      text: any text.

    Returns:
      True or False.

    Example:
      uuid.valid("web-1")
    """`, &valid{})

// valid is the function uuid.valid.
type valid struct {
	Text string `star:"text"`
}

func (v *valid) Compute(*effect.Env) (any, error) {
	_, err := read(v.Text)
	return err == nil, nil
}
