package value

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"maps"
	"math/big"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// A marker is the text form of a secret: two rare characters around 39
// decimal digits and, after them, a letter for each encoding that the text has
// been through since. The digits are an HMAC under a key of the run, so a
// script cannot make one up; they survive upper(), title() and JSON.
//
// The characters are Egyptian hieroglyphs: printable, so that no way of quoting
// texts escapes them, and in nobody's configuration files.
const (
	MarkOpen   = "\U00013258"
	MarkClose  = "\U00013282"
	markDigits = 39
	markPrefix = "\xF0\x93" // the bytes that both characters begin with
)

// Layer is an encoding that a text with secrets in it has been through. The
// secret is encoded the same way when the marker is expanded.
type Layer byte

const (
	LayerJSON Layer = 'j' // the inside of a JSON string; YAML and TOML basic strings read it too
	LayerURL  Layer = 'q' // a component of a URL, RFC 3986
)

// Secret is text that must never be seen. Its String is a marker that goes
// through +, %, format, join, templates and JSON, and that only the door
// expands, for the effect that needs it.
type Secret struct {
	Name   string // where it comes from: "db/password"
	marker string
}

var (
	_ starlark.HasBinary  = (*Secret)(nil)
	_ starlark.Comparable = (*Secret)(nil)
)

func (s *Secret) String() string        { return s.marker }
func (s *Secret) Type() string          { return "secret" }
func (s *Secret) Freeze()               {}
func (s *Secret) Truth() starlark.Bool  { return true }
func (s *Secret) Hash() (uint32, error) { return starlark.String(s.marker).Hash() }

// ID is the part of the marker that names the secret within its run.
func (s *Secret) ID() string { return s.marker[len(MarkOpen) : len(MarkOpen)+markDigits] }

// Binary makes "text" + secret and secret + "text" a text with a marker in it.
func (s *Secret) Binary(op syntax.Token, y starlark.Value, side starlark.Side) (starlark.Value, error) {
	var text string
	switch y := y.(type) {
	case starlark.String:
		text = string(y)
	case *Secret:
		text = y.marker
	default:
		return nil, nil
	}
	if op != syntax.PLUS {
		return nil, nil
	}
	if side == starlark.Left {
		return starlark.String(s.marker + text), nil
	}
	return starlark.String(text + s.marker), nil
}

func (s *Secret) CompareSameType(op syntax.Token, y starlark.Value, _ int) (bool, error) {
	switch op {
	case syntax.EQL:
		return s.marker == y.(*Secret).marker, nil
	case syntax.NEQ:
		return s.marker != y.(*Secret).marker, nil
	}
	return false, fmt.Errorf("secrets have no order")
}

// Secrets knows the secrets of one run: it makes the markers, expands them for
// the world, and keeps the values out of everything that people or files see.
// It is safe for concurrent use.
type Secrets struct {
	// OnAdd is called for every secret that was not known before.
	OnAdd func(name, plain string)

	key []byte

	mu     sync.RWMutex
	byID   map[string]*held
	values []*held   // longest first, so that a secret inside a longer one does not split it
	traces []pattern // what else gives a secret away: its lines, and what quoting makes of it
}

// pattern is a text that must not be seen, and what is shown in its place.
type pattern struct{ text, shown string }

type held struct {
	secret *Secret
	plain  string
}

// minScan is the shortest value that is looked for by value: shorter ones would
// be found everywhere.
const minScan = 5

// NewSecrets returns a registry whose markers are keyed by key, which has to be
// the same in every execution of a run.
func NewSecrets(key []byte) *Secrets {
	return &Secrets{key: key, byID: map[string]*held{}}
}

// Add registers plain under name, and reports whether it was not known before.
func (s *Secrets) Add(name, plain string) (secret *Secret, isNew bool) {
	id := s.id(name, plain)
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := s.byID[id]; h != nil {
		return h.secret, false
	}
	h := s.keep(id, name, plain)
	s.addTraces(name, plain)
	if s.OnAdd != nil {
		s.OnAdd(name, plain)
	}
	return h.secret, true
}

