package http

import (
	"context"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Read(`
def get(url, params = {}, headers = {}, timeout = "30s", ok = [], check = True, max_bytes = 16777216, follow = True, user = "", password = "", token = "", ca_file = "", client_cert = "", client_key = "", insecure = False):
    """Asks for a resource.

    Args:
      url: where to, http:// or https://.
      params: dict, added to the query of the URL; a list repeats its key.
      headers: dict of headers to send.
      timeout: time for the whole exchange; 0 for no limit. _timeout goes first.
      ok: statuses that mean success, instead of 200-399.
      check: whether another status is an error. If not, look at status.
      max_bytes: largest body to accept.
      follow: follow redirects, at most 10. When the host changes, it gets neither
        the password nor headers that may be secret.
      user: name for basic authentication.
      password: password for it, best a secret.
      token: bearer token, best a secret.
      ca_file: certificates (PEM) of the authorities to trust, instead of those of
        the system: a file of the workspace, or the text.
      client_cert: certificate (PEM) to show, a file or the text.
      client_key: key of client_cert, a file or the text, best a secret.
      insecure: accept any certificate of the server. Dangerous.
    Returns:
      A struct response: status, headers, body, bytes, json, url, duration.
    Errors:
      network when the server cannot be reached, unavailable when it answers 429 or
      5xx, not_found for 404 and 410, failed for other statuses that are no success
      and for certificates that are not trusted, timeout, and limit when the body
      is too large.
    Example:
      http.get("https://api.example.com/nodes", params = {"zone": "fi"}).json["items"]
    """`, &get{})

type get struct {
	Request
	Accept
}

var (
	_ effect.Validator = (*get)(nil)
	_ effect.Describer = (*get)(nil)
)

func (g *get) Describe() string { return g.describe("GET") }

func (g *get) Validate() error { return g.Request.validate() }

func (g *get) Perform(ctx context.Context, env *effect.Env) (any, error) {
	return perform(ctx, env, "GET", &g.Request, &g.Accept, &Payload{}, &Key{})
}
