package http

import (
	"context"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Write(`
def patch(url, params = {}, headers = {}, json = None, form = None, body = "", timeout = "30s", ok = [], check = True, max_bytes = 16777216, follow = True, idempotency_key = "", user = "", password = "", token = "", ca_file = "", client_cert = "", client_key = "", insecure = False):
    """Changes a part of a resource.

    Args:
      url: where to, http:// or https://.
      params: dict, added to the query of the URL; a list repeats its key.
      headers: dict of headers to send.
      json: value to send as JSON.
      form: dict to send as a form (application/x-www-form-urlencoded).
      body: text or bytes to send as they are; set the header Content-Type.
      timeout: time for the whole exchange; 0 for no limit. _timeout goes first.
      ok: statuses that mean success, instead of 200-399.
      check: whether another status is an error. If not, look at status.
      max_bytes: largest body to accept.
      follow: follow redirects, at most 10. When the host changes, it gets neither
        the password nor headers that may be secret.
      idempotency_key: text that makes the server carry out the request once,
        however often it comes; True for one that is the same in every attempt
        and in a resumed run. Sent as the header Idempotency-Key.
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
      A request that was sent and got no answer, or one from a gateway (502, 504),
      is in doubt, unless it has an idempotency key.
    Example:
      http.patch("https://api.example.com/nodes/db-1", json = {"size": 4})
    """`, &patch{}, effect.Blind)

type patch struct {
	Request
	Accept
	Payload
	Key
}

var (
	_ effect.Validator  = (*patch)(nil)
	_ effect.Describer  = (*patch)(nil)
	_ effect.Predictor  = (*patch)(nil)
	_ effect.Repeatable = (*patch)(nil)
)

func (p *patch) Describe() string { return p.describe("PATCH") }

func (p *patch) Validate() error {
	return firstOf(p.Request.validate(), p.Payload.validate(), p.Key.validate())
}

func (p *patch) Perform(ctx context.Context, env *effect.Env) (any, error) {
	return perform(ctx, env, "PATCH", &p.Request, &p.Accept, &p.Payload, &p.Key)
}

func (p *patch) Repeatable() bool { return p.given() }

func (p *patch) Predict(context.Context, *effect.Env) (effect.Prediction, error) {
	return predict(p, effect.Act), nil
}