// id is what the marker of a secret has in it.
func (s *Secrets) id(name, plain string) string {
	mac := hmac.New(sha256.New, s.key)
	fmt.Fprintf(mac, "%d:%s%s", len(name), name, plain)
	digits := new(big.Int).SetBytes(mac.Sum(nil)[:16]).String()
	return strings.Repeat("0", markDigits-len(digits)) + digits
}

func (s *Secrets) keep(id, name, plain string) *held {
	h := &held{&Secret{Name: name, marker: MarkOpen + id + MarkClose}, plain}
	s.byID[id] = h
	if len(plain) >= minScan {
		at := sort.Search(len(s.values), func(i int) bool { return len(s.values[i].plain) <= len(plain) })
		s.values = append(s.values[:at], append([]*held{h}, s.values[at:]...)...)
	}
	return h
}

// addTraces notes the forms in which a value may appear in output: line by line,
// as commands print it, and escaped, as error messages quote it.
func (s *Secrets) addTraces(name, plain string) {
	shown := "«secret " + name + "»"
	quoted := strconv.Quote(plain)
	s.addLines(name, plain)
	forms := []string{quoted[1 : len(quoted)-1], escape(plain), encodeLayer(plain, LayerURL)}
	for _, form := range forms {
		if form = strings.TrimSpace(form); len(form) >= minScan && form != plain {
			s.traces = append(s.traces, pattern{form, shown})
		}
	}
	sort.SliceStable(s.traces, func(i, j int) bool { return len(s.traces[i].text) > len(s.traces[j].text) })
}

// minLine is the shortest line of a secret that is a secret by itself.
const minLine = 8

// addLines makes the lines of a text secrets of their own, because that is how
// commands print them. They need no place in the journal: they follow from the
// whole.
func (s *Secrets) addLines(name, plain string) {
	if !strings.Contains(plain, "\n") {
		return
	}
	for line := range strings.Lines(plain) {
		if line = strings.TrimSpace(line); len(line) < minLine || strings.HasPrefix(line, "-----") {
			continue // "-----BEGIN" says nothing
		}
		if id := s.id(name+" line", line); s.byID[id] == nil {
			s.keep(id, name, line)
		}
	}
}

// Empty reports whether no secret is known.
func (s *Secrets) Empty() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.byID) == 0
}

