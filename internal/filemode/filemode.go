// Package filemode checks the permission bits that people write.
package filemode

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// decimal are numbers that somebody has written who forgot the 0o: as bits, none of
// them makes sense for a file, and as octal digits all of them do.
var decimal = []int{
	400, 440, 444, 500, 550, 555, 600, 640, 644, 660, 664, 666, 700, 711, 750, 751, 755, 770, 775, 777,
	1755, 1777, 2750, 2755, 2770, 2775,
}

// Check refuses what are no permission bits, and what was most likely meant in octal:
// 644 is 0o1204, which nobody wants and few would notice.
func Check(mode int) error {
	if slices.Contains(decimal, mode) || mode == 4755 {
		return fault.New(fault.Invalid, "the mode %d is decimal, which makes it %s", mode, octal(mode)).
			WithHint("write it in octal: 0o%d", mode)
	}
	if mode < 0 || mode > 0o7777 {
		return fault.New(fault.Invalid, "the mode %s is none", octal(mode)).WithHint("write permission bits in octal, as 0o640")
	}
	return nil
}

// octal writes a number as scripts do.
func octal(mode int) string {
	if mode < 0 {
		return strconv.Itoa(mode)
	}
	return fmt.Sprintf("0o%o", mode)
}
