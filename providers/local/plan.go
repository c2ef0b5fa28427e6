package local

import (
	"regexp"
	"strconv"

	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/fault"
)

// size is what a plan stands for.
type size struct {
	cores  int
	memory int // MB
}

// smallest is the plan of servers that ask for none.
var smallest = size{1, 1024}

var planName = regexp.MustCompile(`^([1-9][0-9]{0,2})xCPU-([1-9][0-9]{0,5})(GB|MB)$`)

const (
	minMemory = 64      // MB; sshd and a shell want some
	maxMemory = 4 << 20 // MB
)

// parsePlan reads names such as 1xCPU-1GB and 2xCPU-512MB.
func parsePlan(name string) (size, error) {
	m := planName.FindStringSubmatch(name)
	if m == nil {
		return size{}, fault.New(fault.Invalid, "%q is no plan", name).WithHint("plans of the local provider are written as 1xCPU-1GB or 2xCPU-512MB")
	}
	s := size{}
	s.cores, _ = strconv.Atoi(m[1]) // digits, and few of them
	s.memory, _ = strconv.Atoi(m[2])
	if m[3] == "GB" {
		s.memory *= 1024
	}
	if s.memory < minMemory || s.memory > maxMemory {
		return size{}, fault.New(fault.Invalid, "the plan %q has too little or too much memory", name).
			WithHint("from %d MB to %d GB", minMemory, maxMemory/1024)
	}
	return s, nil
}

func (s size) String() string {
	name := strconv.Itoa(s.cores) + "xCPU-"
	if s.memory%1024 == 0 {
		return name + strconv.Itoa(s.memory/1024) + "GB"
	}
	return name + strconv.Itoa(s.memory) + "MB"
}

// limits are those of a container of this size.
func (s size) limits() container.Limits {
	return container.Limits{CPUs: float64(s.cores), Memory: int64(s.memory) << 20}
}

// sizeOf reads a size back from the limits.
func sizeOf(l container.Limits) size { return size{int(l.CPUs), int(l.Memory >> 20)} }
