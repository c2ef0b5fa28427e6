package fact

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// System is what a machine is. Its argument is empty, its value a SystemState.
var System = &Kind{Name: "system", Script: func([]string) string { return systemScript }, Parse: parseSystem}

// SystemState is what is known of a machine as a whole. What cannot be found out is
// empty, or 0.
type SystemState struct {
	OS             string // "debian", "alpine", "rhel": ID of os-release
	Version        string // "12"
	Codename       string // "bookworm"
	Name           string // "Debian GNU/Linux 12 (bookworm)"
	Like           []string
	Arch           string // as uname -m has it: "x86_64"
	Kernel         string // release: "6.1.0-18-amd64"
	Hostname       string
	Init           string
	PackageManager string
	Virtualisation string // "docker", "podman", "lxc", "kvm", "vmware", …; "none" for a machine of metal
	Memory         int64  // bytes
	MemoryFree     int64  // bytes that new programs can have
	CPUs           int
	Uptime         float64 // seconds
	User           string  // that commands run as
	Disks          []Disk
	Interfaces     []Interface
	Time           float64 // of its clock: seconds since 1970
}

// Disk is a mounted file system that is on a device, or the root.
type Disk struct {
	Device string
	Path   string
	Type   string
	Size   int64 // bytes
	Free   int64 // bytes that users may have
}

// Interface is a network interface.
type Interface struct {
	Name      string
	MAC       string
	Up        bool
	Addresses []string // with prefix: "10.0.0.5/24"
}

const systemScript = findManager + findInit + `echo "manager $_pm"; echo "init $_init"
_t=$(date +%s.%N); case $_t in *[!0-9.]*) _t=$(date +%s) ;; esac
echo "time $_t"
[ ! -r /etc/os-release ] || sed -n 's/^\(ID\|VERSION_ID\|VERSION_CODENAME\|PRETTY_NAME\|ID_LIKE\)=/release \1=/p' /etc/os-release
echo "uname $(uname -m) $(uname -r)"
echo "hostname $(uname -n)"
echo "user $(id -un 2>/dev/null || id -u)"
echo "cpus $(getconf _NPROCESSORS_ONLN 2>/dev/null || grep -c ^processor /proc/cpuinfo)"
sed -n 's/^\(MemTotal\|MemAvailable\): *\([0-9]*\) kB/memory \1 \2/p' /proc/meminfo
read -r _up _ </proc/uptime && echo "uptime $_up"
if [ -e /.dockerenv ]; then echo "virt docker"
elif [ -e /run/.containerenv ]; then echo "virt podman"
elif _v=$(systemd-detect-virt 2>/dev/null) || [ "$_v" = none ]; then echo "virt $_v"
elif tr '\0' '\n' </proc/1/environ 2>/dev/null | grep -q '^container='; then echo "virt $(tr '\0' '\n' </proc/1/environ | sed -n 's/^container=//p')"
else echo "dmi $(cat /sys/class/dmi/id/sys_vendor /sys/class/dmi/id/product_name 2>/dev/null | tr '\n' ' ')"; grep -q '^flags.* hypervisor' /proc/cpuinfo && echo hypervisor
fi
while read -r _d _p _f _; do
  case $_d in /dev/* | overlay) echo "mount $_f $_d $_p" ;; *) [ "$_p" != / ] || echo "mount $_f $_d $_p" ;; esac
done </proc/self/mounts
df -P -k 2>/dev/null | sed -n '2,$s/^/df /p'
for _i in /sys/class/net/*; do
  [ -e "$_i/address" ] || continue
  echo "net ${_i##*/} $(cat "$_i/operstate" 2>/dev/null) $(cat "$_i/address" 2>/dev/null)"
done
if command -v ip >/dev/null 2>&1; then ip addr show 2>/dev/null | sed 's/^/ip /'
elif command -v ifconfig >/dev/null 2>&1; then ifconfig -a 2>/dev/null | sed 's/^/if /'
elif command -v hostname >/dev/null 2>&1; then echo "hosts $(hostname -I 2>/dev/null)"
fi
`

func parseSystem(args []string, text string) ([]any, error) {
	r := systemReader{df: map[string][]string{}}
	for line := range strings.Lines(text) {
		word, rest, _ := strings.Cut(strings.TrimRight(line, "\n"), " ")
		r.line(word, rest)
	}
	if r.s.Arch == "" {
		return nil, fmt.Errorf("it does not say what it is")
	}
	r.finish()
	return slices.Repeat([]any{r.s}, len(args)), nil
}

type systemReader struct {
	s          SystemState
	dmi        string
	hypervisor bool
	mounts     [][]string
	df         map[string][]string
	current    string // interface that lines are about
}

func (r *systemReader) line(word, rest string) {
	s, f := &r.s, strings.Fields(rest)
	switch word {
	case "manager":
		s.PackageManager = rest
	case "init":
		s.Init = rest
	case "time":
		s.Time, _ = strconv.ParseFloat(rest, 64)
	case "release":
		r.release(rest)
	case "uname":
		if len(f) == 2 {
			s.Arch, s.Kernel = f[0], f[1]
		}
	case "hostname":
		s.Hostname = rest
	case "user":
		s.User = rest
	case "cpus":
		s.CPUs, _ = strconv.Atoi(rest)
	case "memory":
		if len(f) == 2 {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			if f[0] == "MemTotal" {
				s.Memory = n << 10
			} else {
				s.MemoryFree = n << 10
			}
		}
	case "uptime":
		s.Uptime, _ = strconv.ParseFloat(rest, 64)
	case "virt":
		s.Virtualisation = rest
	case "dmi":
		r.dmi = rest
	case "hypervisor":
		r.hypervisor = true
	case "mount":
		r.mounts = append(r.mounts, f)
	case "df":
		if len(f) >= 6 {
			r.df[f[5]] = f
		}
	case "net", "ip", "if", "hosts":
		r.network(word, rest, f)
	}
}

