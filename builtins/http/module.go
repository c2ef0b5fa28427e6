// Package http speaks HTTP, for scripts.
//
// What an error says of a write is exact: it lies before the sending, or the
// server has answered, or nobody knows whether the request was carried out.
package http

import "github.com/provisioning-systems/provisioning/runtime/module"

// Module is what scripts see as http.
var Module = module.New("http", `HTTP requests.

Every function returns a struct response: status (int), headers (dict, keys in
lower case), body (string; empty when it is not UTF-8), bytes (the body when it
is not UTF-8, else None), json (the decoded value when the content type is JSON,
else None), url (after redirects) and duration.

A status outside of 200-399 is an error, unless ok lists it or check is False.
Reads are tried three times when the failure is transient, and so are put,
delete, and requests with an idempotency key. Proxies come from the environment
(HTTPS_PROXY, NO_PROXY).`)
