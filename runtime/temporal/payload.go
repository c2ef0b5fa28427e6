package temporal

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/seal"
)

// vault keeps what the server must not see: every payload is compressed and sealed with
// a key that workers and clients share. A large one goes to a directory that they share
// as well, by its content, and the server gets its name alone.
type vault struct {
	box   *seal.Box
	large string // directory; "": there is none
}

var _ converter.PayloadCodec = (*vault)(nil)

const (
	encodingKey    = "encoding"
	encodingSealed = "binary/provisioning-sealed"
	encodingLarge  = "binary/provisioning-large"
)

// inline is the size from which payloads go to the directory. The server takes up to 2
// MiB for each, and 50 MiB for a history.
const inline = 64 << 10

// maxInline is what the server takes.
const maxInline = 2<<20 - 4<<10

// surely is the size of values up to which what is made of them certainly fits.
const surely = maxInline / 3

// sealing seals what it converts.
type sealing struct {
	converter.DataConverter
	*vault
}

// fits says why something that holds values of the given size is too large for the
// server.
func fits(data converter.DataConverter, size int, v any) error {
	if s, ok := data.(sealing); ok && s.large != "" || size <= surely {
		return nil
	}
	if _, err := data.ToPayload(v); err != nil {
		if e := fault.As(err); e != nil {
			return e
		}
		return fault.Wrap(fault.TooLarge, err, "a value does not fit into the history of a run")
	}
	return nil
}

// Encode seals payloads.
func (v *vault) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		plain, err := proto.Marshal(p)
		if err != nil {
			return nil, err
		}
		sealed := v.box.Seal(shrink(plain))
		encoding := encodingSealed
		if len(sealed) > inline && v.large != "" {
			if sealed, err = v.put(sealed); err != nil {
				return nil, err
			}
			encoding = encodingLarge
		} else if len(sealed) > maxInline {
			return nil, fault.New(fault.TooLarge, "a value of %d KiB does not fit into the history of a run", len(sealed)>>10).
				WithHint("name a directory that all workers and clients share, for what is large: [engine.temporal] large = \"/shared/provisioning\"")
		}
		out[i] = &commonpb.Payload{Metadata: map[string][]byte{encodingKey: []byte(encoding)}, Data: sealed}
	}
	return out, nil
}

// Decode opens what Encode has made, and leaves alone what others have.
func (v *vault) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		sealed := p.Data
		switch string(p.Metadata[encodingKey]) {
		case encodingSealed:
		case encodingLarge:
			var err error
			if sealed, err = v.get(string(p.Data)); err != nil {
				return nil, err
			}
		default:
			out[i] = p
			continue
		}
		packed, err := v.box.Open(sealed)
		if err != nil {
			return nil, fault.New(fault.Permission, "cannot open what the server keeps of the run").
				WithHint("all workers and clients need the same key: [engine.temporal] key_file")
		}
		plain, err := expand(packed)
		if err != nil {
			return nil, fault.Wrap(fault.Failed, err, "what the server keeps of the run is damaged")
		}
		out[i] = &commonpb.Payload{}
		if err := proto.Unmarshal(plain, out[i]); err != nil {
			return nil, fault.Wrap(fault.Failed, err, "what the server keeps of the run is damaged")
		}
	}
	return out, nil
}

// small is the size from which compressing is worth its time.
const small = 1 << 10

func shrink(plain []byte) []byte {
	if len(plain) < small {
		return stored(plain)
	}
	w := shrinkers.Get().(*flate.Writer)
	defer shrinkers.Put(w)
	var out bytes.Buffer
	w.Reset(&out)
	_, err := w.Write(plain)
	if err = errors.Join(err, w.Close()); err != nil {
		panic(err) // a buffer is not at fault
	}
	return out.Bytes()
}

// stored is plain as the one stored block of a deflate stream, RFC 1951, 3.2.4.
func stored(plain []byte) []byte {
	n := uint16(len(plain))
	out := append(make([]byte, 0, 5+len(plain)), 1, byte(n), byte(n>>8), byte(^n), byte(^n>>8))
	return append(out, plain...)
}

// A writer of flate is a megabyte of tables, and there are some payloads for each effect.
var (
	shrinkers = sync.Pool{New: func() any {
		w, err := flate.NewWriter(nil, flate.BestSpeed)
		if err != nil {
			panic(err) // the level is not at fault
		}
		return w
	}}
	expanders = sync.Pool{New: func() any { return flate.NewReader(nil) }}
)

// expand is the opposite of shrink.
func expand(packed []byte) ([]byte, error) {
	r := expanders.Get().(io.ReadCloser)
	defer expanders.Put(r)
	if err := r.(flate.Resetter).Reset(bytes.NewReader(packed), nil); err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// try finds out whether large payloads can be kept.
func (v *vault) try() error {
	if v.large == "" {
		return nil
	}
	name, err := v.put([]byte("tried"))
	if err == nil {
		_, err = v.get(string(name))
	}
	return err
}

// put keeps a payload by the hash of its content, and returns its name.
func (v *vault) put(sealed []byte) ([]byte, error) {
	sum := sha256.Sum256(sealed)
	name := hex.EncodeToString(sum[:])
	dir := filepath.Join(v.large, name[:2])
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.Wrap(fault.Config, err, "cannot keep a large value")
	}
	tmp, err := os.CreateTemp(dir, ".tmp-*")
	if err != nil {
		return nil, fault.Wrap(fault.Config, err, "cannot keep a large value")
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(sealed)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		return nil, fault.Wrap(fault.Config, err, "cannot keep a large value")
	}
	return []byte(name), nil
}

func (v *vault) get(name string) ([]byte, error) {
	if len(name) != 2*sha256.Size || v.large == "" {
		return nil, fault.New(fault.Config, "a large value is kept in a directory that is not known here").
			WithHint("name the one that all workers and clients share: [engine.temporal] large = \"/shared/provisioning\"")
	}
	data, err := os.ReadFile(filepath.Join(v.large, name[:2], filepath.Base(name)))
	if err != nil {
		return nil, fault.Wrap(fault.Config, err, "cannot read a large value").
			WithHint("all workers and clients have to share the directory: [engine.temporal] large")
	}
	return data, nil
}
