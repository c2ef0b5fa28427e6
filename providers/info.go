package providers

// Info is what a provider says of itself.
type Info struct {
	Name             string       `json:"name"`
	Version          string       `json:"version"`
	Description      string       `json:"description"`
	Type             string       `json:"type"` // cloud, container, metal or local
	InterfaceVersion string       `json:"interface_version"`
	Capabilities     Capabilities `json:"capabilities"`
	Operations       []string     `json:"supported_operations"`
	RequiredAuth     []string     `json:"required_auth"`
	SupportedOS      []string     `json:"supported_os"`
	Regions          []string     `json:"regions"`
	Certified        bool         `json:"certified"`
}

// Capabilities say what a provider can do beside what all can.
type Capabilities struct {
	ServerManagement    bool `json:"server_management"`
	NetworkManagement   bool `json:"network_management"`
	FirewallManagement  bool `json:"firewall_management"`
	StorageManagement   bool `json:"storage_management"`
	LoadBalancer        bool `json:"load_balancer"`
	DNSManagement       bool `json:"dns_management"`
	FloatingAddresses   bool `json:"floating_addresses"`
	AutoScaling         bool `json:"auto_scaling"`
	MultiRegion         bool `json:"multi_region"`
	Containers          bool `json:"containers"`
	ResizeInPlace       bool `json:"resize_in_place"` // while the server runs
	Snapshots           bool `json:"snapshots"`
	EncryptionAtRest    bool `json:"encryption_at_rest"`
	SpotInstances       bool `json:"spot_instances"`
	Reservations        bool `json:"reservations"`
	Serverless          bool `json:"serverless"`
	ManagedDatabases    bool `json:"managed_databases"`
	ComplianceCertified bool `json:"compliance_certifications"`
}

// Validation is what is wrong with a configuration. A missing or unknown key is an
// error; what may work all the same is a warning.
type Validation struct {
	Valid    bool     `json:"valid"`
	Errors   []string `json:"errors"`
	Warnings []string `json:"warnings"`
}

// Account is who we are to a provider.
type Account struct {
	Success bool           `json:"success"`
	Info    map[string]any `json:"account_info"`
	Message string         `json:"message"`
}

// Plan is a size of servers.
type Plan struct {
	Name     string `json:"name"`
	Cores    int    `json:"cores"`
	MemoryMB int    `json:"memory_mb"`
	DiskGB   int    `json:"disk_gb"` // 0: that of the machine beneath
}

// Zone is a place for servers.
type Zone struct {
	Name      string `json:"name"`
	Region    string `json:"region"`
	Available bool   `json:"available"`
}

// Price is what a server costs.
type Price struct {
	Hourly   float64     `json:"hourly"`
	Monthly  float64     `json:"monthly"` // 730 hours
	Currency string      `json:"currency"`
	Items    []PriceItem `json:"items"`
}

// PriceItem is a part of a price.
type PriceItem struct {
	Name   string  `json:"name"`
	Hourly float64 `json:"hourly"`
}

// HoursOfMonth is what a monthly price is counted by.
const HoursOfMonth = 730
