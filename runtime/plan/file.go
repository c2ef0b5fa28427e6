package plan

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/textdiff"
)

// Format is the format of plan files that this program writes.
const Format = "provisioning-plan/1"

// File is a plan that can be applied later, with all that it depends on: the
// script and what it loads, the arguments, and what the reads gave.
type File struct {
	Format    string            `json:"format"`
	Hash      string            `json:"hash"` // SHA-256 of the file without it and MAC
	MAC       string            `json:"mac"`  // HMAC-SHA-256 of the hash, keyed like the digests
	Made      time.Time         `json:"made"`
	Script    string            `json:"script"` // name of the main module
	Entry     string            `json:"entry,omitempty"`
	Inputs    []byte            `json:"inputs"` // the arguments, in the encoding of the journal
	Infra     string            `json:"infra,omitempty"`
	Paths     []string          `json:"allow_paths,omitempty"`
	Limits    map[string]string `json:"limits,omitempty"`
	Rollback  bool              `json:"rollback_on_failure,omitempty"`
	Key       string            `json:"key"` // keys the digests; sealed
	Sources   []Source          `json:"sources"`
	Reads     []Read            `json:"reads"`
	Secrets   []Secret          `json:"secrets,omitempty"` // in the results of reads that are fixed
	Likely    map[string]int    `json:"likely,omitempty"`  // the arms that an earlier run took, by decision
	Root      *Node             `json:"plan"`
	Allowance *Allowance        `json:"writes"`
	Summary   Summary           `json:"summary"`
}

// Source is a module that the plan was made of.
type Source struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Read is what the world said when the plan was made.
type Read struct {
	Place       string `json:"place"`
	Key         string `json:"key"` // content key, hexadecimal
	Kind        string `json:"kind"`
	Description string `json:"description"`
	Position    string `json:"position"`
	Digest      string `json:"digest"`          // of the result
	Shown       string `json:"shown"`           // the result for people: without secrets, and not all of a long one
	Fixed       []byte `json:"fixed,omitempty"` // the result of a read that gives something else each time
}

// Secret is one that the plan has made up, for the run that follows it.
type Secret struct {
	Name   string `json:"name"`
	Sealed []byte `json:"sealed"` // with the key of the plan
}

// Seal computes the hash of the file, and its authentication by key.
func (f *File) Seal(key []byte) error {
	f.Format = Format
	hash, err := f.hash()
	f.Hash, f.MAC = hash, authentication(key, hash)
	return err
}

// Authentic reports whether the file was sealed with key.
func (f *File) Authentic(key []byte) bool {
	return hmac.Equal([]byte(f.MAC), []byte(authentication(key, f.Hash)))
}

func authentication(key []byte, hash string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("plan " + hash))
	return hex.EncodeToString(mac.Sum(nil))
}

func (f *File) hash() (string, error) {
	copied := *f
	copied.Hash, copied.MAC = "", ""
	data, err := json.Marshal(copied)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// Save writes the file, readable only by its owner: it has the arguments and
// parts of what was read in it.
func (f *File) Save(name string) error {
	data, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(name), ".plan-*")
	if err == nil {
		_, err = tmp.Write(append(data, '\n'))
		if cerr := tmp.Close(); err == nil {
			err = cerr
		}
		if err == nil {
			err = os.Rename(tmp.Name(), name)
		}
		if err != nil {
			os.Remove(tmp.Name()) //nolint:errcheck // the first error is the one to report
		}
	}
	if err != nil {
		return fault.Wrap(fault.Failed, err, "cannot write the plan %q", name)
	}
	return nil
}

// maxFile bounds what is read as a plan.
const maxFile = 256 << 20

// Open reads a plan and finds out whether it is as it was written.
func Open(name string) (*File, error) {
	info, err := os.Stat(name)
	if err != nil {
		kind := fault.Failed
		if os.IsNotExist(err) {
			kind = fault.NotFound
		}
		return nil, fault.New(kind, "cannot read the plan %q: %v", name, err)
	}
	if info.Size() > maxFile {
		return nil, fault.New(fault.Invalid, "cannot read the plan %q: it is larger than %d MiB", name, maxFile>>20)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "cannot read the plan %q", name)
	}
	f, err := Decode(data)
	if err != nil {
		return nil, fault.Wrap(fault.Usage, err, "cannot read the plan %q", name).
			WithHint("make a new one with: provisioning run SCRIPT --plan-out %s", name)
	}
	return f, nil
}