func (r *systemReader) release(rest string) {
	name, v, _ := strings.Cut(rest, "=")
	v = strings.Trim(v, `"'`)
	switch name {
	case "ID":
		r.s.OS = v
	case "VERSION_ID":
		r.s.Version = v
	case "VERSION_CODENAME":
		r.s.Codename = v
	case "PRETTY_NAME":
		r.s.Name = v
	case "ID_LIKE":
		r.s.Like = strings.Fields(v)
	}
}

// network reads what the kernel, ip, ifconfig or hostname say of interfaces.
func (r *systemReader) network(word, rest string, f []string) {
	switch {
	case len(f) == 0:
	case word == "net" && len(f) >= 2:
		i := Interface{Name: f[0], Up: f[1] == "up" || f[1] == "unknown"}
		if len(f) > 2 && strings.Trim(f[2], "0:") != "" {
			i.MAC = f[2]
		}
		r.s.Interfaces = append(r.s.Interfaces, i)
	case word == "ip" && rest[0] != ' ' && len(f) > 1: // 2: eth0@if7: <BROADCAST,…
		r.current, _, _ = strings.Cut(strings.TrimSuffix(f[1], ":"), "@")
	case word == "ip" && (f[0] == "inet" || f[0] == "inet6") && len(f) > 1:
		r.address(r.current, f[1])
	case word == "if" && rest[0] != ' ' && rest[0] != '\t':
		r.current = strings.TrimSuffix(f[0], ":")
	case word == "if":
		r.fromIfconfig(f)
	case word == "hosts" && len(r.s.Interfaces) > 0:
		for _, a := range f {
			r.address(r.s.Interfaces[len(r.s.Interfaces)-1].Name, a)
		}
	}
}

// fromIfconfig reads a line of ifconfig, as busybox and as net-tools write it.
func (r *systemReader) fromIfconfig(f []string) {
	if f[0] == "inet6" && len(f) > 2 && f[1] == "addr:" {
		r.address(r.current, f[2])
		return
	}
	if f[0] != "inet" || len(f) < 2 {
		return
	}
	address, mask := strings.TrimPrefix(f[1], "addr:"), ""
	for i, word := range f {
		if m, ok := strings.CutPrefix(word, "Mask:"); ok {
			mask = m
		}
		if word == "netmask" && i+1 < len(f) {
			mask = f[i+1]
		}
	}
	if mask != "" {
		ones := 0
		for part := range strings.SplitSeq(mask, ".") {
			n, _ := strconv.Atoi(part)
			for ; n > 0; n &= n - 1 {
				ones++
			}
		}
		address += "/" + strconv.Itoa(ones)
	}
	r.address(r.current, address)
}

func (r *systemReader) address(name, address string) {
	for i := range r.s.Interfaces {
		if r.s.Interfaces[i].Name == name {
			r.s.Interfaces[i].Addresses = append(r.s.Interfaces[i].Addresses, address)
			return
		}
	}
}

// products are words in the description of a virtual machine, and what it is called.
var products = [][2]string{
	{"KVM", "kvm"}, {"QEMU", "qemu"}, {"VMware", "vmware"}, {"VirtualBox", "virtualbox"}, {"Amazon EC2", "amazon"},
	{"Google", "google"}, {"Microsoft", "hyper-v"}, {"Xen", "xen"}, {"Bochs", "bochs"}, {"OpenStack", "openstack"}, {"UpCloud", "kvm"},
}

func (r *systemReader) finish() {
	s := &r.s
	if s.Virtualisation == "" {
		s.Virtualisation = "none"
		if r.hypervisor {
			s.Virtualisation = "vm"
		}
		for _, p := range products {
			if strings.Contains(r.dmi, p[0]) {
				s.Virtualisation = p[1]
				break
			}
		}
	}
	seen := map[string]bool{}
	for _, m := range r.mounts {
		if len(m) != 3 {
			continue
		}
		path := mountWord.Replace(m[2])
		df := r.df[path]
		// A device that is mounted at several places is one disk; files of the host that
		// a container has been given are none.
		if df == nil || seen[m[1]] || path == "/etc/hosts" || path == "/etc/hostname" || path == "/etc/resolv.conf" {
			continue
		}
		seen[m[1]] = true
		size, _ := strconv.ParseInt(df[1], 10, 64)
		free, _ := strconv.ParseInt(df[3], 10, 64)
		s.Disks = append(s.Disks, Disk{Device: mountWord.Replace(m[1]), Path: path, Type: m[0], Size: size << 10, Free: free << 10})
	}
}

// Family is the family of distributions that a machine's is of, by what it says of
// itself.
func (s SystemState) Family() string {
	for _, id := range append([]string{s.OS}, s.Like...) {
		switch id {
		case "debian", "ubuntu":
			return "debian"
		case "rhel", "fedora", "centos", "rocky", "almalinux", "ol", "amzn":
			return "redhat"
		case "alpine", "arch", "suse", "opensuse", "gentoo":
			return id
		}
	}
	return s.OS
}
