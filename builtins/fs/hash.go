package fs

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"io"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Read(`
def hash(path, algorithm = "sha256"):
    """Computes the checksum of a file, of any size.

    Args:
      path: file, relative to the workspace.
      algorithm: "sha256", "sha512", or, for old checksums only, "sha1" or "md5".

    Returns:
      The checksum in lower-case hexadecimal digits.

    Errors:
      not_found when there is no such file, invalid when it is a directory or
      the algorithm is not known, permission when it is out of reach.

    Example:
      fs.write("app.bin", "abc")
      fs.hash("app.bin")
    """`, &hashOf{})

// hashOf is the effect fs.hash.
type hashOf struct {
	Path      string `star:"path"`
	Algorithm string `star:"algorithm"`
}

var (
	_ effect.Validator = (*hashOf)(nil)
	_ effect.Describer = (*hashOf)(nil)
)

var algorithms = map[string]func() hash.Hash{
	"sha256": sha256.New, "sha512": sha512.New, "sha1": sha1.New, "md5": md5.New,
}

func (h *hashOf) Validate() error {
	if algorithms[h.Algorithm] == nil {
		names := []string{"sha256", "sha512", "sha1", "md5"}
		e := fault.New(fault.Invalid, "there is no algorithm %q", h.Algorithm).WithHint("use one of %q", names)
		if near := spell.Nearest(h.Algorithm, names); near != "" {
			e = e.WithHint("did you mean %q?", near)
		}
		return e
	}
	return validPath("path", h.Path)
}

func (h *hashOf) Describe() string { return h.Path }

func (h *hashOf) Looks(env *effect.Env) []string { return touched(env, h.Path) }

func (h *hashOf) Perform(_ context.Context, env *effect.Env) (any, error) {
	p, err := env.Run.Files.Resolve(h.Path)
	if err != nil {
		return nil, err
	}
	v, err := look(env, p, true)
	if err != nil {
		return nil, err
	}
	if v.unknown != nil {
		return v.unknown, nil
	}
	if err := v.mustBeFile("hash"); err != nil {
		return nil, err
	}
	sum := algorithms[h.Algorithm]()
	if err := feed(env, sum, v); err != nil {
		return nil, err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func feed(env *effect.Env, sum io.Writer, v view) error {
	if v.planned != nil {
		data, err := contentOf(env, v.planned)
		if err == nil {
			_, err = sum.Write(data)
		}
		return err
	}
	f, err := v.path.Open()
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(sum, f); err != nil {
		return fault.Wrap(fault.Failed, err, "cannot read %q", v.path.Name)
	}
	return nil
}
