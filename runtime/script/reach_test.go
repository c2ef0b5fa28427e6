package script_test

import (
	"strings"
	"testing"
)

func TestReaches(t *testing.T) {
	l := newLoader(t, map[string]string{
		"direct.star":   "load('//other/x.star', 'a')\n",
		"by-way.star":   "load('./direct.star', 'a')\n",
		"circle.star":   "load('./circle.star', 'a')\n",
		"late.star":     "a = 1\nif a:\n    print(a)\nload('//other/x.star', b = 'a')\n",
		"text.star":     "a = \"load('//other/x.star', 'a')\"\n",
		"own.star":      "load('./text.star', 'a')\nload('@std//missing.star', 'b')\n",
		"broken.star":   "load('//other/x.star', \n",
		"other/x.star":  "a = 1\n",
		"up/above.star": "load('../direct.star', 'a')\n",
	})
	other := func(name string) bool { return strings.HasPrefix(name, "//other/") }
	for name, want := range map[string]bool{
		"//direct.star": true, "//by-way.star": true, "//late.star": true, "//up/above.star": true, "//other/x.star": true,
		"//circle.star": false, "//text.star": false, "//own.star": false, "//broken.star": false, "//missing.star": false,
	} {
		if got := l.Reaches(name, other); got != want {
			t.Errorf("%s reaches it: %t", name, got)
		}
	}
}
