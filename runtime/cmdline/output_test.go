package cmdline

import (
	"strings"
	"testing"
)

func TestLongLines(t *testing.T) {
	var got []string
	l := Lines{Emit: func(s string) { got = append(got, s) }}
	text := strings.Repeat("é", maxLine) // an odd byte first, so that pieces end within a character
	_, _ = l.Write([]byte("x" + text[:1000]))
	_, _ = l.Write([]byte(text[1000:] + "\r\nend"))
	l.Flush()
	if len(got) != 4 || strings.Join(got, "") != "x"+text+"end" {
		t.Fatalf("%d pieces", len(got))
	}
	for _, piece := range got {
		if len(piece) > maxLine || strings.ToValidUTF8(piece, "") != piece {
			t.Errorf("a bad piece of %d bytes", len(piece))
		}
	}
}
