package op

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

var _ = Module.Write(`
def download(target, url, path, checksum = "", headers = {}, force = False, mode = None, owner = None, group = None):
    """Has the machine download a file.

    The machine does it by itself, with curl or wget. The file takes its place when it is
    there as a whole and has the checksum. A download that was cut off goes on where it
    was, when the server can do that.

    Without a checksum a file that is there is left alone, whatever is in it.

    Args:
      target: the machine.
      url: an http, https or ftp address. One with a secret in it needs curl, as headers
        do: wget shows them to everybody on the machine.
      path: absolute path of the file. Its directory has to be there.
      checksum: what the content has to be, as sha256:HEX, sha512:HEX, sha1:HEX or
        md5:HEX. A file that has another one is downloaded again.
      headers: of the request, by name. They need curl.
      force: download even when the file is there and there is no checksum.
      mode: permission bits, such as 0o755; those of a new file are 0o644.
      owner: name or number of the user that owns it.
      group: name or number of its group.

    Returns:
      The struct of operations.

    Errors:
      invalid when there is something at path that is no file; failed when the server
      refuses, the checksum is another one, or the machine has neither curl nor wget.

    Example:
      op.download(web, "https://example.com/tool-1.2", "/usr/local/bin/tool", mode = 0o755,
          checksum = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")
    """`, &download{}, effect.Exact)

type download struct {
	operation.Base
	URL      string            `star:"url"`
	Path     string            `star:"path"`
	Checksum string            `star:"checksum"`
	Headers  map[string]string `star:"headers"`
	Force    bool              `star:"force"`
	Attributes
}

func (d *download) Describe() string { return d.On() + ": " + d.URL + " to " + d.Path }

// checksums are the known ones: how many digits they have, and what computes them.
var checksums = map[string]struct {
	digits int
	tool   string
}{"sha256": {64, "sha256sum"}, "sha512": {128, "sha512sum"}, "sha1": {40, "sha1sum"}, "md5": {32, "md5sum"}}

var hexDigits = regexp.MustCompile(`^[0-9a-f]+$`)

func (d *download) Validate() error {
	if err := d.Base.Validate(); err != nil {
		return err
	}
	if err := below(d.Path); err != nil {
		return err
	}
	u, err := url.Parse(d.URL)
	if err != nil || !slices.Contains([]string{"http", "https", "ftp"}, u.Scheme) || u.Host == "" || strings.ContainsAny(d.URL, "\n\r\"\\ ") {
		return fault.New(fault.Invalid, "the URL is none that can be downloaded").WithHint("write it as https://HOST/PATH")
	}
	if kind, sum := d.checksum(); d.Checksum != "" && (checksums[kind].digits != len(sum) || !hexDigits.MatchString(sum)) {
		return fault.New(fault.Invalid, "the checksum %q is none", d.Checksum).WithHint("write it as sha256: and 64 hexadecimal digits")
	}
	for name, text := range d.Headers {
		if strings.ContainsAny(name+text, "\n\r") || name == "" || strings.ContainsAny(name, ": ") {
			return fault.New(fault.Invalid, "the header %q cannot be sent", name)
		}
	}
	return d.Attributes.valid()
}

func (d *download) checksum() (kind, sum string) {
	kind, sum, _ = strings.Cut(d.Checksum, ":")
	return kind, strings.ToLower(sum)
}

// facts of checksums other than SHA-256 are their own.
func (d *download) Facts() []fact.Fact {
	facts := []fact.Fact{fact.Content.Of(d.Path)}
	if kind, _ := d.checksum(); d.Checksum != "" && kind != "sha256" {
		facts = append(facts, fact.Checksum.Of(checksums[kind].tool+" "+d.Path))
	}
	return facts
}

func (d *download) Plan(w *fact.World) (*operation.Change, error) {
	now := fact.Get[fact.FileState](w, fact.Content.Of(d.Path))
	if now.Exists() && now.Type != "file" {
		return nil, fault.New(fault.Invalid, "%s on %s is a %s", d.Path, d.On(), described(now)).
			WithHint("remove it first, if that is what you want")
	}
	then := now
	if !now.Exists() {
		then = newFile()
	}
	then = d.Attributes.on(then)
	if now.Exists() && d.right(w, now) {
		if sameAttributes(now, then) {
			return nil, nil
		}
		return placement{path: d.Path, now: now, then: then}.change(), nil
	}
	kind, sum := d.checksum()
	then.Content, then.Known, then.Sum, then.Size, then.Planned = nil, false, "", 0, true
	if kind == "sha256" {
		then.Sum = sum
	}
	c := &operation.Change{
		Kind: effect.Update, Diff: d.diff(now, then), After: known(d.Path, then), Undo: undone(d.Path, now, then),
		Step: d.step(now, then),
	}
	if kind != "sha256" && d.Checksum != "" {
		c.After[fact.Checksum.Of(checksums[kind].tool+" "+d.Path)] = sum
	}
	if !now.Exists() {
		c.Kind = effect.Create
	}
	if c.Undo != nil {
		c.Undo.Script += "rm -f " + machine.Quote(d.part()) + "\n"
	}
	return c, nil
}

