package ssh

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Policy says which host keys are good.
type Policy string

const (
	Strict   Policy = "strict"    // those in the known_hosts files
	FirstUse Policy = "first-use" // those, and of a host that is not in them the first it shows, which is recorded
	Pinned   Policy = "pinned"    // those that are given with the host
)

// Policies are all there are.
var Policies = []Policy{Strict, FirstUse, Pinned}

// Trust is how the server shows that it is the one. There is no way to do without.
type Trust struct {
	Policy Policy   // "": Strict
	Keys   []string // Pinned: fingerprints "SHA256:…", or keys "ssh-ed25519 AAAA…"
	Files  []string // known_hosts files
	Record string   // file that FirstUse writes; it is among Files
	Alias  string   // name in these files; "": the address
}

// guard checks the host key of one connection.
type guard struct {
	host   *Host
	addr   string        // as known_hosts files have it
	before ssh.PublicKey // what it showed earlier in this run
	notice func(string)
	known  []KnownKey      // Strict, FirstUse
	pins   []ssh.PublicKey // Pinned

	tried []string      // types that were shown, and are not those that are pinned
	shown ssh.PublicKey // that is good
	err   error         // why it is not
	last  error         // err of the attempt before
}

func newGuard(h *Host, before ssh.PublicKey, notice func(string)) (*guard, error) {
	g := &guard{host: h, addr: h.addr(), before: before, notice: notice}
	if h.Trust.Alias != "" {
		g.addr = net.JoinHostPort(h.Trust.Alias, "22") // an alias stands in the files without a port
	}
	if h.Trust.Policy == Pinned {
		return g, g.pin()
	}
	var err error
	g.known, err = Known(h.Trust.Files, g.addr)
	return g, err
}

// CheckPin reports what is wrong with the text of a host key.
func CheckPin(text string) error {
	if print, ok := strings.CutPrefix(text, "SHA256:"); ok {
		if len(strings.TrimRight(print, "=")) != 43 || strings.Trim(print, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") != "" {
			return unsent(fault.Invalid, "%q is no fingerprint: SHA256: and 43 characters are", text)
		}
		return nil
	}
	if _, _, _, rest, err := ssh.ParseAuthorizedKey([]byte(text)); err != nil || len(rest) > 0 {
		return unsent(fault.Invalid, "%q is no host key", text).
			WithHint("give its fingerprint, SHA256:…, or the key as ssh-keyscan prints it without the name: ssh-ed25519 AAAA…")
	}
	return nil
}

func (g *guard) pin() error {
	if len(g.host.Trust.Keys) == 0 {
		return unsent(fault.Invalid, "the host key of %s is to be pinned, and none is given", g.host).WithHint("give it with host_key = …")
	}
	for _, text := range g.host.Trust.Keys {
		if err := CheckPin(text); err != nil {
			return err
		}
		if !strings.HasPrefix(text, "SHA256:") {
			key, _, _, _, _ := ssh.ParseAuthorizedKey([]byte(text)) // CheckPin has read it
			g.pins = append(g.pins, key)
		}
	}
	return nil
}

// algorithms are those of the host keys that are known: a server that has several
// keys would else show one of another type, which looks like an attack.
func (g *guard) algorithms() []string {
	supported := ssh.SupportedAlgorithms().HostKeys
	var types []string
	switch {
	case g.before != nil:
		types = []string{g.before.Type()}
	case len(g.pins) > 0 && len(g.pins) == len(g.host.Trust.Keys):
		for _, k := range g.pins {
			types = append(types, k.Type())
		}
	case len(g.tried) > 0:
		return slices.DeleteFunc(supported, func(a string) bool { return slices.Contains(g.tried, typeOf(a)) })
	default:
		types = g.knownTypes()
	}
	if len(types) == 0 {
		return nil // whatever the server prefers
	}
	return slices.DeleteFunc(supported, func(a string) bool { return !slices.Contains(types, typeOf(a)) })
}

// typeOf is the type of the keys that an algorithm is for.
func typeOf(algorithm string) string {
	switch algorithm {
	case ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512:
		return ssh.KeyAlgoRSA
	case ssh.CertAlgoRSASHA256v01, ssh.CertAlgoRSASHA512v01:
		return ssh.CertAlgoRSAv01
	}
	return algorithm
}

