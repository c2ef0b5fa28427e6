package toml

import (
	"math"
	"strconv"
	"strings"
	gotime "time"

	"github.com/pelletier/go-toml/v2/unstable"
	"go.starlark.net/lib/time"
	"go.starlark.net/starlark"
)

// begin is the byte at which a value begins.
func (b *builder) begin(n *unstable.Node) int {
	if n.Raw.Length > 0 {
		return int(n.Raw.Offset)
	}
	return b.line
}

func (b *builder) value(n *unstable.Node, depth int, path string) (starlark.Value, error) {
	pos := b.begin(n)
	switch n.Kind {
	case unstable.Array, unstable.InlineTable:
		if depth++; depth > maxDepth {
			return nil, b.failAt(pos, "nested deeper than %d levels", maxDepth)
		}
		if n.Kind == unstable.Array {
			return b.array(n, depth, path)
		}
		return b.inlineTable(n, depth, path)
	case unstable.String:
		return b.doc.String(string(n.Data)), nil
	case unstable.Bool:
		return starlark.Bool(n.Data[0] == 't'), nil
	case unstable.Integer:
		return b.int(string(n.Data), pos)
	case unstable.Float:
		return b.float(string(n.Data), pos)
	case unstable.DateTime:
		return b.time(string(n.Data), pos)
	case unstable.LocalDate, unstable.LocalTime, unstable.LocalDateTime:
		return b.doc.String(string(n.Data)), nil
	}
	return nil, b.failAt(pos, "expected a value")
}

func (b *builder) int(text string, pos int) (starlark.Value, error) {
	text = strings.ReplaceAll(text, "_", "")
	base := 10 // not 0, which takes 017 for octal; TOML refuses it later
	if len(text) > 2 && text[0] == '0' {
		base = map[byte]int{'x': 16, 'o': 8, 'b': 2}[text[1]]
		text = text[2:]
	}
	i, err := strconv.ParseInt(text, base, 64)
	if err != nil {
		return nil, b.failAt(pos, "not an integer of 64 bits")
	}
	return starlark.MakeInt64(i), nil
}

func (b *builder) float(text string, pos int) (starlark.Value, error) {
	text = strings.ReplaceAll(text, "_", "")
	switch strings.TrimLeft(text, "+-") {
	case "nan":
		return starlark.Float(math.NaN()), nil
	case "inf":
		return starlark.Float(math.Inf(map[bool]int{true: -1, false: 1}[text[0] == '-'])), nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, b.failAt(pos, "not a number, or one too large for a float")
	}
	return starlark.Float(f), nil
}

func (b *builder) time(text string, pos int) (starlark.Value, error) {
	text = strings.Replace(strings.ToUpper(text), " ", "T", 1)
	for _, layout := range []string{gotime.RFC3339Nano, "2006-01-02T15:04Z07:00"} {
		if t, err := gotime.Parse(layout, text); err == nil {
			return time.Time(t), nil
		}
	}
	return nil, b.failAt(pos, "not a date and time")
}
