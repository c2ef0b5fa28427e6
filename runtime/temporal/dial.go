package temporal

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	sdklog "go.temporal.io/sdk/log"
	sdk "go.temporal.io/sdk/temporal"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/seal"
)

// dialTime is how long a server may take to answer the first time.
const dialTime = 10 * time.Second

// dial connects to the server. key is the one of the user, for settings that name none;
// log is told of trouble (nil: nobody is), and so is contact (nil: as well).
func (s Settings) dial(ctx context.Context, key *seal.Key, log *slog.Logger, contact *Contact) (client.Client, converter.DataConverter, error) {
	if err := s.check(); err != nil {
		return nil, nil, err
	}
	key, err := s.shared(key)
	if err != nil {
		return nil, nil, err
	}
	data, failures, err := s.converters(key)
	if err != nil {
		return nil, nil, err
	}
	name, err := identity(key)
	if err != nil {
		return nil, nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	options := client.Options{
		HostPort: s.Address, Namespace: s.Namespace, DataConverter: data, Identity: name,
		FailureConverter: failures,
		Logger:           sdklog.NewStructuredLogger(slog.New(troubles{log.Handler()})),
	}
	// What is sealed was compressed before: doing it again takes time, here and there.
	options.ConnectionOptions.GrpcCompression = &client.GrpcCompressionNone{}
	if contact != nil {
		options.ConnectionOptions.DialOptions = []grpc.DialOption{grpc.WithChainUnaryInterceptor(contact.watch)}
	}
	if options.ConnectionOptions.TLS, err = s.tls(); err != nil {
		return nil, nil, err
	}
	if s.APIKey != "" {
		if _, err := s.apiKey(ctx); err != nil {
			return nil, nil, err
		}
		options.Credentials = client.NewAPIKeyDynamicCredentials(s.apiKey)
	}
	within, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	c, err := client.DialContext(within, options)
	if err != nil {
		return nil, nil, s.refused(ctx, err)
	}
	return c, data, nil
}

// data seals what the server gets.
func (s Settings) data(key *seal.Key) (converter.DataConverter, error) {
	secret, err := key.Derive("temporal payloads")
	if err != nil {
		return nil, err
	}
	v := &vault{seal.BoxOf(secret), s.Large}
	return sealing{converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), v), v}, nil
}

// converters seal what goes to the server. The text of failures and the names of scripts
// are nothing that it has to know, either.
func (s Settings) converters(key *seal.Key) (converter.DataConverter, converter.FailureConverter, error) {
	data, err := s.data(key)
	if err != nil {
		return nil, nil, err
	}
	return data, sdk.NewDefaultFailureConverter(sdk.DefaultFailureConverterOptions{DataConverter: data, EncodeCommonAttributes: true}), nil
}

// shared is the key that workers and clients share. One that the settings name is not
// made: it would be another one on each machine.
func (s Settings) shared(key *seal.Key) (*seal.Key, error) {
	if s.KeyFile == "" {
		return key, nil
	}
	if _, err := os.Stat(s.KeyFile); err != nil {
		return nil, fault.Wrap(fault.Config, err, "cannot read [engine.temporal] key_file").
			WithHint("put the key there that the workers and clients of the cluster share; the first one is made with: provisioning worker key %s", s.KeyFile)
	}
	return seal.KeyAt(s.KeyFile), nil
}

// identity is what the server shows of this process. It ends with the print of the key,
// so that others see whether theirs is the same.
func identity(key *seal.Key) (string, error) {
	mark, err := keyPrint(key)
	host, _ := os.Hostname() // for people; an empty name is no error
	return fmt.Sprintf("%d@%s%s%s", os.Getpid(), host, printMark, mark), err
}

const printMark = " key:"

// keyPrint tells keys apart, and says nothing about them.
func keyPrint(key *seal.Key) (string, error) {
	secret, err := key.Derive("temporal key print")
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(secret[:4]), nil
}

// apiKey reads the key that the server asks for. It is read for every call.
func (s Settings) apiKey(context.Context) (string, error) {
	text, err := os.ReadFile(s.APIKey)
	if err != nil {
		return "", fault.Wrap(fault.Config, err, "cannot read [engine.temporal] api_key_file")
	}
	key := strings.TrimSpace(string(text))
	if key == "" || strings.ContainsAny(key, " \n\r\t") {
		return "", fault.New(fault.Config, "there is no API key in %s, which [engine.temporal] api_key_file names", s.APIKey).
			WithHint("the file holds the key alone, in one line")
	}
	return key, nil
}

// refused says why a server cannot be used.
func (s Settings) refused(ctx context.Context, err error) error {
	if known := s.permission(err); known != nil {
		return known
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	if why := s.probe(ctx); why != nil {
		return why
	}
	return fault.Wrap(fault.Unavailable, err, "cannot reach the Temporal server at %s", s.Address).
		WithHint("start one, or name another with --temporal HOST:PORT or [engine.temporal] address; to run on this machine alone: --engine local")
}

// permission is for answers of the server about who asks, and for what; nil for others.
func (s Settings) permission(err error) error {
	var denied *serviceerror.PermissionDenied
	var namespace *serviceerror.NamespaceNotFound
	switch {
	case errors.As(err, &namespace):
		return fault.New(fault.NotFound, "the Temporal server at %s has no namespace %q", s.Address, s.Namespace).
			WithHint("make it with: temporal operator namespace create %s; or name another with --namespace or [engine.temporal] namespace", s.Namespace)
	case errors.As(err, &denied), status.Code(err) == codes.Unauthenticated:
		hint := "the key in " + s.APIKey + ", which [engine.temporal] api_key_file names, may not use the namespace " + s.Namespace + ", or has expired"
		if s.APIKey == "" {
			hint = "it may want an API key: [engine.temporal] api_key_file; or another client certificate: [engine.temporal.tls] cert_file"
		}
		return fault.New(fault.Permission, "the Temporal server at %s refuses: %v", s.Address, err).WithHint("%s", hint)
	}
	return nil
}

// troubles passes on what a person should know of what the SDK says.
type troubles struct{ to slog.Handler }

var _ slog.Handler = troubles{}

func (t troubles) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && t.to.Enabled(ctx, level)
}

func (t troubles) Handle(ctx context.Context, r slog.Record) error {
	if ofStopping(r) {
		return nil
	}
	return t.to.Handle(ctx, r)
}

// ofStopping reports whether the SDK tells that it asks for no more work because it was
// told to stop, which is no trouble.
func ofStopping(r slog.Record) (is bool) {
	r.Attrs(func(a slog.Attr) bool {
		is = a.Key == "Error" && a.Value.String() == "worker stopping"
		return !is
	})
	return is
}

func (t troubles) WithAttrs(attrs []slog.Attr) slog.Handler { return troubles{t.to.WithAttrs(attrs)} }
func (t troubles) WithGroup(name string) slog.Handler       { return troubles{t.to.WithGroup(name)} }
