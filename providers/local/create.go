package local

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/providers"
)

// DefaultImage is what servers that name none are made of.
const DefaultImage = "provisioning/debian:12"

// CreateServer makes a container, puts into it what its users need to log in, and
// starts it. A container that was never started is one whose making was cut off: it
// is finished.
func (p *Provider) CreateServer(ctx context.Context, r providers.Record, key string) (providers.Server, error) {
	s, err := p.complete(&r)
	if err != nil {
		return providers.Server{}, fault.Before(err)
	}
	e, err := p.open(ctx)
	if err != nil {
		return providers.Server{}, err
	}
	for attempt := 0; ; attempt++ {
		c, err := p.prepare(ctx, e, r, s, key)
		if err == nil && c.State == "created" {
			err = p.finish(ctx, e, r, s, c)
		}
		if err == nil {
			return p.GetServer(ctx, c.ID)
		}
		if f := fault.As(err); f != nil && f.InDoubt {
			return providers.Server{}, err // what there is by now will be found by its name
		}
		if rerr := p.discard(ctx, e, c, key); rerr != nil {
			return providers.Server{}, rerr
		}
		if !again(err) || attempt == maxAttempts {
			return providers.Server{}, err
		}
	}
}

// discard removes a container that was made for the key and never became a server.
func (p *Provider) discard(ctx context.Context, e *container.Engine, c container.Container, key string) error {
	if c.ID == "" || c.State != "created" || c.Labels[labelKey] != key {
		return nil
	}
	return p.DeleteServer(ctx, c.ID, false)
}

// maxAttempts bounds how often another process may be faster.
const maxAttempts = 10

// again reports whether another process has taken the address, or removed the network,
// meanwhile.
func again(err error) bool {
	text := err.Error()
	return strings.Contains(text, "Address already in use") || strings.Contains(text, "network") && strings.Contains(text, "not found")
}

// CheckServer looks at the record, and whether there is its image.
func (p *Provider) CheckServer(ctx context.Context, r providers.Record) error {
	if _, err := p.complete(&r); err != nil {
		return fault.Before(err)
	}
	e, err := p.open(ctx)
	if err != nil {
		return err
	}
	_, err = imageOf(ctx, e, r.Image)
	return err
}

// complete fills in what was left open, and refuses what can never work.
func (p *Provider) complete(r *providers.Record) (size, error) {
	d := p.config.defaults
	r.Image, r.Plan = cmp.Or(r.Image, d.Image, DefaultImage), cmp.Or(r.Plan, d.Plan, smallest.String())
	r.Network, r.User = cmp.Or(r.Network, d.Network, defaultNetwork), cmp.Or(r.User, d.User, "root")
	if !workspace.ValidName(r.Name) {
		return size{}, fault.New(fault.Invalid, "%q is no name of a server", r.Name).
			WithHint("lower case letters, digits, - and _, the first a letter, 63 at most")
	}
	if !workspace.ValidName(r.Network) {
		return size{}, fault.New(fault.Invalid, "%q is no name of a network", r.Network).
			WithHint("lower case letters, digits, - and _, the first a letter, 63 at most")
	}
	for _, key := range r.SSHKeys {
		if len(strings.Fields(key)) < 2 || strings.ContainsAny(key, "\n\r\x00") {
			return size{}, fault.New(fault.Invalid, "an SSH key is none: it must be a line such as \"ssh-ed25519 AAAA… name\"")
		}
	}
	if err := validZone(r.Zone); err != nil {
		return size{}, err
	}
	return parsePlan(r.Plan)
}

// prepare returns the container of a server, and makes it where there is none.
func (p *Provider) prepare(ctx context.Context, e *container.Engine, r providers.Record, s size, key string) (container.Container, error) {
	image, err := imageOf(ctx, e, r.Image)
	if err != nil {
		return container.Container{}, err
	}
	// Addresses are chosen one after the other; a container takes one by its label.
	p.addresses.Lock()
	defer p.addresses.Unlock()
	name := prefix(r.Workspace) + r.Name
	there, found, err := e.Look(ctx, name)
	if err != nil {
		return container.Container{}, fault.Before(err)
	}
	if found {
		return there, sameServer(there, r, s, key)
	}
	n, err := p.network(ctx, e, r.Workspace, r.Network)
	if err != nil {
		return container.Container{}, err
	}
	taken, err := p.taken(ctx, e, r)
	if err != nil {
		return container.Container{}, fault.Before(err)
	}
	for _, address := range n.Containers {
		taken[address] = true
	}
	address, err := freeAddress(n, taken, r.Name)
	if err != nil {
		return container.Container{}, err
	}
	c, _, err := e.Create(ctx, spec(name, r, image, n.Name, address, key), container.Owner{Workspace: r.Workspace})
	if fault.KindOf(err) == fault.Exists { // another process was faster, and has chosen another address
		if there, lerr := e.Inspect(ctx, name); lerr == nil {
			return there, sameServer(there, r, s, key)
		}
	}
	return c, err
}

