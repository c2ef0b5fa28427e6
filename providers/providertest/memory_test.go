package providertest

import (
	"testing"

	"github.com/provisioning-systems/provisioning/providers"
)

func TestMemory(t *testing.T) {
	m := &Memory{}
	Run(t, Setup{
		Provider: func(*testing.T) providers.Provider { return m },
		Record:   providers.Record{Image: "debian-12", Plan: "small", Workspace: "test"},
		Plan:     "large",
	})
}
