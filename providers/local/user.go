package local

import (
	"archive/tar"
	"bytes"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// maxPasswd bounds what is read of /etc/passwd.
const maxPasswd = 1 << 20

// user is one of an image.
type user struct {
	name     string
	uid, gid int
	home     string
}

// userIn finds a user in the text of /etc/passwd.
func userIn(passwd, name string) (user, error) {
	for line := range strings.Lines(passwd) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) != 7 || f[0] != name {
			continue
		}
		uid, uerr := strconv.Atoi(f[2])
		gid, gerr := strconv.Atoi(f[3])
		if uerr == nil && gerr == nil && path.IsAbs(f[5]) {
			return user{name, uid, gid, path.Clean(f[5])}, nil
		}
	}
	return user{}, fault.New(fault.NotFound, "there is no user %q", name)
}

// loginNames are the users that somebody may log in as.
func loginNames(passwd string) []string {
	var names []string
	for line := range strings.Lines(passwd) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) == 7 && strings.HasSuffix(f[6], "sh") {
			names = append(names, f[0])
		}
	}
	return names
}

// keysArchive is a tar with the authorized_keys of the user, from the root on. sshd
// wants the directory and the file to belong to the user, and to nobody else.
func (u user) keysArchive(keys []string) io.Reader {
	content := []byte(strings.Join(keys, "\n") + "\n")
	dir := strings.TrimPrefix(path.Join(u.home, ".ssh"), "/")
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	// A buffer takes everything, and the headers are right: nothing here can fail.
	_ = w.WriteHeader(&tar.Header{Name: dir + "/", Typeflag: tar.TypeDir, Mode: 0o700, Uid: u.uid, Gid: u.gid})
	_ = w.WriteHeader(&tar.Header{Name: dir + "/authorized_keys", Typeflag: tar.TypeReg, Mode: 0o600, Uid: u.uid, Gid: u.gid, Size: int64(len(content))})
	_, _ = w.Write(content)
	_ = w.Close()
	return &b
}
