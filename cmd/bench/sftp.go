package main

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/pkg/sftp"
)

// sftp sends a tree by SFTP as pkg/sftp does it best: writes side by side, and files
// side by side, over a connection that is made for it.
func (h *hosts) sftp(source, dest string) time.Duration {
	began := time.Now()
	conn := h.dial(h.addresses[0])
	defer conn.Close()
	c, err := sftp.NewClient(conn, sftp.UseConcurrentWrites(true), sftp.MaxConcurrentRequestsPerFile(64))
	check(err)
	defer c.Close()
	names := make(chan string)
	done := make(chan struct{})
	const workers = 16
	for range workers {
		go func() {
			for name := range names {
				h.sendFile(c, filepath.Join(source, name), filepath.Join(dest, name))
			}
			done <- struct{}{}
		}()
	}
	check(filepath.WalkDir(source, func(name string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(source, name)
		if err != nil || rel == "." {
			return err
		}
		if d.IsDir() {
			return c.Mkdir(filepath.Join(dest, rel))
		}
		names <- rel
		return nil
	}))
	close(names)
	for range workers {
		<-done
	}
	return time.Since(began).Round(100 * time.Microsecond)
}

func (h *hosts) sendFile(c *sftp.Client, from, to string) {
	in, err := os.Open(from)
	check(err)
	defer in.Close()
	out, err := c.Create(to + ".new")
	check(err)
	_, err = io.Copy(out, in)
	check(err)
	check(out.Close())
	check(c.PosixRename(to+".new", to))
}
