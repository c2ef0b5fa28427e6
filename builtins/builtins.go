// Package builtins lists the modules that scripts see.
package builtins

import (
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/builtins/assert"
	"github.com/provisioning-systems/provisioning/builtins/base64"
	"github.com/provisioning-systems/provisioning/builtins/cluster"
	"github.com/provisioning-systems/provisioning/builtins/container"
	"github.com/provisioning-systems/provisioning/builtins/control"
	"github.com/provisioning-systems/provisioning/builtins/csv"
	"github.com/provisioning-systems/provisioning/builtins/env"
	"github.com/provisioning-systems/provisioning/builtins/exec"
	"github.com/provisioning-systems/provisioning/builtins/fs"
	"github.com/provisioning-systems/provisioning/builtins/hashlib"
	"github.com/provisioning-systems/provisioning/builtins/hex"
	"github.com/provisioning-systems/provisioning/builtins/http"
	"github.com/provisioning-systems/provisioning/builtins/ipnet"
	"github.com/provisioning-systems/provisioning/builtins/json"
	"github.com/provisioning-systems/provisioning/builtins/log"
	"github.com/provisioning-systems/provisioning/builtins/op"
	"github.com/provisioning-systems/provisioning/builtins/path"
	"github.com/provisioning-systems/provisioning/builtins/random"
	"github.com/provisioning-systems/provisioning/builtins/regexp"
	"github.com/provisioning-systems/provisioning/builtins/run"
	"github.com/provisioning-systems/provisioning/builtins/runtime"
	"github.com/provisioning-systems/provisioning/builtins/schema"
	"github.com/provisioning-systems/provisioning/builtins/secret"
	"github.com/provisioning-systems/provisioning/builtins/semver"
	"github.com/provisioning-systems/provisioning/builtins/server"
	"github.com/provisioning-systems/provisioning/builtins/ssh"
	"github.com/provisioning-systems/provisioning/builtins/table"
	"github.com/provisioning-systems/provisioning/builtins/target"
	"github.com/provisioning-systems/provisioning/builtins/taskserv"
	"github.com/provisioning-systems/provisioning/builtins/template"
	"github.com/provisioning-systems/provisioning/builtins/time"
	"github.com/provisioning-systems/provisioning/builtins/tls"
	"github.com/provisioning-systems/provisioning/builtins/toml"
	"github.com/provisioning-systems/provisioning/builtins/url"
	"github.com/provisioning-systems/provisioning/builtins/uuid"
	"github.com/provisioning-systems/provisioning/builtins/yaml"
	"github.com/provisioning-systems/provisioning/runtime/module"
)

// All are the modules, sorted by name; the one without a name comes first.
var All = []*module.Module{
	control.Module, assert.Module, base64.Module, cluster.Module, container.Module, csv.Module, env.Module, exec.Module, fs.Module, hashlib.Module, hex.Module,
	http.Module, ipnet.Module, json.Module, log.Module, op.Module, path.Module, random.Module, regexp.Module, run.Module, runtime.Module,
	schema.Module, secret.Module, semver.Module, server.Module, ssh.Module, table.Module, target.Module, taskserv.Module,
	template.Module, time.Module, tls.Module, toml.Module, url.Module, uuid.Module,
	yaml.Module,
}

// Own are the modules whose writes stay in the workspace, or are meant to.
var Own = []*module.Module{control.Module, exec.Module, fs.Module, secret.Module}

// Clocks are the modules whose reads ask nothing but the time, Dice those whose
// reads ask nothing but chance.
var (
	Clocks = []*module.Module{time.Module}
	Dice   = []*module.Module{random.Module, uuid.Module}
)

// Globals are the names that scripts see beside the modules and the universal
// functions of the language.
var Globals = starlark.StringDict{
	"struct": starlark.NewBuiltin("struct", starlarkstruct.Make),
}
