package container

import (
	"context"

	"github.com/docker/docker/api/types/container"
)

// cpuPeriod is what a share of processors is counted by, in microseconds.
const cpuPeriod = 100_000

// SetLimits gives a container other limits, while it runs or before it does; a
// limit of 0 stays as it is. Other than with Create, there may be more CPUs in them
// than the machine has.
func (e *Engine) SetLimits(ctx context.Context, name string, l Limits) error {
	r := container.Resources{Memory: l.Memory, MemorySwap: l.Memory}
	if l.CPUs > 0 {
		r.CPUPeriod, r.CPUQuota = cpuPeriod, int64(l.CPUs*cpuPeriod)
	}
	if l.Pids > 0 {
		r.PidsLimit = &l.Pids
	}
	if _, err := e.api.ContainerUpdate(ctx, name, container.UpdateConfig{Resources: r}); err != nil {
		return e.fault(ctx, err, "cannot change the limits of the container %q", name)
	}
	return nil
}
