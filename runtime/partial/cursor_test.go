package partial_test

import (
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/runtime/partial"
)

func TestAt(t *testing.T) {
	for _, c := range []struct {
		text, want string
	}{
		{"x = fo|o", "word=foo"},
		{"x = |", "word="},
		{"fs.re|ad", "word=read dot=fs"},
		{"fs.|", "word= dot=fs"},
		{"a(b).c[0].|", "word= dot=a(b).c[0]"},
		{`"x".|`, `word= dot="x"`},
		{"[1, 2].|", "word= dot=[1, 2]"},
		{"x = 1 + {}.|", "word= dot={}"},
		{"return a.|", "word= dot=a"},
		{"f(|", "word= call=f 0 fresh"},
		{"f(a, |", "word= call=f 1 fresh"},
		{"f(a, b|", "word=b call=f 1 fresh"},
		{"f(a, b + c|", "word=c call=f 1"},
		{"f(a, mode = |", "word= call=f 1 mode"},
		{"f(a, mode = 1, |", "word= call=f 2 fresh given=mode"},
		{"f(|, mode = 1)", "word= call=f 0 fresh given=mode"},
		{"f(mo|de = 1, x = 2)", "word=mode call=f 0 fresh given=x"},
		{"fs.read(g(1), |)\nx = 2", "word= call=fs.read 1 fresh"},
		{"f(g(|))", "word= call=g 0 fresh"},
		{"f([|])", "word= inside"},
		{"f(a == |", "word= call=f 0"},
		{"f(\n    a,\n    |\n)\n", "word= call=f 1 fresh"},
		{"f(a,\n  |\ndef g():\n  pass\n", "word= call=f 1 fresh"},
		{"f(a\nx = |", "word="},
		{"f(1)|", "word="},
		{"f(1)\n|", "word="},
		{"def f(|a)", "word=a inside"},
		{`f("a, |b", 1)`, "text=a, b call=f 0"},
		{`f("a", "|`, "text= call=f 1 fresh"},
		{`load("./x|y.star", "z")`, "text=./xy.star call=load 0 fresh"},
		{`load("@std//lists.star", "|")`, "text= call=load 1 fresh"},
		{"# fs.|", "comment"},
		{"x = 1 # |", "comment"},
		{"|# x", "word="},
		{"x = 1.|", "word=1. number"},
		{`"""text |`, "text=text "},
		{"é.|", "word= dot=é"},
	} {
		at := strings.Index(c.text, "|")
		text := strings.Replace(c.text, "|", "", 1)
		if got := describe(partial.Read(text), at); got != c.want && got != c.want+" fresh" {
			t.Errorf("%q: %s\nwant %s", c.text, got, c.want)
		}
	}
}

func describe(f *partial.File, at int) string {
	c := f.At(at)
	if c.Comment {
		return "comment"
	}
	s := "word=" + f.Text[c.Word.Start:c.Word.End]
	if c.Text {
		s = "text=" + f.Text[c.Quoted.Start:c.Quoted.End]
	}
	if c.Numeral {
		s += " number"
	}
	if n := len(c.Receiver); n > 0 {
		s += " dot=" + f.Text[c.Receiver[0].Start:c.Receiver[n-1].End]
	}
	if c.Call == nil {
		if c.Inside {
			s += " inside"
		}
		return s
	}
	s += " call=" + f.Text[c.Call.Callee.Start:c.Call.Callee.End] + " " + string(rune('0'+c.Call.Argument))
	if c.Call.Keyword != "" {
		s += " " + c.Call.Keyword
	}
	if c.Call.Fresh {
		s += " fresh"
	}
	if len(c.Call.Given) > 0 {
		s += " given=" + strings.Join(c.Call.Given, ",")
	}
	return s
}
