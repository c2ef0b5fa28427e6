package http

import (
	"context"
	"io/fs"
	"regexp"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Write(`
def download(url, path, sha256 = "", mode = 0o644, params = {}, headers = {}, timeout = "10m", max_bytes = 0, follow = True, user = "", password = "", token = "", ca_file = "", client_cert = "", client_key = "", insecure = False):
    """Downloads a file into the workspace.

    The file appears at path only when it is whole and its checksum is right;
    until then what was there stays. A file that has the checksum already is not
    downloaded again. Directories above it are made.

    Args:
      url: where from, http:// or https://.
      path: file to write, relative to the workspace.
      sha256: checksum that the file must have, 64 hexadecimal digits.
      mode: permissions of the file.
      params: dict, added to the query of the URL; a list repeats its key.
      headers: dict of headers to send.
      timeout: time for all of it; 0 for no limit. _timeout goes first.
      max_bytes: largest file to accept; 0 for no limit.
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
      A struct downloaded: path, size (bytes), sha256, and changed (False when the
      file was there already).
    Errors:
      invalid when the checksum is wrong, limit when the file is too large, and
      those of http.get.
    Note:
      Rollback puts the previous file back, or removes the new one.
    Example:
      http.download("https://example.com/tool.tar.gz", "cache/tool.tar.gz", sha256 = TOOL_SHA256)
    """`, &download{}, effect.Approximate)

type download struct {
	Request
	Path   string `star:"path"`
	SHA256 string `star:"sha256"`
	Mode   int    `star:"mode"`
}

var (
	_ effect.Validator  = (*download)(nil)
	_ effect.Describer  = (*download)(nil)
	_ effect.Predictor  = (*download)(nil)
	_ effect.Toucher    = (*download)(nil)
	_ effect.Undoer     = (*download)(nil)
	_ effect.Asker      = (*download)(nil)
	_ effect.Repeatable = (*download)(nil)
)

// Downloaded is what http.download returns.
type Downloaded struct {
	Path    string `star:"path"`
	Size    any    `star:"size"` // int64, or unknown in check mode
	SHA256  any    `star:"sha256"`
	Changed bool   `star:"changed"`
}

var sha256Text = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)

func (d *download) Describe() string { return d.describe("GET") + " → " + d.Path }
func (d *download) Repeatable() bool { return true }

func (d *download) Validate() error {
	switch {
	case d.Path == "":
		return fault.New(fault.Invalid, "the path is empty")
	case d.SHA256 != "" && !sha256Text.MatchString(d.SHA256):
		return fault.New(fault.Invalid, "sha256 must be 64 hexadecimal digits")
	case d.Mode < 0 || d.Mode > 0o777:
		return fault.New(fault.Invalid, "mode must be between 0 and 0o777")
	}
	return d.Request.validate()
}

func (d *download) Touches(env *effect.Env) []string {
	p, err := env.Run.Files.Resolve(d.Path)
	if err != nil {
		return nil
	}
	return []string{p.Resource()}
}

func (d *download) Predict(_ context.Context, env *effect.Env) (effect.Prediction, error) {
	p, err := d.target(env)
	if err != nil {
		return effect.Prediction{}, err
	}
	now, err := look(p)
	if err != nil {
		return effect.Prediction{}, err
	}
	planned, touched := env.Run.Planned.Get(p.Resource())
	if !touched && d.fits(now) {
		return effect.Prediction{Result: d.result(now, false), Change: effect.None}, nil
	}
	out := Downloaded{Path: d.Path, Changed: true}
	out.Size, out.SHA256 = value.NewUnknown("the size of %s", d.Path), value.NewUnknown("the checksum of %s", d.Path)
	if d.SHA256 != "" {
		out.SHA256 = strings.ToLower(d.SHA256)
	}
	env.Run.Planned.Set(p.Resource(), value.NewUnknown("the content of %s", d.Path))
	change := effect.Update
	if touched && planned == nil || !touched && !now.exists {
		change = effect.Create
	}
	return effect.Prediction{Result: out, Change: change}, nil
}

// Happened rests on the checksum: the file is replaced in one step, or not.
func (d *download) Happened(_ context.Context, env *effect.Env, past effect.Past) (effect.Answer, error) {
	p, err := d.target(env)
	if err != nil {
		return effect.Answer{}, err
	}
	now, err := look(p)
	if err != nil {
		return effect.Answer{}, err
	}
	if d.SHA256 != "" {
		if d.fits(now) {
			return effect.Answer{Happened: effect.Yes, Result: d.result(now, true), Why: "the file has the checksum"}, nil
		}
		return effect.Answer{Happened: effect.No, Why: "the file has another checksum"}, nil
	}
	var before previous
	if err := past.Remembered(&before); err != nil {
		return effect.Answer{}, err
	}
	if now.exists && now.sum != before.Sum {
		return effect.Answer{Happened: effect.Yes, Result: d.result(now, true), Why: "the file is not the one from before"}, nil
	}
	return effect.Answer{Happened: effect.No, Why: "the file is the one from before"}, nil
}

func (d *download) target(env *effect.Env) (sandbox.Path, error) {
	p, err := env.Run.Files.Resolve(d.Path)
	if err != nil {
		return p, err
	}
	if info, err := p.Lstat(); p.IsRoot() || err == nil && info.IsDir() {
		return p, fault.New(fault.Invalid, "cannot write %q: it is a directory", d.Path)
	}
	return p, nil
}

// fits reports whether the file is as it shall be.
func (d *download) fits(f file) bool {
	return d.SHA256 != "" && f.exists && f.link == "" && f.mode == fs.FileMode(d.Mode) && strings.EqualFold(d.SHA256, f.sum)
}

func (d *download) result(f file, changed bool) Downloaded {
	return Downloaded{Path: d.Path, Size: f.size, SHA256: f.sum, Changed: changed}
}

func (d *download) Perform(ctx context.Context, env *effect.Env) (any, error) {
	ctx, cancel := deadline(ctx, env, d.Timeout)
	defer cancel()
	p, err := d.target(env)
	if err != nil {
		return nil, err
	}
	now, err := look(p)
	if err != nil {
		return nil, err
	}
	if d.fits(now) {
		return d.result(now, false), nil
	}
	x, err := newExchange(ctx, env, "GET", &d.Request, &Payload{}, &Key{})
	if err != nil {
		return nil, err
	}
	x.req.Header.Set("Accept-Encoding", "identity") // the checksum is that of the file as it is
	resp, err := x.do()
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		return nil, x.refused(resp)
	}
	got, err := d.store(x, resp, p)
	if err != nil {
		return nil, err
	}
	return d.result(got, true), nil
}