func imageOf(ctx context.Context, e *container.Engine, name string) (container.Image, error) {
	image, err := e.InspectImage(ctx, name)
	if f := fault.As(err); f != nil && f.Kind == fault.NotFound && strings.HasPrefix(name, "provisioning/") {
		err = fault.New(fault.NotFound, "%s", f.Msg).WithHint("make images makes it, in the source of the program; or name another image that has an SSH server")
	}
	return image, fault.Before(err)
}

// taken are the addresses of the servers of a network, whether they run or not.
func (p *Provider) taken(ctx context.Context, e *container.Engine, r providers.Record) (map[string]bool, error) {
	on := container.Filter{Owner: container.Owner{Workspace: r.Workspace}, Labels: map[string]string{labelServer: "", labelNetwork: r.Network}}
	servers, err := e.List(ctx, on)
	taken := map[string]bool{}
	for _, c := range servers {
		taken[c.Labels[labelAddress]] = true
	}
	return taken, err
}

// sameServer refuses a container under the name that is not the server that is
// wanted.
func sameServer(c container.Container, r providers.Record, s size, key string) error {
	if c.Labels[labelServer] != r.Name || c.Labels[container.LabelWorkspace] != r.Workspace {
		return fault.New(fault.Exists, "there is a container %q already, which is no server of this workspace", c.Name).
			WithHint("remove it: docker rm -f %s", c.Name)
	}
	if c.Labels[labelKey] == key {
		return nil
	}
	var differ []string
	compare := func(what, is, shall string) {
		if is != shall {
			differ = append(differ, fmt.Sprintf("its %s is %s, not %s", what, is, shall))
		}
	}
	compare("image", c.Image, r.Image)
	compare("network", c.Labels[labelNetwork], r.Network)
	compare("user", c.Labels[labelUser], r.User)
	compare("tags", c.Labels[labelTags], tagsLabel(r.Tags))
	if c.State != "created" { // before, it has no size
		compare("plan", sizeOf(c.Limits).String(), s.String())
	}
	if len(differ) == 0 {
		return nil
	}
	e := fault.New(fault.Exists, "there is a server %q already, and %s", r.Name, strings.Join(differ, ", "))
	e.Unsent = true
	return e.WithHint("server.resize changes the plan; for the rest, delete it and make it anew, or choose another name")
}

func tagsLabel(tags map[string]string) string {
	if tags == nil {
		tags = map[string]string{}
	}
	data, _ := json.Marshal(tags) // a map of strings always has JSON, sorted by key
	return string(data)
}

// spec is what the container of a server is made of. Its limits are set before it
// starts: there may be more in them than the machine has.
func spec(name string, r providers.Record, image container.Image, network, address, key string) container.Spec {
	labels := map[string]string{
		labelServer: r.Name, labelKey: key, labelInfra: r.Infra, labelNetwork: r.Network, labelAddress: address,
		labelUser: r.User, labelTags: tagsLabel(r.Tags),
	}
	for tag, v := range r.Tags {
		labels[labelTag+tag] = v
	}
	s := container.Spec{
		Name: name, Image: r.Image, Hostname: r.Name, Labels: labels, Restart: "unless-stopped",
		Networks: []container.Attachment{{Network: network, IPv4: address, Aliases: []string{r.Name, r.Name + "." + zoneName}}},
	}
	if isSystemd(image) {
		s.CgroupNS, s.CapAdd, s.StopSignal = "private", []string{"SYS_ADMIN"}, "SIGRTMIN+3"
		s.Tmpfs = map[string]string{"/run": "", "/run/lock": ""}
	}
	return s
}

// isSystemd reports whether process 1 of a container of the image is systemd.
func isSystemd(i container.Image) bool {
	if init := i.Labels[labelInit]; init != "" {
		return init == "systemd"
	}
	if len(i.Command) == 0 {
		return false
	}
	base := path.Base(i.Command[0])
	return base == "systemd" || base == "init"
}

// finish does what is left to do before a container is a server. It may be done
// again after it was cut off anywhere.
func (p *Provider) finish(ctx context.Context, e *container.Engine, r providers.Record, s size, c container.Container) error {
	if err := e.SetLimits(ctx, c.ID, s.limits()); err != nil {
		return err
	}
	if len(r.SSHKeys) > 0 {
		if err := p.authorize(ctx, e, r, c); err != nil {
			return err
		}
	}
	_, err := e.Start(ctx, c.ID)
	return err
}

// authorize lets the holders of the keys log in as the user.
func (p *Provider) authorize(ctx context.Context, e *container.Engine, r providers.Record, c container.Container) error {
	passwd, err := e.ReadFile(ctx, c.ID, "/etc/passwd", maxPasswd)
	if err != nil {
		return err
	}
	u, err := userIn(string(passwd), r.User)
	if err != nil {
		return fault.New(fault.NotFound, "the image %q has no user %q", r.Image, r.User).
			WithHint("it has %s", strings.Join(loginNames(string(passwd)), ", "))
	}
	return e.Unpack(ctx, c.ID, "/", u.keysArchive(r.SSHKeys))
}
