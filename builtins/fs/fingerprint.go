package fs

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
)

// A fingerprint says in one comparable line what is under a path: absence, or
// type, mode and content; of a directory, those of everything in it.

// fingerprint looks at p itself, not at what a link leads to.
func fingerprint(p sandbox.Path) (string, error) {
	info, err := p.Lstat()
	if fault.Is(err, fault.NotFound) || isNotDir(err) {
		return absent, nil
	}
	if err != nil {
		return "", err
	}
	switch typeName(info.Mode()) {
	case file:
		sum, err := fileSum(p)
		return printOf(file, info.Mode(), sum), err
	case link:
		target, err := p.Readlink()
		return printOf(link, 0, target), err
	case directory:
		sum, err := dirSum(p)
		return printOf(directory, info.Mode(), sum), err
	}
	return printOf(other, info.Mode(), ""), nil
}

func printOf(kind string, mode fs.FileMode, rest string) string {
	return fmt.Sprintf("%s %04o %s", kind, mode.Perm(), rest)
}

// printOfFile is the fingerprint of a file with the given content.
func printOfFile(content []byte, mode fs.FileMode) string {
	sum := sha256.Sum256(content)
	return printOf(file, mode, hex.EncodeToString(sum[:]))
}

func fileSum(p sandbox.Path) (string, error) {
	f, err := p.Open()
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fault.Wrap(fault.Failed, err, "cannot read %q", p.Name)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func dirSum(p sandbox.Path) (string, error) {
	entries, err := p.ReadDir()
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, e := range entries {
		sum, err := fingerprint(p.Child(e.Name()))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%q %q\n", e.Name(), sum)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