func (g *guard) knownTypes() []string {
	var types []string
	authority := false
	for _, k := range g.known {
		switch k.Marker {
		case "":
			types = append(types, k.Key.Type())
		case "cert-authority":
			authority = true
		}
	}
	if authority && len(types) > 0 {
		for _, a := range ssh.SupportedAlgorithms().HostKeys {
			if strings.Contains(a, "-cert-v01@") {
				types = append(types, typeOf(a))
			}
		}
	}
	return types
}

// check is called with the key that the server has shown that it has.
func (g *guard) check(_ string, _ net.Addr, key ssh.PublicKey) error {
	g.err = g.judge(key)
	if g.err == nil {
		g.shown = key
	}
	return g.err
}

func (g *guard) judge(key ssh.PublicKey) error {
	if g.before != nil && !sameKey(plainKey(g.before), plainKey(key)) {
		return g.changed(key, plainKey(g.before), "the connection before this one, in the same run")
	}
	if g.host.Trust.Policy == Pinned {
		return g.judgePinned(key)
	}
	for _, k := range g.known {
		if cert, ok := key.(*ssh.Certificate); k.Marker == "revoked" && (sameKey(k.Key, plainKey(key)) || ok && sameKey(k.Key, cert.SignatureKey)) {
			return refusal("the host key of %s is revoked: %s, by %s", g.host, show(k.Key), k.where()).
				WithHint("do not trust this machine: somebody may have its private key")
		}
	}
	if cert, ok := key.(*ssh.Certificate); ok {
		return g.judgeCert(cert)
	}
	return g.judgeKey(key)
}

// plainKey is the key that a certificate is for.
func plainKey(key ssh.PublicKey) ssh.PublicKey {
	if cert, ok := key.(*ssh.Certificate); ok {
		return cert.Key
	}
	return key
}

func refusal(format string, args ...any) *fault.Error {
	return unsent(fault.Permission, format, args...)
}

func (g *guard) judgePinned(key ssh.PublicKey) error {
	print := ssh.FingerprintSHA256(plainKey(key))
	for _, text := range g.host.Trust.Keys {
		if strings.TrimRight(text, "=") == print {
			return nil
		}
	}
	if slices.ContainsFunc(g.pins, func(pin ssh.PublicKey) bool { return sameKey(pin, plainKey(key)) }) {
		return nil
	}
	g.tried = append(g.tried, key.Type())
	var pinned []string
	for _, text := range g.host.Trust.Keys {
		if !strings.HasPrefix(text, "SHA256:") {
			pin, _, _, _, _ := ssh.ParseAuthorizedKey([]byte(text)) // pin has read it
			text = show(pin)
		}
		pinned = append(pinned, text)
	}
	return refusal("the host key of %s is not the one that was given: it shows %s, and %s is pinned", g.host, show(plainKey(key)), strings.Join(pinned, " or ")).
		WithHint("somebody may be between you and it. If the machine was made anew, give its new key with host_key = …")
}

// again reports whether another attempt makes sense: the key that is pinned by its
// fingerprint may be of another type than the one that the server prefers.
func (g *guard) again() bool {
	if g.err == nil || len(g.tried) == 0 || len(g.pins) == len(g.host.Trust.Keys) {
		return false
	}
	if len(g.algorithms()) == 0 {
		return false
	}
	// A server that has no other key ends the attempt; what it showed is the reason.
	g.last, g.err = g.err, nil
	return true
}

func (g *guard) judgeCert(cert *ssh.Certificate) error {
	authority := false
	for _, k := range g.known {
		authority = authority || k.Marker == "cert-authority" && sameKey(k.Key, cert.SignatureKey)
	}
	if !authority {
		if slices.ContainsFunc(g.known, func(k KnownKey) bool { return k.Marker == "" }) || g.host.Trust.Policy == FirstUse {
			return g.judgeKey(cert.Key) // it is known without its certificate
		}
		return refusal("the host certificate of %s is signed by %s, which no known_hosts file has as an authority for it", g.host, show(cert.SignatureKey)).
			WithHint("add the authority to %s: @cert-authority %s %s", g.file(), hostName(g.addr), keyText(cert.SignatureKey))
	}
	if err := valid(cert, "the host certificate of "+g.host.String()); err != nil {
		fault.As(err).Kind = fault.Permission
		return err
	}
	host, _, _ := net.SplitHostPort(g.addr)
	checker := ssh.CertChecker{IsHostAuthority: func(ssh.PublicKey, string) bool { return true }}
	if err := checker.CheckHostKey(net.JoinHostPort(strings.ToLower(host), "22"), nil, cert); err != nil {
		return refusal("the host certificate of %s is not good: %s", g.host, plain(err)).
			WithHint("it was made for other names, or not by ssh-keygen -h")
	}
	return nil
}

