package http

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	nethttp "net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// lost is the error of an exchange that ended without an answer, or within one.
func (x *exchange) lost(err error) error {
	err = inner(err)
	sent := x.sent.Load()
	f := &fault.Error{Kind: fault.Network, Cause: err, Unsent: !sent, InDoubt: sent && !x.repeat}
	reason := x.env.Run.Secrets.Redact(reasonOf(err))
	var own *fault.Error
	ended := x.req.Context().Err() // err may be any cause that the context was given
	switch {
	case errors.Is(err, context.DeadlineExceeded) || ended == context.DeadlineExceeded:
		f.Kind, reason = fault.Timeout, "no answer in time"
		if !sent {
			reason = "no connection in time"
		}
		f.Hint = "give it more time with timeout, if it needs it"
	case ended != nil:
		f.Kind, reason = fault.Cancelled, "the run was stopped"
	case errors.As(err, &own): // of redirects
		f.Kind, f.Hint, reason = own.Kind, own.Hint, own.Msg
	case isCertificate(err):
		f.Kind = fault.Failed // trying again does not help
		f.Hint = "pass ca_file if the server's certificate comes from an authority of your own"
	}
	f.Msg = fmt.Sprintf("%s: %s", x.shown, reason)
	if f.InDoubt {
		f.Msg += "; the request was sent, and may have been carried out"
	}
	return f
}

func isCertificate(err error) bool {
	var verification *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	return errors.As(err, &verification) || errors.As(err, &unknown) || errors.As(err, &name)
}

// reasonOf says in a few words what happened to the connection.
func reasonOf(err error) string {
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Sprintf("there is no host %q", dns.Name)
	case errors.As(err, &op) && op.Op == "dial":
		return fmt.Sprintf("cannot connect to %v: %v", op.Addr, cause(op.Err))
	case errors.As(err, &op):
		return "the connection was lost: " + cause(op.Err).Error()
	case err.Error() == "EOF" || strings.Contains(err.Error(), "unexpected EOF"):
		return "the connection was closed without a full answer"
	}
	return err.Error()
}

// cause is the innermost reason: "connection refused".
func cause(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// statusFault is the error of a status that was not accepted.
func (x *exchange) statusFault(resp *nethttp.Response, body []byte) error {
	status := resp.StatusCode
	f := fault.New(fault.Failed, "%s: answered %d %s", x.shown, status, nethttp.StatusText(status))
	switch {
	case status == 404 || status == 410:
		f.Kind = fault.NotFound
	case status == 429:
		f.Kind, f.Unsent = fault.Unavailable, true // it was turned away at the door
	case status == 503:
		f.Kind = fault.Unavailable
	case status == 502 || status == 504:
		f.InDoubt = !x.repeat // the gateway does not know either
		f.Kind = fault.Unavailable
	case status >= 500 && x.repeat:
		f.Kind = fault.Unavailable
	}
	f.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	snippet := x.snippet(body)
	if snippet != "" {
		f.Msg += ": " + snippet
	}
	f.Details = map[string]any{"status": status, "body": snippet}
	return f
}

// snippet is the beginning of a body, fit to be seen: redacted before it is
// cut, because half a secret would not be recognised.
func (x *exchange) snippet(body []byte) string {
	const n = 200
	if len(body) > 64<<10 {
		body = body[:64<<10]
	}
	if !utf8.Valid(body) {
		body = []byte(strings.ToValidUTF8(string(body), "�"))
	}
	text := strings.Join(strings.Fields(x.env.Run.Secrets.Redact(string(body))), " ")
	if utf8.RuneCountInString(text) > n {
		text = string([]rune(text)[:n]) + "…"
	}
	return text
}

// retryAfter reads the header, seconds or a date, as seconds.
func retryAfter(header string, now time.Time) float64 {
	if seconds, err := strconv.ParseFloat(header, 64); err == nil && seconds >= 0 && seconds < 1e9 {
		return seconds
	}
	if at, err := nethttp.ParseTime(header); err == nil && at.After(now) {
		return at.Sub(now).Seconds()
	}
	return 0
}
