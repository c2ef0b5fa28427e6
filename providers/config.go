package providers

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pelletier/go-toml/v2"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Config is what a provider is told by config/providers/<name>.toml of a workspace.
type Config map[string]any

// ReadConfig reads the configuration of a provider; a workspace without one has nil.
func ReadConfig(workspace, name string) (Config, error) {
	file := filepath.Join(workspace, "config", "providers", name+".toml")
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Config, err, "cannot read the configuration of the provider %s", name)
	}
	var c Config
	err = toml.Unmarshal(data, &c)
	var bad *toml.DecodeError
	if errors.As(err, &bad) {
		row, column := bad.Position()
		return nil, fault.New(fault.Config, "%s:%d:%d: %s", file, row, column, bad)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Config, err, "cannot read %s", file)
	}
	return c, nil
}
