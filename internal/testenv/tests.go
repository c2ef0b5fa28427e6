package testenv

// Tests are the names of those that are made of whatever is on an environment, in their
// order. What a taskserv ships comes before the last of them, uninstall.
var Tests = []string{
	"install", "idempotent", "status", "health", "config", "restart", "update", "nodes_joined", "network", "dns", Uninstall,
}

// ClusterTests are those of all machines together, where there are several.
var ClusterTests = []string{"nodes_joined", "network", "dns"}

const (
	Uninstall = "uninstall" // comes last: what it leaves cannot be tested
	Syntax    = "syntax"    // is made only without machines
)

// The kinds of environments, as a test names them that is only for some. They begin the names
// of the types.
const (
	KindSingle  = "single"
	KindServer  = "server"
	KindCluster = "cluster"
)

// Kinds are the names of all kinds.
var Kinds = []string{KindSingle, KindServer, KindCluster}
