package rewrite_test

import (
	"testing"

	"go.starlark.net/starlark"
)

// BenchmarkRewrite compares the interpreter with itself after the rewrite.
func BenchmarkRewrite(b *testing.B) {
	for _, bench := range []struct{ name, src string }{
		{"empty", "def f():\n  for i in range(1000): pass"},
		{"equal", "def f():\n  for i in range(1000): i == 5"},
		{"if", "def f():\n  x = True\n  for i in range(1000):\n    if x: pass"},
		{"index", "def f():\n  x = [1, 2, 3]\n  k = 1\n  for i in range(1000): x[k]"},
		{"in", "def f():\n  x = ['a', 'b', 'c', 'd']\n  for i in range(1000): 'd' in x"},
		{"format", "def f():\n  for i in range(1000): '%s:%d' % ('a', i)"},
		{"method", "def f():\n  for i in range(1000): 'abc'.startswith('ab')"},
		{"append", "def f():\n  x = []\n  for i in range(1000): x.append(i)"},
		{"len", "def f():\n  for i in range(1000): len('abc')"},
		{"sieve", `
def f():
  primes, i = [], 2
  for i in range(2, 300):
    if not [p for p in primes if i % p == 0]:
      primes.append(i)
  return {str(p): p for p in primes}`},
	} {
		for _, m := range []mode{plain, rewritten} {
			b.Run(bench.name+"/"+m.name, func(b *testing.B) {
				thread := new(starlark.Thread)
				globals, err := m.run(thread, options, "b.star", bench.src, nil)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				for b.Loop() {
					if _, err := starlark.Call(thread, globals["f"], nil, nil); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
