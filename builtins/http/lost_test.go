package http

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	nethttp "net/http"
	"strings"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

// rude reads a request, answers with text, and resets the connection.
func rude(t *testing.T, text string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if r, err := nethttp.ReadRequest(bufio.NewReader(conn)); err == nil {
				_, _ = io.Copy(io.Discard, r.Body)
			}
			_, _ = io.WriteString(conn, text)
			if text == "" {
				_ = conn.(*net.TCPConn).SetLinger(0) // a reset
			}
			conn.Close()
		}
	}()
	return "http://" + l.Addr().String()
}

func TestLostAfterSending(t *testing.T) {
	f := builtintest.New(t, Module)
	for _, text := range []string{"", "HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\nhalf"} {
		url := rude(t, text)
		for call, doubt := range map[string]bool{
			`http.post("URL", body = "x")`:                         true,
			`http.patch("URL", body = "x")`:                        true,
			`http.post("URL", body = "x", idempotency_key = True)`: false,
			`http.put("URL", body = "x")`:                          false,
			`http.delete("URL")`:                                   false,
			`http.get("URL")`:                                      false,
		} {
			e := failure(t, f, url, call)
			if e.Kind != fault.Network || e.InDoubt != doubt || e.Unsent || !e.Transient() {
				t.Errorf("%q %s gave %#v", text, call, e)
			}
			if doubt != strings.Contains(e.Msg, "may have been carried out") {
				t.Errorf("message %q", e.Msg)
			}
		}
	}
}

func TestLostBeforeSending(t *testing.T) {
	f := builtintest.New(t, Module)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + l.Addr().String()
	l.Close()
	for url, part := range map[string]string{
		closed:                    "connection refused",
		"http://nowhere.invalid/": "nowhere.invalid",
	} {
		e := failure(t, f, url, `http.post("URL", body = "x")`)
		if e.Kind != fault.Network || !e.Unsent || e.InDoubt || !strings.Contains(e.Msg, part) {
			t.Errorf("%s gave %#v", url, e)
		}
	}
	// A handshake that breaks off.
	e := failure(t, f, strings.Replace(rude(t, ""), "http:", "https:", 1), `http.post("URL")`)
	if e.Kind != fault.Network || !e.Unsent || e.InDoubt {
		t.Errorf("gave %#v", e)
	}
}

// hang answers nothing until the test is over, and tells when it was asked.
func hang(t *testing.T) (url string, asked chan struct{}) {
	asked = make(chan struct{}, 10)
	over := make(chan struct{})
	s := serve(t, func(_ nethttp.ResponseWriter, r *nethttp.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		asked <- struct{}{}
		<-over
	})
	t.Cleanup(func() { close(over) }) // before the server closes
	return s.URL, asked
}

func TestTimeout(t *testing.T) {
	f := builtintest.New(t, Module)
	url, _ := hang(t)
	e := failure(t, f, url, `http.get("URL", timeout = "50ms")`)
	if e.Kind != fault.Timeout || e.InDoubt {
		t.Errorf("gave %#v", e)
	}
}

// TestEnded ends requests while the server has them.
func TestEnded(t *testing.T) {
	f := builtintest.New(t, Module)
	url, asked := hang(t)
	r := Request{URL: url, Timeout: time.Minute}
	for cause, kind := range map[error]fault.Kind{
		context.DeadlineExceeded: fault.Timeout, context.Canceled: fault.Cancelled, errors.New("why"): fault.Cancelled,
	} {
		for do, doubt := range map[effect.Performer]bool{&post{Request: r}: true, &put{Request: r}: false} {
			ctx, cancel := context.WithCancelCause(t.Context())
			go func() {
				<-asked
				cancel(cause)
			}()
			_, err := do.Perform(ctx, &effect.Env{Run: f.Run, Options: effect.NoOptions})
			if e := fault.As(err); e == nil || e.Kind != kind || e.InDoubt != doubt || e.Unsent {
				t.Errorf("%v: %T gave %#v", cause, do, e)
			}
		}
	}
}