// Decode reads the content of a plan file.
func Decode(data []byte) (*File, error) {
	var head struct {
		Format string `json:"format"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("it is no plan: %v", err)
	}
	if head.Format != Format {
		return nil, fmt.Errorf("it has the format %q, and this program knows %q", head.Format, Format)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	f := &File{}
	if err := d.Decode(f); err != nil {
		return nil, err
	}
	hash, err := f.hash()
	if err != nil {
		return nil, err
	}
	if hash != f.Hash || f.Root == nil || f.Allowance == nil || !sound(f.Root.Steps) {
		return nil, fmt.Errorf("it was changed after it was made: its content does not have the hash in it")
	}
	return f, nil
}

// sound reports whether a tree is one that this program has written.
func sound(steps []Step) bool {
	for _, s := range steps {
		for _, n := range s.Branches {
			if n == nil || !sound(n.Steps) {
				return false
			}
		}
		if s.Decision != nil && !s.Decision.sound() {
			return false
		}
	}
	return true
}

func (f *Fork) sound() bool {
	answers := []string{"no", "yes"}
	if f.Op == "for" {
		answers = []string{"none", "one", "more"}
	}
	if len(f.Arms) != len(answers) {
		return false
	}
	var given []string
	for _, arm := range f.Arms {
		if arm == nil || !slices.Contains(answers, arm.Answer) || slices.Contains(given, arm.Answer) || !sound(arm.Steps) {
			return false
		}
		given = append(given, arm.Answer)
	}
	return true
}

// Difference says what is different in a plan that was made again: the sources,
// then what was read, then what is planned. It is "" for nothing.
func (f *File) Difference(now *File) string {
	var b strings.Builder
	f.sourceDifference(&b, now)
	f.readDifference(&b, now)
	if b.Len() > 0 {
		return b.String()
	}
	if before, after := f.text(), now.text(); before != after {
		return textdiff.Unified("plan", before, after, textdiff.Options{})
	}
	if before, after := f.tree(), now.tree(); before != after { // what the text does not show
		return textdiff.Unified("plan", before, after, textdiff.Options{Limit: 100})
	}
	return ""
}

func (f *File) tree() string {
	data, err := json.MarshalIndent(f.Root, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(data) + "\n"
}

func (f *File) text() string {
	var b strings.Builder
	(&Plan{root: f.Root}).Print(&b, true)
	return b.String()
}

func (f *File) sourceDifference(b *strings.Builder, now *File) {
	texts := map[string]string{}
	for _, s := range now.Sources {
		texts[s.Name] = s.Text
	}
	for _, s := range f.Sources {
		if texts[s.Name] != s.Text {
			b.WriteString(textdiff.Unified(strings.TrimPrefix(s.Name, "//"), s.Text, texts[s.Name], textdiff.Options{}))
		}
	}
}

func (f *File) readDifference(b *strings.Builder, now *File) {
	reads := map[string]Read{}
	for _, r := range now.Reads {
		reads[r.Place+" "+r.Key] = r
	}
	for _, r := range f.Reads {
		again, ok := reads[r.Place+" "+r.Key]
		switch {
		case !ok:
			fmt.Fprintf(b, "- %s %s  %s: it is not read any more\n", r.Kind, r.Description, r.Position)
		case again.Digest != r.Digest && strings.Contains(r.Shown+again.Shown, "\n"):
			fmt.Fprintf(b, "~ %s %s  %s:\n%s", r.Kind, r.Description, r.Position, textdiff.Unified(r.Description, r.Shown, again.Shown, textdiff.Options{}))
		case again.Digest != r.Digest:
			fmt.Fprintf(b, "~ %s %s  %s: it was %s, and is %s\n", r.Kind, r.Description, r.Position, r.Shown, again.Shown)
		}
		delete(reads, r.Place+" "+r.Key)
	}
	for _, r := range now.Reads {
		if _, ok := reads[r.Place+" "+r.Key]; ok {
			fmt.Fprintf(b, "+ %s %s  %s: it was not read then\n", r.Kind, r.Description, r.Position)
		}
	}
}