func keyText(key ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

// file is the known_hosts file to tell people about.
func (g *guard) file() string {
	switch {
	case g.host.Trust.Record != "":
		return g.host.Trust.Record
	case len(g.host.Trust.Files) > 0:
		return g.host.Trust.Files[0]
	}
	return "a known_hosts file"
}

func (g *guard) judgeKey(key ssh.PublicKey) error {
	known := slices.DeleteFunc(slices.Clone(g.known), func(k KnownKey) bool { return k.Marker != "" })
	if slices.ContainsFunc(known, func(k KnownKey) bool { return sameKey(k.Key, key) }) {
		return nil
	}
	if len(known) > 0 {
		old := known[0]
		for _, k := range known {
			if k.Key.Type() == key.Type() {
				old = k
				break
			}
		}
		return g.changed(key, old.Key, old.where())
	}
	if g.host.Trust.Policy == FirstUse {
		return g.firstUse(key)
	}
	return refusal("the host key of %s is not known: it shows %s", g.host, show(key)).
		WithHint("compare it with what the machine itself says (ssh-keygen -lf /etc/ssh/ssh_host_%s_key.pub), then add it to %s:\n%s %s\nor give it with host_key = …, or accept first keys with host_keys = \"first-use\"",
			shortType(key), g.file(), hostName(g.addr), keyText(key))
}

func shortType(key ssh.PublicKey) string {
	for _, name := range []string{"ed25519", "ecdsa", "rsa"} {
		if strings.Contains(key.Type(), name) {
			return name
		}
	}
	return "…"
}

func (g *guard) changed(key, old ssh.PublicKey, where string) error {
	hint := "somebody may be between you and it: find out why before you go on."
	if file, _, ok := cutLine(where); ok {
		hint += fmt.Sprintf(" If the machine was made anew, remove the old key with: ssh-keygen -R '%s' -f %s", hostName(g.addr), file)
	}
	return refusal("the host key of %s has changed: it shows %s, but %s has %s", g.host, show(key), where, show(old)).WithHint("%s", hint)
}

// cutLine takes FILE:LINE apart.
func cutLine(where string) (file, line string, ok bool) {
	i := strings.LastIndexByte(where, ':')
	if i < 0 {
		return "", "", false
	}
	return where[:i], where[i+1:], true
}

// firstUse records the key of a host that nobody knows.
func (g *guard) firstUse(key ssh.PublicKey) error {
	if g.host.Trust.Record == "" {
		return unsent(fault.Config, "the host key of %s cannot be recorded: there is no file for it", g.host)
	}
	found, err := record(g.host.Trust.Record, g.addr, key)
	if err != nil {
		return err
	}
	if len(found) > 0 { // another run was first, or somebody has revoked the key meanwhile
		g.known = append(g.known, found...)
		return g.judge(key)
	}
	if g.notice != nil {
		g.notice(fmt.Sprintf("%s was not known: its host key %s is recorded in %s", g.host, show(key), g.host.Trust.Record))
	}
	return nil
}

// otherType is the error of a server that has no key of the types that are known.
func (g *guard) otherType() *fault.Error {
	var had []string
	for _, k := range g.known {
		if k.Marker == "" {
			had = append(had, show(k.Key)+" ("+k.where()+")")
		}
	}
	return refusal("it shows no host key of the type that is known: %s", strings.Join(had, ", ")).
		WithHint("somebody may be between you and it. If the machine has other keys now, remove the old ones with: ssh-keygen -R '%s' -f %s", hostName(g.addr), g.known[0].File)
}