// right reports whether the file that is there is the one that is wanted.
func (d *download) right(w *fact.World, now fact.FileState) bool {
	switch kind, sum := d.checksum(); {
	case d.Checksum == "":
		return !d.Force
	case kind == "sha256":
		return now.Sum == sum
	default:
		return fact.Get[string](w, fact.Checksum.Of(checksums[kind].tool+" "+d.Path)) == sum
	}
}

func (d *download) diff(now, then fact.FileState) string {
	text := attributesDiff(d.Path, now, then) + fmt.Sprintf("%s: downloaded from %s", d.Path, d.URL)
	if d.Checksum != "" {
		text += ", " + d.Checksum
	}
	return text + "\n"
}

// part is where the download comes first. It has another name for every URL and
// checksum, so that none goes on with what another one has left.
func (d *download) part() string {
	return path.Join(path.Dir(d.Path), "."+path.Base(d.Path)+"."+sum([]byte(d.URL + "\n" + d.Checksum))[:12]+".part")
}

// step downloads. curl reads what it has to do from its standard input, which
// nobody on the machine sees.
func (d *download) step(now, then fact.FileState) operation.Step {
	q := machine.Quote
	secret := len(d.Headers) > 0 || d.Secret([]byte(d.URL))
	s := operation.Step{Hidden: secret}
	var config strings.Builder
	fmt.Fprintf(&config, "url = \"%s\"\n", d.URL)
	for _, name := range sortedNames(d.Headers) {
		fmt.Fprintf(&config, "header = \"%s: %s\"\n", name, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(d.Headers[name]))
	}
	s.Stdin = []byte(config.String())
	wget := "wget -q -c -O \"$_p\" " + q(d.URL) + " </dev/null"
	if secret {
		wget = "{ echo 'curl is needed: wget shows secrets to everybody on the machine' >&2; exit 127; }"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "_f=%s _t=%s _p=%s\n", q(d.Path), q(beside(d.Path)), q(d.part()))
	fmt.Fprintf(&b, "[ -d %s ] || { echo %s >&2; exit 1; }\n", q(path.Dir(d.Path)), q("there is no directory "+path.Dir(d.Path)))
	b.WriteString(keepLarge(now, d.Path))
	b.WriteString("umask 077\n")
	fmt.Fprintf(&b, fetching, wget)
	b.WriteString(d.check())
	if owner := ownership(then); owner != "" {
		fmt.Fprintf(&b, "chown -h %s \"$_p\"\n", q(owner))
	}
	fmt.Fprintf(&b, "chmod %o \"$_p\"\nmv -f \"$_p\" \"$_f\"\n", then.Mode)
	s.Script = b.String()
	return s
}

// fetching downloads to $_p. A part that the server cannot go on with, or that is no
// part of what there is now, is downloaded anew, once; 33 and 36 are what curl says then,
// 416 the server.
const fetching = `if command -v curl >/dev/null; then
  _c=$(cat)
  _get() { printf '%%s\n' "$_c" | curl -q -fsSL --proto '=http,https,ftp' --proto-redir '=http,https' --connect-timeout 30 -C - -o "$_p" -K -; }
elif command -v wget >/dev/null; then
  _get() { %s; }
else
  echo 'there is neither curl nor wget' >&2
  exit 127
fi
if [ -s "$_p" ]; then _get || { rm -f "$_p"; _get; }; else _get; fi
`

// check compares the checksum. A part that was continued may be of two files, and
// is downloaded once more as a whole.
func (d *download) check() string {
	kind, sum := d.checksum()
	if d.Checksum == "" {
		return ""
	}
	return fmt.Sprintf(`_sum() { _n=$(%s <"$_p"); [ "${_n%%%% *}" = %s ]; }
if ! _sum; then
  rm -f "$_p"
  _get
  _sum || { echo "what was downloaded has the %s checksum ${_n%%%% *}" >&2; rm -f "$_p"; exit 1; }
fi
`, checksums[kind].tool, sum, kind)
}

func sortedNames(m map[string]string) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
