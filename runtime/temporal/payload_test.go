package temporal

import (
	"bytes"
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"

	commonpb "go.temporal.io/api/common/v1"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/seal"
)

func payload(data []byte) []*commonpb.Payload {
	return []*commonpb.Payload{{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: data}}
}

func noise(n int) []byte {
	data := make([]byte, n)
	_, _ = rand.Read(data) // never fails
	return data
}

func TestPayloads(t *testing.T) {
	key := noise(32)
	for _, c := range []struct {
		name  string
		data  []byte
		large string // encoding, with a directory
	}{
		{"empty", nil, encodingSealed},
		{"small", []byte(`{"token": "correct horse"}`), encodingSealed},
		{"repetitive", bytes.Repeat([]byte("correct horse "), 1<<16), encodingSealed},
		{"large", noise(1 << 20), encodingLarge},
		{"larger than the server takes", noise(4 << 20), encodingLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			v := &vault{seal.BoxOf(key), dir}
			sealed, err := v.Encode(payload(c.data))
			if err != nil {
				t.Fatal(err)
			}
			if got := string(sealed[0].Metadata[encodingKey]); got != c.large {
				t.Errorf("it is %s", got)
			}
			if len(sealed[0].Data) > maxInline || bytes.Contains(sealed[0].Data, []byte("correct horse")) {
				t.Errorf("the server gets %d bytes", len(sealed[0].Data))
			}
			// By another process with the same key and directory.
			opened, err := (&vault{seal.BoxOf(key), dir}).Decode(sealed)
			if err != nil || !bytes.Equal(opened[0].Data, c.data) || string(opened[0].Metadata["encoding"]) != "json/plain" {
				t.Error("it comes back as another:", err)
			}
		})
	}
}

// TestPayloadsOfOthers: what somebody else has encoded passes, and what was sealed with
// another key, was damaged or is missing is refused with what to do.
func TestPayloadsOfOthers(t *testing.T) {
	dir := t.TempDir()
	v := &vault{seal.NewBox(), dir}
	plain := payload([]byte("{}"))
	if got, err := v.Decode(plain); err != nil || string(got[0].Data) != "{}" {
		t.Error("what is not sealed:", err)
	}
	sealed, err := v.Encode(payload(noise(1 << 20)))
	if err != nil {
		t.Fatal(err)
	}
	name := string(sealed[0].Data)
	for what, other := range map[string]*vault{
		"another key": {seal.NewBox(), dir}, "another directory": {v.box, t.TempDir()}, "no directory": {v.box, ""},
	} {
		if _, err := other.Decode(sealed); fault.As(err) == nil || fault.As(err).Hint == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := (&vault{v.box, ""}).Encode(payload(noise(3 << 20))); !fault.Is(err, fault.TooLarge) {
		t.Errorf("a large one without a directory: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, name[:2], name), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Decode(sealed); err == nil {
		t.Error("a damaged one is taken")
	}
}

func FuzzPayloads(f *testing.F) {
	v := &vault{box: seal.NewBox()}
	sealed, err := v.Encode(payload([]byte("text")))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(encodingSealed), sealed[0].Data)
	f.Add([]byte(encodingLarge), []byte("../../etc/passwd"))
	f.Add([]byte("json/plain"), []byte("{}"))
	v.large = f.TempDir()
	f.Fuzz(func(t *testing.T, encoding, data []byte) {
		out, err := v.Decode([]*commonpb.Payload{{Metadata: map[string][]byte{encodingKey: encoding}, Data: data}})
		if err == nil && len(out) != 1 {
			t.Error("a payload has gone")
		}
	})
}
