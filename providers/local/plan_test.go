package local

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/providers"
)

func TestPlans(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"1xCPU-1GB", "1xCPU-1GB"},
		{"1xCPU-1024MB", "1xCPU-1GB"},
		{"16xCPU-512MB", "16xCPU-512MB"},
		{"0xCPU-1GB", ""}, {"1xCPU-1TB", ""}, {"1xcpu-1gb", ""}, {"1xCPU-63MB", ""}, {"1xCPU-99999GB", ""}, {"1xCPU-1GB ", ""}, {"", ""},
	} {
		s, err := parsePlan(c.name)
		if c.want == "" {
			if err == nil {
				t.Errorf("%q is a plan: %v", c.name, s)
			}
			continue
		}
		if err != nil || s.String() != c.want {
			t.Errorf("%q: %v, %v", c.name, s, err)
		}
		if back := sizeOf(s.limits()); back != s {
			t.Errorf("%q: limits give %v back", c.name, back)
		}
	}
}

func FuzzPlan(f *testing.F) {
	f.Add("1xCPU-1GB")
	f.Add("2xCPU-512MB")
	f.Fuzz(func(t *testing.T, name string) {
		s, err := parsePlan(name)
		if err != nil {
			return
		}
		again, err := parsePlan(s.String())
		if err != nil || again != s || sizeOf(s.limits()) != s {
			t.Errorf("%q is %v, and then %v, %v", name, s, again, err)
		}
	})
}

func TestConfig(t *testing.T) {
	for _, c := range []struct {
		config providers.Config
		want   string // in the errors; "" for none
	}{
		{nil, ""},
		{providers.Config{"engine": "podman", "network_pool": "10.9.0.0/16", "currency": "CHF", "prices": map[string]any{"1xCPU-1GB": 0.01}}, ""},
		{providers.Config{"dokcer_socket": "/x"}, "did you mean docker_socket"},
		{providers.Config{"network_pool": "10.9.0.1/16"}, "network_pool"},
		{providers.Config{"network_pool": "10.9.0.0/30"}, "network_pool"},
		{providers.Config{"network_mode": "host"}, "network_mode"},
		{providers.Config{"currency": 5}, "currency must be a string"},
		{providers.Config{"enabled": true, "defaults": map[string]any{"image": "a:1", "plan": "2xCPU-1GB", "network": "db", "user": "me"}}, ""},
		{providers.Config{"enabled": false}, "switched off"},
		{providers.Config{"enabled": "no"}, "enabled must be true or false"},
		{providers.Config{"defaults": "small"}, "defaults must be a table"},
		{providers.Config{"defaults": map[string]any{"imgae": "a"}}, "unknown key defaults.imgae (did you mean image?)"},
		{providers.Config{"defaults": map[string]any{"image": 1}}, "defaults.image must be a string"},
		{providers.Config{"defaults": map[string]any{"plan": "small"}}, `defaults.plan: "small" is no plan`},
		{providers.Config{"prices": "cheap"}, "prices must be a table"},
		{providers.Config{"prices": map[string]any{"1xCPU-1GB": "cheap"}}, "must be a number"},
		{providers.Config{"prices": map[string]any{"small": 1.0}}, `"small" is no plan`},
	} {
		v := New(c.config).ValidateConfig()
		if got := strings.Join(v.Errors, "\n"); v.Valid != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%v: %v", c.config, v.Errors)
		}
	}
}

// TestDefaults: the record goes before the configuration, and that before our own.
func TestDefaults(t *testing.T) {
	p := New(providers.Config{"defaults": map[string]any{"image": "a:1", "plan": "2xCPU-1GB", "user": "me"}}).(*Provider)
	r := providers.Record{Name: "web", User: "you"}
	s, err := p.complete(&r)
	if err != nil || s != (size{2, 1024}) || r.Image != "a:1" || r.User != "you" || r.Network != defaultNetwork {
		t.Errorf("%+v, %v, %v", r, s, err)
	}
}

func TestPrices(t *testing.T) {
	p := New(providers.Config{"prices": map[string]any{"1xCPU-1024MB": 0.5}})
	for plan, want := range map[string]float64{"1xCPU-1GB": 365, "2xCPU-1GB": 0} {
		if price, err := p.Pricing(t.Context(), plan, ""); err != nil || price.Monthly != want {
			t.Errorf("%s costs %v, %v", plan, price, err)
		}
	}
}

const passwd = `root:x:0:0:root:/root:/bin/bash
deploy:x:1000:1001::/home/deploy/:/bin/sh
broken:x:many:1:::/bin/sh
nowhere:x:5:5::home:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
`

func TestUsers(t *testing.T) {
	u, err := userIn(passwd, "deploy")
	if err != nil || u != (user{"deploy", 1000, 1001, "/home/deploy"}) {
		t.Errorf("%+v, %v", u, err)
	}
	for _, name := range []string{"broken", "nowhere", "nobody", "", "deploy:x"} {
		if u, err := userIn(passwd, name); err == nil {
			t.Errorf("%q is %+v", name, u)
		}
	}
	if got := strings.Join(loginNames(passwd), " "); got != "root deploy broken nowhere" {
		t.Errorf("login names: %s", got)
	}
}

func FuzzUsers(f *testing.F) {
	f.Add(passwd, "root")
	f.Fuzz(func(t *testing.T, text, name string) {
		u, err := userIn(text, name)
		if err == nil && (u.name != name || !strings.HasPrefix(u.home, "/")) {
			t.Errorf("%q is %+v", name, u)
		}
		loginNames(text)
	})
}

func TestAddresses(t *testing.T) {
	n := container.Network{Name: "net", Subnets: []string{"10.9.8.0/29"}, Gateways: []string{"10.9.8.1"}}
	taken := map[string]bool{}
	for range 5 { // of 8 without network, gateway and broadcast
		a, err := freeAddress(n, taken, "web-1")
		if err != nil {
			t.Fatal(err)
		}
		if ip := netip.MustParseAddr(a); taken[a] || !netip.MustParsePrefix(n.Subnets[0]).Contains(ip) || a == "10.9.8.0" || a == "10.9.8.7" || a == "10.9.8.1" {
			t.Errorf("the address %s", a)
		}
		taken[a] = true
	}
	if a, err := freeAddress(n, taken, "web-1"); err == nil {
		t.Errorf("there is one more: %s", a)
	}
	one, _ := freeAddress(n, map[string]bool{}, "web-1") // it was free before
	two, _ := freeAddress(n, map[string]bool{}, "web-1")
	if one != two {
		t.Errorf("a server that is made again gets %s and %s", one, two)
	}
	for _, subnets := range [][]string{nil, {"fd00::/64"}, {"nonsense"}} {
		if a, err := freeAddress(container.Network{Subnets: subnets}, map[string]bool{}, "x"); err == nil {
			t.Errorf("%v gives %s", subnets, a)
		}
	}
}
