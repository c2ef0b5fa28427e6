package language

import (
	"net/url"
	"path/filepath"
	"strings"
)

// pathOf is the file that a URI names; false for documents that are in no file,
// such as untitled:Untitled-1.
func pathOf(uri string) (string, bool) {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "file" || u.Path == "" || u.Host != "" && u.Host != "localhost" {
		return "", false
	}
	path := u.Path
	if len(path) > 2 && path[0] == '/' && path[2] == ':' { // /C:/x
		path = path[1:]
	}
	if strings.ContainsRune(path, 0) {
		return "", false
	}
	return filepath.Clean(filepath.FromSlash(path)), true
}

// uriOf is the URI of a file.
func uriOf(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return (&url.URL{Scheme: "file", Path: path}).String()
}
