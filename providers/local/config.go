package local

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/provisioning-systems/provisioning/internal/spell"
	"github.com/provisioning-systems/provisioning/providers"
)

// settings is what the configuration says.
type settings struct {
	engine   string       // as container.Find takes it; "": the one that is there
	pool     netip.Prefix // private networks are taken from it
	defaults providers.Record
	currency string
	prices   map[string]float64 // per hour, by plan
}

// defaultPool has room for 256 networks, and is used by hardly anybody.
var defaultPool = netip.MustParsePrefix("10.213.0.0/16")

var keys = []string{"currency", "defaults", "docker_socket", "enabled", "engine", "network_mode", "network_pool", "prices"}

// read takes a configuration apart, and says what is wrong with it.
func read(c providers.Config) (s settings, problems []string) {
	s = settings{pool: defaultPool, currency: "EUR", prices: map[string]float64{}}
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	text := func(key string) string {
		t, ok := c[key].(string)
		if !ok && c[key] != nil {
			bad("%s must be a string", key)
		}
		return t
	}
	for _, key := range slices.Sorted(maps.Keys(c)) {
		if !slices.Contains(keys, key) {
			bad("unknown key %s%s", key, near(key, keys))
		}
	}
	s.engine = text("engine")
	if socket := text("docker_socket"); socket != "" && s.engine == "" {
		s.engine = "unix://" + socket
	}
	if mode := text("network_mode"); mode != "" && mode != "bridge" {
		bad("network_mode is bridge, not %q", mode)
	}
	if pool := text("network_pool"); pool != "" {
		p, err := netip.ParsePrefix(pool)
		if err != nil || !p.Addr().Is4() || p != p.Masked() || p.Bits() < 8 || p.Bits() > 24 {
			bad("network_pool must be an IPv4 network from /8 to /24, not %q", pool)
		} else {
			s.pool = p
		}
	}
	if currency := text("currency"); currency != "" {
		s.currency = currency
	}
	if enabled, ok := c["enabled"].(bool); !ok && c["enabled"] != nil {
		bad("enabled must be true or false")
	} else if ok && !enabled {
		bad("it is switched off, with enabled = false")
	}
	s.readDefaults(c["defaults"], bad)
	s.readPrices(c["prices"], bad)
	return s, problems
}

// readDefaults reads what servers are that do not say it.
func (s *settings) readDefaults(table any, bad func(string, ...any)) {
	if table == nil {
		return
	}
	values, ok := table.(map[string]any)
	if !ok {
		bad("defaults must be a table")
	}
	fields := map[string]*string{"image": &s.defaults.Image, "network": &s.defaults.Network, "plan": &s.defaults.Plan, "user": &s.defaults.User}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		field, known := fields[key]
		if !known {
			bad("unknown key defaults.%s%s", key, near(key, slices.Sorted(maps.Keys(fields))))
			continue
		}
		if *field, ok = values[key].(string); !ok {
			bad("defaults.%s must be a string", key)
		}
	}
	if s.defaults.Plan != "" {
		if _, err := parsePlan(s.defaults.Plan); err != nil {
			bad("defaults.plan: %v", err)
		}
	}
}

func (s *settings) readPrices(table any, bad func(string, ...any)) {
	if table == nil {
		return
	}
	prices, ok := table.(map[string]any)
	if !ok {
		bad("prices must be a table of numbers by plan")
	}
	for _, plan := range slices.Sorted(maps.Keys(prices)) {
		size, err := parsePlan(plan)
		switch v := prices[plan].(type) {
		case float64:
			s.prices[size.String()] = v
		case int64:
			s.prices[size.String()] = float64(v)
		default:
			bad("prices.%s must be a number", plan)
		}
		if err != nil {
			bad("prices: %v", err)
		}
	}
}

func near(key string, keys []string) string {
	if n := spell.Nearest(key, keys); n != "" {
		return " (did you mean " + n + "?)"
	}
	return ""
}
