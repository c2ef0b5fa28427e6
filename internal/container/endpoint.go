package container

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Endpoint is where an engine is, and how it was found.
type Endpoint struct {
	Engine   string // "docker" or "podman": what is expected there
	Host     string // unix:///var/run/docker.sock, tcp://10.0.0.5:2376
	Context  string // the Docker context that it is the address of; "" for none
	From     string // what names it, for people: "DOCKER_HOST"
	TLS      string // directory with ca.pem, cert.pem and key.pem; "": no TLS
	Insecure bool   // TLS without a look at who answers
}

// Places is where endpoints are looked for.
type Places struct {
	Env  func(name string) string // nil: the environment of the process
	Home string                   // "": that of the user
	OS   string                   // "": that of the program
	UID  int                      // 0 for root, as os.Getuid has it; -1: that of the process
	Root string                   // put before the paths of sockets of the system, in tests
}

// Here is where endpoints of this process are looked for.
func Here() Places {
	home, _ := os.UserHomeDir() // without one: nothing is found there
	return Places{Env: os.Getenv, Home: home, OS: runtime.GOOS, UID: os.Getuid()}
}

// Find tells where the engine is. named is the name of an engine ("docker",
// "podman"), of a Docker context, or an address; "" leaves the choice: what
// DOCKER_HOST and DOCKER_CONTEXT say, else the current context of Docker, else
// the first socket that is there.
func Find(named string) (Endpoint, error) { return Here().Find(named) }

// Find is as the function of the package, for other places.
func (p Places) Find(named string) (Endpoint, error) {
	switch {
	case strings.Contains(named, "://"):
		return address(named, "the engine's address")
	case named == "docker":
		return p.docker()
	case named == "podman":
		return p.first(p.podman(), "Podman")
	case named != "":
		return p.context(named, "the name of an engine")
	}
	if p.Env("DOCKER_HOST") != "" || p.Env("DOCKER_CONTEXT") != "" || p.currentContext() != "" {
		return p.docker()
	}
	return p.first(append(p.dockers(), p.podman()...), "Docker and Podman")
}

// docker is the endpoint that the docker command would use.
func (p Places) docker() (Endpoint, error) {
	if host := p.Env("DOCKER_HOST"); host != "" {
		at, err := address(host, "DOCKER_HOST")
		if p.Env("DOCKER_TLS_VERIFY") != "" || p.Env("DOCKER_CERT_PATH") != "" {
			at.TLS, at.Insecure = p.Env("DOCKER_CERT_PATH"), p.Env("DOCKER_TLS_VERIFY") == ""
			if at.TLS == "" {
				at.TLS = p.dockerDir()
			}
		}
		return at, err
	}
	if name := p.Env("DOCKER_CONTEXT"); name != "" && name != "default" {
		return p.context(name, "DOCKER_CONTEXT")
	}
	if name := p.currentContext(); name != "" {
		return p.context(name, filepath.Join(p.dockerDir(), "config.json"))
	}
	return p.first(p.dockers(), "Docker")
}

func address(host, from string) (Endpoint, error) {
	at := Endpoint{Engine: "docker", Host: host, From: from}
	if strings.Contains(host, "podman") {
		at.Engine = "podman"
	}
	u, err := url.Parse(host)
	if err != nil {
		return at, fault.Wrap(fault.Config, err, "%s is no address of a container engine", from)
	}
	switch u.Scheme {
	case "unix":
		if u.Path == "" {
			return at, fault.New(fault.Config, "%s, %s, names no socket", from, host).WithHint("as in unix:///var/run/docker.sock")
		}
	case "tcp", "http", "https":
		if u.Host == "" {
			return at, fault.New(fault.Config, "%s, %s, names no machine", from, host).WithHint("as in tcp://10.0.0.5:2376")
		}
	case "ssh":
		return at, fault.New(fault.Config, "%s, %s, is an engine behind SSH, which is not supported", from, host).
			WithHint("forward its socket: ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock %s, and use unix:///tmp/docker.sock", u.Host)
	default:
		return at, fault.New(fault.Config, "%s, %s, is no address of a container engine", from, host).
			WithHint("addresses begin with unix:// or tcp://")
	}
	return at, nil
}

// dockers are the sockets of Docker, the usual one first.
func (p Places) dockers() []Endpoint {
	paths := []string{p.Root + "/var/run/docker.sock"}
	if dir := p.Env("XDG_RUNTIME_DIR"); dir != "" && p.UID != 0 {
		paths = append([]string{dir + "/docker.sock"}, paths...)
	}
	if p.OS == "darwin" {
		profile := p.Env("COLIMA_PROFILE")
		if profile == "" {
			profile = "default"
		}
		paths = append(paths, p.Home+"/.docker/run/docker.sock", p.Home+"/.orbstack/run/docker.sock", p.Home+"/.colima/"+profile+"/docker.sock")
	}
	return sockets("docker", paths)
}

// podman are the sockets of Podman, that of the user first.
func (p Places) podman() []Endpoint {
	if host := p.Env("CONTAINER_HOST"); host != "" {
		at, err := address(host, "CONTAINER_HOST")
		at.Engine = "podman"
		if err == nil {
			return []Endpoint{at}
		}
	}
	var paths []string
	if p.UID != 0 {
		dir := p.Env("XDG_RUNTIME_DIR")
		if dir == "" {
			dir = p.Root + "/run/user/" + strconv.Itoa(p.UID)
		}
		paths = append(paths, dir+"/podman/podman.sock")
	}
	paths = append(paths, p.Root+"/run/podman/podman.sock")
	if p.OS == "darwin" {
		paths = append(paths, p.Home+"/.local/share/containers/podman/machine/podman.sock")
	}
	return sockets("podman", paths)
}

