package testenv

import (
	"bufio"
	"os"
	"strconv"
	"strings"
)

// FreeMB is the memory of this machine that programs can have; 0 where it does not say.
func FreeMB() int {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text()) // MemAvailable:   22959104 kB
		if len(fields) > 1 && fields[0] == "MemAvailable:" {
			kb, _ := strconv.Atoi(fields[1]) // 0 is what is not known
			return kb >> 10
		}
	}
	return 0
}
