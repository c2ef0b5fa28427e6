package yaml

import (
	"encoding/base64"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	gotime "time"

	"go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.yaml.in/yaml/v3"
)

var decimal = regexp.MustCompile(`^[-+]?[0-9]+$`)

func (b *builder) scalar(n *yaml.Node) (starlark.Value, error) {
	tagged := n.Style&yaml.TaggedStyle != 0
	switch n.ShortTag() {
	case "!!str", "!!merge":
		return b.doc.String(n.Value), nil
	case "!!null":
		return starlark.None, nil
	case "!!bool":
		return b.bool(n)
	case "!!int":
		return b.int(n)
	case "!!float":
		// The library takes ints beyond 64 bits for floats.
		if !tagged && decimal.MatchString(strings.ReplaceAll(n.Value, "_", "")) {
			return b.int(n)
		}
		return b.float(n)
	case "!!timestamp":
		if tagged {
			return b.time(n)
		}
		return b.doc.String(n.Value), nil
	case "!!binary":
		data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(n.Value), ""))
		if err != nil {
			return nil, b.fail(n, "!!binary that is not base64")
		}
		return starlark.Bytes(data), nil
	}
	return nil, b.unknownTag(n)
}

func (b *builder) unknownTag(n *yaml.Node) error {
	tag := n.ShortTag()
	if len(tag) > 40 || b.doc.Secret {
		tag = "there"
	}
	return b.fail(n, "the tag %s is not one of YAML's own, and has no meaning here", tag)
}

func (b *builder) bool(n *yaml.Node) (starlark.Value, error) {
	switch strings.ToLower(n.Value) {
	case "true":
		return starlark.True, nil
	case "false":
		return starlark.False, nil
	}
	return nil, b.fail(n, "!!bool that is neither true nor false")
}

func (b *builder) int(n *yaml.Node) (starlark.Value, error) {
	text := strings.ReplaceAll(n.Value, "_", "")
	if len(text) > maxDigits {
		return nil, b.fail(n, "a number of more than %d digits", maxDigits)
	}
	i, ok := new(big.Int).SetString(text, 0) // 0x1f, 0o17, 0b11, and 017 as of YAML 1.1
	if !ok {
		i, ok = new(big.Int).SetString(text, 10) // 089
	}
	if !ok {
		return nil, b.fail(n, "!!int that is not one")
	}
	return starlark.MakeBigInt(i), nil
}

func (b *builder) float(n *yaml.Node) (starlark.Value, error) {
	text := strings.ToLower(strings.ReplaceAll(n.Value, "_", ""))
	switch strings.TrimPrefix(text, "+") {
	case ".inf":
		return starlark.Float(math.Inf(1)), nil
	case "-.inf":
		return starlark.Float(math.Inf(-1)), nil
	case ".nan":
		return starlark.Float(math.NaN()), nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, b.fail(n, "!!float that is not one, or too large")
	}
	return starlark.Float(f), nil
}

func (b *builder) time(n *yaml.Node) (starlark.Value, error) {
	var t gotime.Time
	plain := yaml.Node{Kind: yaml.ScalarNode, Tag: "!!timestamp", Value: n.Value}
	if err := plain.Decode(&t); err != nil {
		return nil, b.fail(n, "!!timestamp that is not one")
	}
	return time.Time(t), nil
}