// usualPlace is what names an endpoint that nobody has named.
const usualPlace = "the usual place"

func sockets(engine string, paths []string) []Endpoint {
	at := make([]Endpoint, len(paths))
	for i, path := range paths {
		at[i] = Endpoint{Engine: engine, Host: "unix://" + path, From: usualPlace}
	}
	return at
}

// first is the first of the endpoints whose socket is there.
func (p Places) first(all []Endpoint, who string) (Endpoint, error) {
	var looked []string
	for _, at := range all {
		path, isSocket := strings.CutPrefix(at.Host, "unix://")
		if !isSocket || at.From != usualPlace {
			return at, nil
		}
		if info, err := os.Stat(path); err == nil && info.Mode()&fs.ModeSocket != 0 || errors.Is(err, fs.ErrPermission) {
			return at, nil
		}
		looked = append(looked, path)
	}
	return Endpoint{}, unsent(fault.New(fault.NotFound, "no container engine was found: there is no socket of %s", who).
		WithHint("start one (systemctl start docker; systemctl --user start podman.socket), or set DOCKER_HOST; looked at %s", strings.Join(looked, ", ")))
}

func (p Places) dockerDir() string {
	if dir := p.Env("DOCKER_CONFIG"); dir != "" {
		return dir
	}
	return filepath.Join(p.Home, ".docker")
}

// currentContext is the Docker context that is in use; "" for the default one.
func (p Places) currentContext() string {
	var config struct {
		Current string `json:"currentContext"`
	}
	data, err := os.ReadFile(filepath.Join(p.dockerDir(), "config.json"))
	if err != nil || json.Unmarshal(data, &config) != nil || config.Current == "default" {
		return ""
	}
	return config.Current
}

// context is the endpoint of a Docker context.
func (p Places) context(name, from string) (Endpoint, error) {
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:])
	file := filepath.Join(p.dockerDir(), "contexts", "meta", id, "meta.json")
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return Endpoint{}, unsent(fault.New(fault.NotFound, "there is no Docker context %q, which %s names", name, from).
			WithHint("docker context ls shows the contexts; engines are docker, podman, or an address such as unix:///var/run/docker.sock"))
	}
	if err != nil {
		return Endpoint{}, fault.Wrap(fault.Config, err, "cannot read the Docker context %q", name)
	}
	return parseContext(name, data, filepath.Join(p.dockerDir(), "contexts", "tls", id, "docker"))
}

func parseContext(name string, data []byte, tlsDir string) (Endpoint, error) {
	var meta struct {
		Endpoints map[string]struct {
			Host          string
			SkipTLSVerify bool
		}
	}
	if err := json.Unmarshal(data, &meta); err != nil {
		return Endpoint{}, fault.Wrap(fault.Config, err, "the Docker context %q cannot be read", name)
	}
	found, ok := meta.Endpoints["docker"]
	if !ok || found.Host == "" {
		return Endpoint{}, fault.New(fault.Config, "the Docker context %q has no address of an engine", name)
	}
	at, err := address(found.Host, "the Docker context "+strconv.Quote(name))
	at.Context, at.Insecure = name, found.SkipTLSVerify
	if _, serr := os.Stat(filepath.Join(tlsDir, "ca.pem")); serr == nil {
		at.TLS = tlsDir
	}
	return at, err
}

// hint is what to do when nothing answers there.
func (at Endpoint) hint() string {
	if at.From == usualPlace && at.Engine == "podman" {
		return "start its socket: systemctl --user start podman.socket, or systemctl start podman.socket as root"
	}
	if at.From == usualPlace {
		return "start the engine: systemctl start docker"
	}
	return "that address is from " + at.From + ": start the engine there, or correct it"
}

// clientHost is what the client of the engine is told; the connections are ours.
func (at Endpoint) clientHost() string {
	if strings.HasPrefix(at.Host, "unix://") {
		return at.Host
	}
	_, host, _ := strings.Cut(at.Host, "://")
	return "tcp://" + host
}

// dialer makes what connects to the engine.
func (at Endpoint) dialer() (func(context.Context) (net.Conn, error), error) {
	network, address := "tcp", ""
	u, err := url.Parse(at.Host)
	if err != nil {
		return nil, fault.Wrap(fault.Config, err, "%s is no address of a container engine", at.Host)
	}
	if address = u.Host; u.Scheme == "unix" {
		network, address = "unix", u.Path
	} else if u.Port() == "" {
		port := "2375"
		if at.TLS != "" || u.Scheme == "https" {
			port = "2376"
		}
		address = net.JoinHostPort(u.Hostname(), port)
	}
	config, err := at.tls(u.Hostname(), u.Scheme == "https")
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil && config != nil {
			secure := tls.Client(conn, config)
			err = secure.HandshakeContext(ctx)
			conn = secure
		}
		if err != nil {
			return nil, &dialFault{at, err}
		}
		takeOver(ctx, conn)
		return conn, nil
	}, nil
}

func (at Endpoint) tls(host string, always bool) (*tls.Config, error) {
	if at.TLS == "" && !always {
		return nil, nil
	}
	config := &tls.Config{ServerName: host, InsecureSkipVerify: at.Insecure}
	if at.TLS == "" {
		return config, nil
	}
	ca, err := os.ReadFile(filepath.Join(at.TLS, "ca.pem"))
	if err != nil {
		return nil, fault.Wrap(fault.Config, err, "cannot read the certificate of the container engine at %s", at.Host)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(ca) {
		return nil, fault.New(fault.Config, "%s has no certificate in it", filepath.Join(at.TLS, "ca.pem"))
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(at.TLS, "cert.pem"), filepath.Join(at.TLS, "key.pem"))
	if err != nil {
		return nil, fault.Wrap(fault.Config, err, "cannot read the key for the container engine at %s", at.Host)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}
