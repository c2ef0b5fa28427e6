module github.com/provisioning-systems/provisioning

go 1.26.8

exclude github.com/google/pprof v0.0.0-20261016150608-1facf8f91b50

require go.starlark.net v0.0.0-20260908191801-89a6a09411d5

require golang.org/x/sys v0.49.0 // indirect