// Short returns the names of the secrets whose values are too short to be found in
// what is printed or recorded, unless they are there as secrets.
func (s *Secrets) Short() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	names := map[string]bool{}
	for _, h := range s.byID {
		if h.plain != "" && len(h.plain) < minScan {
			names[h.secret.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// Each calls f for every secret.
func (s *Secrets) Each(f func(name, plain string)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, h := range s.byID {
		f(h.secret.Name, h.plain)
	}
}

// Lookup returns the secret with the given id, or nil.
func (s *Secrets) Lookup(id string) *Secret {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if h := s.byID[id]; h != nil {
		return h.secret
	}
	return nil
}

// Plain returns the value of a secret. Only the sealing of the journal and
// builtins that compute on the value itself (hashes, comparisons) need it.
func (s *Secrets) Plain(secret *Secret) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byID[secret.ID()].plain
}

// HasMarker reports whether text may have a secret in it.
func HasMarker(text string) bool { return strings.Contains(text, markPrefix) }

// Expand replaces the markers in text by the values. A marker that was cut or
// changed is an error: writing it would lose the secret.
func (s *Secrets) Expand(text string) (string, error) {
	return s.replace(text, func(h *held, layers string) string {
		plain := h.plain
		for i := range len(layers) {
			plain = encodeLayer(plain, Layer(layers[i]))
		}
		return plain
	})
}

// IsSecret reports whether text is made of secrets alone.
func (s *Secrets) IsSecret(text string) bool {
	rest, err := s.replace(text, func(*held, string) string { return "" })
	return err == nil && rest == "" && text != ""
}

// Names returns the names of the secrets that have a marker in text.
func (s *Secrets) Names(text string) []string {
	var names []string
	s.replace(text, func(h *held, _ string) string { //nolint:errcheck // a damaged marker names nothing
		names = append(names, h.secret.Name)
		return ""
	})
	return names
}

// Through returns text, which has just been encoded by layer, with the encoding
// noted in its markers.
func Through(text string, layer Layer) string {
	if !HasMarker(text) {
		return text
	}
	return strings.ReplaceAll(text, MarkClose, string(byte(layer))+MarkClose)
}

// Mark replaces the values of known secrets in text, which came from the world,
// by their markers, so that they are not stored or shown in the clear.
func (s *Secrets) Mark(text string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out strings.Builder
	begin := 0 // of what is not in out yet
	for i := 0; HasMarker(text[i:]); {
		i += strings.Index(text[i:], markPrefix)
		_, _, rest, ok := cutMarker(text[i:])
		if !ok {
			i++
			continue
		}
		end := len(text) - len(rest)
		out.WriteString(mark(text[begin:i], s.values))
		out.WriteString(text[i:end])
		begin, i = end, end
	}
	out.WriteString(mark(text[begin:], s.values))
	return out.String()
}

// mark never looks into markers: a value of digits may be a part of one.
func mark(text string, values []*held) string {
	for i, h := range values {
		if !strings.Contains(text, h.plain) {
			continue
		}
		parts := strings.Split(text, h.plain)
		for j, part := range parts {
			parts[j] = mark(part, values[i+1:])
		}
		return strings.Join(parts, h.secret.marker)
	}
	return text
}

// Redact makes text fit to be seen: markers and values become «secret name».
func (s *Secrets) Redact(text string) string {
	text = s.untraced(s.Mark(text))
	if !HasMarker(text) {
		return text
	}
	shown, err := s.replace(text, func(h *held, _ string) string { return "«secret " + h.secret.Name + "»" })
	if err != nil { // a damaged marker says nothing about the value
		return strings.NewReplacer(MarkOpen, "«secret ", MarkClose, "»").Replace(shown)
	}
	return shown
}

func (s *Secrets) untraced(text string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, t := range s.traces {
		text = strings.ReplaceAll(text, t.text, t.shown)
	}
	return text
}

// replace calls with for every marker in text. The error tells of a damaged
// marker, which is left as it is.
func (s *Secrets) replace(text string, with func(h *held, layers string) string) (string, error) {
	if !HasMarker(text) {
		return text, nil
	}
	var out strings.Builder
	var damaged error
	for {
		i := strings.Index(text, markPrefix)
		if i < 0 {
			out.WriteString(text)
			return out.String(), damaged
		}
		out.WriteString(text[:i])
		text = text[i:]
		id, layers, rest, ok := cutMarker(text)
		s.mu.RLock()
		h := s.byID[id]
		s.mu.RUnlock()
		if !ok || h == nil {
			if isDamaged(text, out.String()) {
				damaged = fault.New(fault.Invalid, "a text holds a part of a secret that was cut, split or changed").
					WithHint("put secrets together with +, %%, format, join, templates and the encoders; do not slice or replace within them")
			}
			out.WriteString(text[:1])
			text = text[1:]
			continue
		}
		out.WriteString(with(h, layers))
		text = rest
	}
}

// isDamaged reports whether text begins with a part of a marker: one of its
// characters with the digits of an id beside it, or within text that came before.
func isDamaged(text, before string) bool {
	if rest, ok := strings.CutPrefix(text, MarkOpen); ok {
		return rest == "" || rest[0] >= '0' && rest[0] <= '9'
	}
	if strings.HasPrefix(text, MarkClose) && before != "" {
		last := before[len(before)-1]
		return last >= '0' && last <= '9' || last == byte(LayerJSON) || last == byte(LayerURL)
	}
	return false
}

// cutMarker splits a text that begins with a marker.
func cutMarker(text string) (id, layers, rest string, ok bool) {
	inner, found := strings.CutPrefix(text, MarkOpen)
	if !found {
		return "", "", "", false
	}
	end := strings.Index(inner, MarkClose)
	if end < markDigits || end > markDigits+16 {
		return "", "", "", false
	}
	return inner[:markDigits], strings.ToLower(inner[markDigits:end]), inner[end+len(MarkClose):], true
}

func encodeLayer(plain string, layer Layer) string {
	switch layer {
	case LayerJSON:
		return escape(strings.ToValidUTF8(plain, "\uFFFD"))
	case LayerURL:
		return strings.ReplaceAll(url.QueryEscape(plain), "+", "%20") // "+" is a space in forms only
	}
	return plain
}
