package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/temporal"
)

// health tells those who look after workers how one is.
type health struct {
	contact  *temporal.Contact // with the server; one that has none is never lost
	stopping <-chan struct{}
	ready    atomic.Bool
}

// serve answers requests at an address until end is called; "" is none.
func (h *health) serve(address string) (end func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fault.Wrap(fault.Config, err, "cannot listen at --health %s", address)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /live", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		if why := h.trouble(); why != "" {
			http.Error(w, why, http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	over := make(chan struct{})
	go func() {
		defer close(over)
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			panic(err) // a listener of our own does not fail
		}
	}()
	return func() {
		_ = s.Shutdown(context.Background()) // answers are short
		<-over
	}, nil
}

// trouble says why the worker takes no work; "": it does.
func (h *health) trouble() string {
	select {
	case <-h.stopping:
		return "the worker is stopping"
	default:
	}
	if !h.ready.Load() {
		return "the worker is not ready yet"
	}
	if since := h.contact.Lost(); !since.IsZero() {
		return "the Temporal server has not answered since " + since.UTC().Format(time.RFC3339)
	}
	return ""
}
