// Package ipnet is the script module ipnet: arithmetic on IP addresses and
// networks, of both versions.
package ipnet

import "github.com/provisioning-systems/provisioning/runtime/module"

// Module is the script module ipnet.
var Module = module.New("ipnet", `IP addresses and networks, IPv4 and IPv6.

Addresses and networks are strings, such as "10.0.0.1" and "10.0.0.0/16".`)
